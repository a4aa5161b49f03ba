"""Scenes of play in the open: swing, kite."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, mix, ramp, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NOON, cumulus, grass, hills, sky, tree, wisps
from songlens_training.generated.shapes import Place, curve, ground, profile

_GAY = ["#e0343c", "#f2b61f", "#2f8fd0", "#3da878", "#e8702a", "#a85ac8", "#f28ab8"]


def swing(canvas: Canvas) -> None:
    """Paint a wooden swing on two ropes, under a branch in a meadow or in a frame on a playground."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.65)
    wisps(canvas, hour, 0.4, 0.5)
    green = canvas.pick(["#6da53a", "#85ad42", "#58963c"])
    hills(canvas, hour, 0.6, 0.03, mix(green, "#1f4a20", 0.3), far=0.45)
    with canvas.ink() as ink:
        for _ in range(8):
            x, tall = canvas.between(0, ASPECT), canvas.between(0.12, 0.26)
            tree(canvas, ink, x, 0.69, tall, colour=mix(green, hour.haze, 0.25))
    canvas.soften(0.008)
    lawn = canvas.mask(ground(profile(canvas.rng, 0.68, 0.015)), 0.004)
    canvas.fill(lawn, ramp(canvas.noise(50, 3, 3), mix(green, "#16330f", 0.35), green, mix(green, "#f3f6a5", 0.35)))
    x, lean = canvas.between(0.52, 0.82), canvas.between(-0.24, 0.24)
    canvas.shade(1 - 0.4 * canvas.disc(x + lean * 0.6, 0.9, 0.19, 0.025, soft=0.012))
    if canvas.chance(0.6):
        _branch(canvas, x, green)
        _seat(canvas, x, 0.14, lean, canvas.pick(["#a9713f", "#8a5a34", "#c08a54"]))
        _leaves(canvas, green)
    else:
        paint = canvas.pick(_GAY)
        _beam(canvas, x, paint)
        for shift, tilt in ((-0.19, lean), (0.19, -lean * canvas.between(0.2, 0.9))):
            _seat(canvas, x + shift, 0.17, tilt, mix(paint, "#2a2a30", 0.25), wide=0.095)
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.11, mix(green, "#1e4412", 0.25), count=150)
    if canvas.chance(0.5):
        canvas.mirror()
    canvas.grade(mix(hour.tint, "#ffffff", 0.3))
    canvas.finish(0.2)


def _branch(canvas: Canvas, x: float, green: Colour) -> None:
    """Grow a trunk at the right edge and a bough that carries the swing."""
    bark = canvas.pick(["#5a402a", "#6a4a34", "#4d3826"])
    trunk = curve([(1.16, -0.1), (1.12, 0.4), (1.02, 0.82), (1.5, 0.84), (1.42, 0.3), (1.42, -0.1)])
    bough = curve([(1.3, 0.3), (1.0, 0.16), (x, 0.13), (0.1, 0.09), (-0.1, 0.04)], closed=False)
    wood = ramp(canvas.noise(30, 3, 0.25) * 1.3 - 0.15, mix(bark, "#000000", 0.45), bark, mix(bark, "#e8d0a8", 0.3))
    canvas.fill(np.maximum(canvas.mask(trunk), canvas.stroke(bough, 0.055)), wood)


def _leaves(canvas: Canvas, green: Colour) -> None:
    """Hang foliage over the bough, darker at the back."""
    with canvas.ink() as ink:
        for share, reach in ((0.45, 0.15), (0.2, 0.12), (0.0, 0.08)):
            for _ in range(75):
                x, y = canvas.between(-0.02, ASPECT), canvas.between(-0.02, reach) * canvas.between(0.5, 1.1)
                leaf = tinted(mix(green, "#0f2a10", share), canvas.dice, 0.05)
                ink.disc(x, y, canvas.between(0.014, 0.032), leaf, ry=canvas.between(0.012, 0.024))


def _beam(canvas: Canvas, x: float, paint: Colour) -> None:
    """Raise a frame: two splayed legs at each end and a beam across."""
    with canvas.ink() as ink:
        for side in (-1, 1):
            top = x + side * 0.42, 0.17
            for foot, tone in ((side * 0.02 - 0.08, mix(paint, "#000000", 0.35)), (side * 0.02 + 0.08, paint)):
                ink.line([top, (top[0] + foot, 0.87)], 0.022, tone)
            ink.line([(top[0] - 0.05 + side * 0.015, 0.55), (top[0] + 0.05 + side * 0.015, 0.55)], 0.014, paint)
        ink.line([(x - 0.45, 0.17), (x + 0.45, 0.17)], 0.03, mix(paint, "#ffffff", 0.15))


