"""Scenes of a room and its furniture: bookshelf, clock, chair."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, X, Y, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import table, wall
from songlens_training.generated.shapes import Place, arc, curve, ellipse, petal, placed, symmetric
from songlens_training.generated.solids import Box, Eye, draw

_SPINES = ["#8a2f2a", "#2f4a6e", "#3f6a4a", "#c9a35a", "#5a3a5f", "#d8cdb4", "#a8542a", "#2a2f38", "#6f8a8c", "#b8443a"]
_WALLS = ["#c9b79a", "#9fb0a4", "#b8c4cc", "#d8b8a4", "#8f9aa8", "#e3d7bc", "#a8889a"]


def bookshelf(canvas: Canvas) -> None:
    """Paint shelves full of books, some leaning, a vase or a plant between them."""
    wood = canvas.pick(["#7a4f2c", "#5a3820", "#a9743f", "#4a3428", "#d9cbb4"])
    grain = canvas.noise(30, 3, 10)
    canvas.wash(ramp(grain, mix(wood, "#140a05", 0.72), mix(wood, "#140a05", 0.5)))
    rows = canvas.pick([2, 3, 3, 4])
    gap, top = 1.0 / rows, canvas.between(-0.08, 0.0)
    floors = [top + gap * (row + 1) for row in range(rows + 1)]
    upright = canvas.between(0.35, 1.0) if canvas.chance(0.6) else 2.0
    with canvas.ink() as ink:
        for floor in floors:
            _books(canvas, ink, -0.05, min(upright, ASPECT + 0.05), floor, gap)
            _books(canvas, ink, upright + 0.03, ASPECT + 0.05, floor, gap)
    for floor in floors:
        under = floor - gap + 0.035
        canvas.shade(1 - 0.6 * np.exp(-np.clip(Y - under, 0, 1) / 0.05) * (under < Y) * (floor > Y))
    with canvas.ink() as ink:
        for floor in [*floors, top]:
            ink.box((-0.1, floor), (1.5, floor + 0.036), wood)
            ink.box((-0.1, floor), (1.5, floor + 0.009), mix(wood, "#ffe9c8", 0.35))
        ink.box((upright, -0.1), (upright + 0.035, 1.1), mix(wood, "#ffe9c8", 0.08))
    canvas.grade(across(canvas.between(-0.6, 0.2), canvas.between(1.0, 1.8), "#b8a890", "#fff6e4", "#a89c8c"))
    canvas.finish(0.35)


def _books(canvas: Canvas, ink: Ink, left: float, right: float, floor: float, gap: float) -> None:
    """Fill one shelf from left to right."""
    x, room = left, gap - 0.05
    while x < right - 0.03:
        if canvas.chance(0.035) and right - x > 0.25:
            x += _ornament(canvas, ink, x, floor, room)
        tall, wide = room * canvas.between(0.68, 0.95), canvas.between(0.024, 0.055)
        if x + wide > right:
            break
        lean = canvas.between(0.08, 0.2) if canvas.chance(0.06) else 0.0
        _spine(canvas, ink, Place(x, floor, 1.0, lean), wide, tall)
        x += wide + math.sin(lean) * tall + (0.006 if lean else 0.0015)


def _spine(canvas: Canvas, ink: Ink, at: Place, wide: float, tall: float) -> None:
    """Stand one book, its lower left corner at the origin of `at`."""
    cloth = tinted(canvas.pick(_SPINES), canvas.dice, 0.04)
    gilt = canvas.pick(["#e8cf8a", "#f4ecd8", "#d9b45a"])

    def strip(start: float, end: float, low: float, high: float, tone: Colour) -> None:
        ink.area(at([(wide * start, -low), (wide * end, -low), (wide * end, -high), (wide * start, -high)]), tone)

    strip(0, 1, 0, tall, mix(cloth, "#000000", 0.4))
    strip(0.06, 0.94, 0, tall, cloth)
    strip(0.18, 0.42, 0, tall, mix(cloth, "#ffffff", 0.16))
    for share in canvas.pick([(0.12, 0.86), (0.1, 0.2, 0.8), (0.88,), (0.15, 0.5, 0.85)]):
        strip(0.06, 0.94, tall * share, tall * share + 0.005, gilt)
    if canvas.chance(0.6):
        strip(0.3, 0.7, tall * 0.4, tall * 0.72, mix(cloth, gilt, 0.65))


def _ornament(canvas: Canvas, ink: Ink, x: float, floor: float, room: float) -> float:
    """Set a potted plant or a vase on the shelf; return how much room it takes."""
    glaze, wide = canvas.pick(["#d8e0e4", "#c9703f", "#5f8a9a", "#e8d8b8"]), 0.07
    pot = Place(x + 0.1, floor, 1.0)
    if canvas.chance(0.6):
        for _ in range(16):
            turn = -math.pi / 2 + canvas.between(-1.1, 1.1)
            green = tinted("#5f9a4a", canvas.dice)
            ink.area(petal(pot.x, floor - 0.07, min(0.16, room * 0.7), 0.06, turn), green)
        ink.area(pot([(-wide * 0.6, 0.0), (-wide * 0.85, -0.085), (wide * 0.85, -0.085), (wide * 0.6, 0.0)]), glaze)
    else:
        jar = curve(symmetric([(0.032, -0.16), (0.03, -0.13), (0.055, -0.06), (0.02, 0)]))
        ink.area(pot(jar), glaze)
        ink.area(pot(ellipse(-0.02, -0.07, 0.008, 0.03)), mix(glaze, "#ffffff", 0.7))
    return 0.2


def clock(canvas: Canvas) -> None:
    """Paint a clock with hands: on a papered wall, or an alarm clock with two bells on a table."""
    paper = canvas.pick(_WALLS)
    wall(canvas, paper)
    rim = canvas.pick(["#5a3820", "#2a2c32", "#b8923a", "#a83a34", "#3f6f86", "#d8d4cc"])
    if canvas.chance(0.6):
        if canvas.chance(0.5):
            _stripes(canvas, paper)
        place = Place(canvas.between(0.52, 0.82), canvas.between(0.45, 0.55), canvas.between(0.3, 0.4))
        canvas.shade(1 - 0.5 * canvas.disc(place.x + 0.035, place.y + 0.04, place.size * 1.03, soft=0.02))
        _rim(canvas, place, rim)
    else:
        table(canvas, canvas.between(0.72, 0.78), canvas.pick(["#a9713f", "#8a5a34", "#c9a070"]))
        place = Place(canvas.between(0.5, 0.84), canvas.between(0.5, 0.53), canvas.between(0.27, 0.3))
        _alarm(canvas, place, rim)
        _rim(canvas, place, rim)
    with canvas.ink() as ink:
        _dial(canvas, ink, place)
    canvas.glow(place.x - place.size * 0.35, place.y - place.size * 0.4, place.size * 0.45, "#ffffff", 0.25)
    canvas.finish(0.3)


def _stripes(canvas: Canvas, paper: Colour) -> None:
    """Print wallpaper stripes."""
    wide = canvas.between(0.06, 0.14)
    with canvas.ink() as ink:
        for index in range(int(ASPECT / wide) + 1):
            ink.box((index * wide, -0.1), (index * wide + wide * 0.5, 1.1), mix(paper, "#ffffff", 0.4), alpha=0.35)


def _rim(canvas: Canvas, at: Place, rim: Colour) -> None:
    """Draw the round case and the white face."""
    light, dark = mix(rim, "#ffffff", 0.45), mix(rim, "#000000", 0.5)
    x, y, size = at.x, at.y, at.size
    canvas.fill(canvas.disc(x, y, size), ramp((X - x + Y - y) / (2.6 * size) + 0.5, light, rim, dark))
    canvas.fill(canvas.disc(x, y, size * 0.885), ramp((X - x + Y - y) / (2.6 * size) + 0.5, dark, rim, light))
    canvas.fill(canvas.disc(x, y, size * 0.86), radial(x, y, size, "#fffdf4", "#fbf6e8", "#e4dcc8"))


def _dial(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Draw minute marks, Roman numerals or bars, and the hands."""
    roman = canvas.chance(0.6)
    for minute in range(60):
        turn = minute * math.pi / 30
        mark = Place(at.x, at.y, at.size, turn)
        hour = minute % 5 == 0
        ink.line(mark([(0, -0.82), (0, -0.76 if hour else -0.79)]), 0.009 if hour else 0.004, "#26221e")
        if hour and roman:
            _numeral(ink, mark, minute // 5 or 12)
        elif hour:
            ink.line(mark([(0, -0.72), (0, -0.58)]), 0.016, "#26221e")
    hours, minutes = canvas.between(0, 12), canvas.between(0, 1)
    for turn, reach, width, tone in (
        ((int(hours) + minutes) / 6 * math.pi, 0.42, 0.026, "#1a1614"),
        (minutes * 2 * math.pi, 0.64, 0.018, "#1a1614"),
        (canvas.between(0, 6.28), 0.7, 0.007, "#c8262c"),
    ):
        ink.line(Place(at.x, at.y, at.size, turn)([(0, 0.12), (0, -reach)]), width, tone)
    for radius, tone in ((0.055, "#1a1614"), (0.025, "#c8262c")):
        ink.area(at(ellipse(0, 0, radius)), tone)


_STROKES: dict[str, tuple[list[tuple[float, float]], ...]] = {
    "I": ([(0, -1), (0, 1)],),
    "V": ([(-0.6, -1), (0, 1)], [(0.6, -1), (0, 1)]),
    "X": ([(-0.6, -1), (0.6, 1)], [(0.6, -1), (-0.6, 1)]),
}
_ROMAN = ("I", "II", "III", "IIII", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


def _numeral(ink: Ink, at: Place, hour: int) -> None:
    """Write a Roman numeral, its foot to the middle of the dial, four written IIII as on clocks."""
    letters = _ROMAN[hour - 1]
    widths = [0.05 if letter == "I" else 0.1 for letter in letters]
    x = -sum(widths) / 2
    for letter, wide in zip(letters, widths, strict=True):
        for stroke in _STROKES[letter]:
            ends = [(x + wide / 2 + 0.06 * px, -0.63 + 0.07 * py) for px, py in stroke]
            ink.line(at(ends), 0.007, "#26221e")
        x += wide


def _alarm(canvas: Canvas, at: Place, rim: Colour) -> None:
    """Draw feet, bells, hammer and handle of an alarm clock."""
    canvas.shade(1 - 0.5 * canvas.disc(at.x, at.y + at.size * 1.12, at.size * 1.1, 0.03, soft=0.015))
    light, dark = mix(rim, "#ffffff", 0.45), mix(rim, "#000000", 0.4)
    with canvas.ink() as ink:
        ink.line(at(arc(0, -1.02, 0.42, 0.5, span=(math.pi, 2 * math.pi))), 0.014, "#8d9299")
        ink.line(at([(0, -0.95), (0, -1.3)]), 0.018, "#8d9299")
        ink.area(at([(-0.09, -1.32), (0.09, -1.32), (0.09, -1.2), (-0.09, -1.2)]), "#6a6e75")
        for side in (-1, 1):
            ink.line(at([(side * 0.5, 0.8), (side * 0.66, 1.12)]), 0.035, dark)
            ink.area(at(ellipse(side * 0.67, 1.12, 0.07)), dark)
            for share, tone in ((1.0, dark), (0.86, rim), (0.4, light)):
                bell = arc(0, 0, 0.36 * share, 0.3 * share, span=(math.pi, 2 * math.pi))
                ink.area(at(placed(bell, side * 0.6, -0.86, 1.0, side * 0.62)), tone)


def chair(canvas: Canvas) -> None:
    """Paint a wooden chair that stands on a floor before a wall, seen from any side but behind."""
    wall(canvas, canvas.pick(_WALLS))
    horizon = canvas.between(0.6, 0.7)
    _floor(canvas, horizon, canvas.pick(["#8a6a4a", "#a9825a", "#6f5a4a", "#b8a088"]))
    yaw = canvas.pick([-1, 1]) * canvas.between(0.3, 0.95)
    x, y, size = canvas.between(0.5, 0.84), canvas.between(0.88, 0.93), canvas.between(0.36, 0.42)
    eye = Eye(x, y, size, yaw, canvas.between(0.2, 0.36))
    shadow = np.array([(-0.38, 0.0, -0.5), (0.67, 0.0, -0.5), (0.72, 0.0, 0.5), (-0.33, 0.0, 0.5)])
    canvas.shade(1 - 0.5 * canvas.mask(eye.seen(shadow), 0.015))
    wood = canvas.pick(["#a9713f", "#7a4a2a", "#d9b07a", "#3a3a40", "#e8e4da", "#3f7f8a", "#b8443a"])
    with canvas.ink() as ink:
        draw(ink, eye, _chair_parts(canvas, wood))
    canvas.finish(0.3)


def _floor(canvas: Canvas, horizon: float, wood: Colour) -> None:
    """Lay boards that run towards the eye, and a skirting board."""
    canvas.fill(canvas.below(horizon), down(horizon, 1, mix(wood, "#000000", 0.2), mix(wood, "#ffffff", 0.12)))
    middle = canvas.between(0.4, 0.9)
    with canvas.ink() as ink:
        for board in np.arange(-12, 13) * 0.11:
            seam = [(middle + board, horizon), (middle + board * 2.6, 1.05)]
            ink.line(seam, 0.004, mix(wood, "#1a0d05", 0.5), alpha=0.8)
        ink.box((-0.1, horizon - 0.045), (1.5, horizon), "#ece6da")
        ink.box((-0.1, horizon - 0.008), (1.5, horizon), "#9a9488")


def _chair_parts(canvas: Canvas, wood: Colour) -> Iterator[Box]:
    """Yield the boxes of a chair about 0.9 wide and 1.9 high, its front towards positive z."""
    seat, top, back = 0.82, canvas.between(1.65, 1.9), canvas.pick(["ladder", "spindles", "splat"])
    for x in (-0.42, 0.34):
        yield Box((x, 0, 0.32), (x + 0.08, seat, 0.4), wood)
        yield Box((x, 0, -0.42), (x + 0.08, seat, -0.34), wood)
        yield Box((x, seat + 0.06, -0.42), (x + 0.08, top, -0.34), wood)
        yield Box((x + 0.02, 0.3, -0.34), (x + 0.06, 0.35, 0.32), wood)
    yield Box((-0.34, 0.42, 0.34), (0.34, 0.47, 0.38), wood)
    yield Box((-0.45, seat, -0.44), (0.45, seat + 0.07, 0.45), wood)
    if canvas.chance(0.4):
        cloth = canvas.pick(["#c8443a", "#3f6f9a", "#e8c35a", "#6f9a6a"])
        yield Box((-0.38, seat + 0.07, -0.32), (0.38, seat + 0.13, 0.4), cloth)
    yield Box((-0.42, top, -0.43), (0.42, top + 0.14, -0.33), wood)
    if back == "ladder":
        for y in np.linspace(seat + 0.25, top - 0.16, 3):
            yield Box((-0.34, y, -0.4), (0.34, y + 0.1, -0.36), wood)
        return
    yield Box((-0.34, seat + 0.14, -0.41), (0.34, seat + 0.21, -0.35), wood)
    bars = [(-0.13, 0.26)] if back == "splat" else [(x, 0.04) for x in (-0.25, -0.13, -0.02, 0.09, 0.21)]
    for x, wide in bars:
        yield Box((x, seat + 0.21, -0.4), (x + wide, top, -0.36), wood)