def _seat(canvas: Canvas, x: float, top: float, lean: float, wood: Colour, wide: float = 0.13) -> None:
    """Hang a plank by two ropes that lean (radians) as the swing swings."""
    place, long = Place(x, top, 1.0, -lean), canvas.between(0.56, 0.62)
    plank = [(-wide, long - 0.02), (wide, long - 0.02), (wide * 1.12, long + 0.022), (-wide * 1.12, long + 0.022)]
    front, thick = plank[3:1:-1], 0.024
    edge = [*front, *((px, py + thick) for px, py in reversed(front))]
    with canvas.ink() as ink:
        for side in (-1, 1):
            knot = side * wide * 0.95, long - 0.1
            for split in (-0.02, 0.022):
                ink.line(place([knot, (side * wide * (0.97 + split), long + split)]), 0.008, "#b89a68")
            ink.line(place([(side * wide * 0.9, 0.0), knot]), 0.012, "#c8ac78")
        ink.area(place(plank), mix(wood, "#ffe9c8", 0.3))
        ink.area(place(edge), mix(wood, "#1a0d05", 0.3))


def kite(canvas: Canvas) -> None:
    """Paint kites with long tails high in a windy sky, their strings running to the ground."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.9)
    places = [(canvas.between(0, ASPECT), canvas.between(0.45, 0.8), canvas.between(0.14, 0.28)) for _ in range(3)]
    cumulus(canvas, hour, places)
    green = canvas.pick(["#6d9a44", "#8a9a50", "#58863c"])
    for index, level in enumerate((0.88, 0.94)):
        hills(canvas, hour, level, 0.03, green, far=0.35 - 0.2 * index)
    hand = canvas.between(0.1, 0.5), 1.02
    with canvas.ink() as ink:
        for _ in range(canvas.dice.randrange(3)):
            x, y, size = canvas.between(0.12, 0.5), canvas.between(0.12, 0.5), canvas.between(0.07, 0.11)
            _one_kite(canvas, ink, Place(x, y, size, canvas.between(0.1, 0.7)), hand)
        x, y, size = canvas.between(0.72, 0.95), canvas.between(0.3, 0.4), canvas.between(0.27, 0.34)
        _one_kite(canvas, ink, Place(x, y, size, canvas.between(0.25, 0.75)), hand)
    if canvas.chance(0.5):
        canvas.mirror()
    canvas.grade(mix(hour.tint, "#ffffff", 0.55))
    canvas.finish(0.15)


def _one_kite(canvas: Canvas, ink: Ink, at: Place, hand: tuple[float, float]) -> None:
    """Draw a kite of four panels, its spars, its string to `hand`, and a tail with bows."""
    hues = canvas.dice.sample(_GAY, 3)
    nose, left, right, foot = (0.0, -0.62), (-0.46, -0.14), (0.46, -0.14), (0.0, 0.7)
    middle = 0.0, -0.14
    x, y = at([middle])[0]
    line = curve([(x, y), ((x * 0.45 + hand[0] * 0.55), (y + hand[1]) / 2 + 0.08), hand], closed=False)
    ink.line(line, 0.003, "#f7f4ea", alpha=0.9)
    _tail(ink, at, hues)
    for corner, tip, tone in (
        (nose, left, hues[0]),
        (nose, right, hues[1]),
        (left, foot, hues[1]),
        (right, foot, mix(hues[0], "#000000", 0.12)),
    ):
        ink.area(at([corner, tip, middle]), tone)
    for share, tone in ((0.52, hues[2]), (0.24, "#fdf6e0")):
        ink.area(at(np.array([nose, right, foot, left]) * share + (0, -0.14 * (1 - share))), tone)
    for spar in ((nose, foot), (left, right)):
        ink.line(at(spar), max(0.003, 0.012 * at.size), "#5a4030")
    ink.line(at([nose, right, foot, left, nose]), max(0.003, 0.014 * at.size), mix(hues[0], "#000000", 0.45))


def _tail(ink: Ink, at: Place, hues: list[str]) -> None:
    """Let a ribbon wave behind the kite, a bow at every turn."""
    down = np.linspace(0, 1, 30)
    ribbon = np.stack([0.16 * np.sin(down * 11) * (0.3 + down), 0.7 + 1.5 * down], axis=1)
    ink.line(at(ribbon), max(0.003, 0.018 * at.size), hues[2])
    for index, step in enumerate(range(4, 30, 5)):
        x, y = ribbon[step]
        for side in (-1, 1):
            bow = [(x, y), (x + side * 0.14, y - 0.08), (x + side * 0.14, y + 0.08)]
            ink.area(at(bow), hues[index % 3])
