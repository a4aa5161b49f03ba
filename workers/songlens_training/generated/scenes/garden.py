"""Scenes of flowers and small life: cherry blossom, sunflower, rose, maple, butterfly, cat, campfire."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, ONES, Colour, X, Y, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import (
    DAY,
    DUSK,
    NOON,
    bokeh,
    leaf,
    sky,
    spruce,
    stars,
    table,
    wisps,
)
from songlens_training.generated.shapes import Points, arc, curve, ellipse, mirrored, petal, placed


def blossom(canvas: Canvas) -> None:
    """Paint branches of cherry blossom against a soft spring sky, petals adrift."""
    above, below = canvas.pick([("#8fc4ea", "#e6f2fa"), ("#bcd9ee", "#fbe9ef"), ("#9fb8e0", "#f3e3f0")])
    canvas.wash(down(0, 1, above, below))
    bokeh(canvas, ["#ffd3e2", "#ffc0d6", "#ffffff"], count=30, size=0.08, alpha=0.4)
    canvas.soften(0.02)
    pink = canvas.pick(["#ffc4d8", "#ffb0cb", "#ffdbe6"])
    side = canvas.pick([-1, 1])
    for start, turn, size in ((0.1, 0.45, 1.0), (0.62, 0.05, 0.85), (-0.12, 0.85, 0.7)):
        _bough(canvas, (0.667 - side * 0.75, start), turn + canvas.between(-0.15, 0.15), size, side, pink)
    with canvas.ink() as ink:
        for _ in range(18):
            ink.area(
                petal(canvas.between(0, ASPECT), canvas.between(0, 1), 0.025, 0.018, canvas.between(0, 6)),
                tinted(pink, canvas.dice, 0.03),
            )
    canvas.finish(0.1)


def _bough(canvas: Canvas, foot: tuple[float, float], turn: float, size: float, side: int, pink: Colour) -> None:
    """Grow one bough from the edge of the picture and cover it with flowers."""
    x, y, width = foot[0], foot[1], 0.05 * size
    flowers: list[tuple[float, float]] = []
    with canvas.ink() as ink:
        for _ in range(9):
            nx, ny = x + side * 0.14 * size * math.cos(turn), y + 0.14 * size * math.sin(turn)
            ink.line([(x, y), (nx, ny)], width, "#4a3029")
            ink.line([(x, y - width * 0.25), (nx, ny - width * 0.25)], width * 0.3, "#7a564a")
            tip = (nx + side * canvas.between(0.0, 0.1), ny + canvas.pick([-1, 1]) * canvas.between(0.06, 0.14))
            ink.line([(nx, ny), tip], width * 0.4, "#4a3029")
            for cx, cy in ((nx, ny), tip, ((nx + tip[0]) / 2, (ny + tip[1]) / 2)):
                flowers += [(cx + canvas.dice.gauss(0, 0.035), cy + canvas.dice.gauss(0, 0.035)) for _ in range(3)]
            x, y, width, turn = nx, ny, width * 0.82, turn + canvas.between(-0.35, 0.3)
        for fx, fy in flowers:
            _five_petals(canvas, ink, fx, fy, canvas.between(0.035, 0.055) * (0.6 + 0.4 * size), pink)


def _five_petals(canvas: Canvas, ink: Ink, x: float, y: float, size: float, pink: Colour) -> None:
    """Draw one cherry flower, its centre deeper in colour, with stamens."""
    turn, tone = canvas.between(0, 1.25), tinted(pink, canvas.dice, 0.03)
    for share, width, colour in ((1.0, 0.86, mix(tone, "#d9708f", 0.25)), (0.93, 0.74, tone), (0.5, 0.3, "#f08fae")):
        crown = [petal(0, 0, size * share, size * width, index * 1.2566) for index in range(5)]
        ink.area(placed(np.vstack(crown), x, y, turn=turn), colour)
    ink.disc(x, y, size * 0.12, "#f7d95a")


def sunflower(canvas: Canvas) -> None:
    """Paint sunflowers, one large, over a field that runs to a blue sky."""
    hour = canvas.pick([DAY, NOON, NOON, DUSK])
    sky(canvas, hour, 0.5)
    wisps(canvas, hour, 0.6, 0.4)
    field = canvas.mask([(-0.1, 0.52), (1.5, 0.52), (1.5, 1.1), (-0.1, 1.1)], 0.01)
    canvas.fill(field, down(0.5, 1.0, "#8a9a3a", "#4f7a2c", "#2f5a20"))
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, 60) ** 1.4:
            fx, fy, size = canvas.between(0, ASPECT), 0.53 + 0.4 * depth, 0.012 + 0.05 * depth
            ink.disc(fx, fy, size, tinted("#f2b81f", canvas.dice, 0.04), ry=size * 0.9)
            ink.disc(fx, fy, size * 0.45, "#4a2c14")
    canvas.soften(0.006)
    near = [(canvas.between(0.52, 0.82), canvas.between(0.42, 0.5), canvas.between(0.3, 0.37))]
    if canvas.chance(0.6):
        near = [
            (canvas.between(0.08, 0.2), canvas.between(0.6, 0.75), 0.2),
            (canvas.between(1.12, 1.26), canvas.between(0.55, 0.75), 0.2),
            *near,
        ]
    for x, y, size in near:
        _sunflower_head(canvas, x, y, size)
    canvas.grade(mix(hour.tint, "#ffffff", 0.6))
    canvas.finish(0.2)


def _sunflower_head(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw stem, leaves, two rings of petals and the seed spiral."""
    with canvas.ink() as ink:
        ink.line(curve([(x, y), (x + 0.02, y + 0.4), (x - 0.01, 1.1)], closed=False), size * 0.11, "#4a7a2a")
        for side in (-1, 1):
            leaf(ink, x + 0.01, y + size * 1.5, size * 0.9, math.pi / 2 - side * 1.2, colour="#3f7a2c", narrow=0.55)
        for ring, tone, reach in ((0.0, "#d98a12", 1.0), (0.5, "#f7b81a", 0.95), (0.25, "#ffd23a", 0.88)):
            for index in range(22):
                turn = (index + ring) / 22 * 2 * math.pi + canvas.between(-0.05, 0.05)
                ink.area(
                    petal(x, y, size * reach * canvas.between(0.9, 1.05), size * 0.24, turn),
                    tinted(tone, canvas.dice, 0.03),
                )
        ink.disc(x, y, size * 0.45, "#3a2210")
        for index in range(150):
            radius, turn = size * 0.43 * math.sqrt(index / 150), index * 2.39996
            seed = mix("#6b4420", "#a8742e", index / 150) if index % 3 else mix("#2a1608", "#4a2c12", index / 150)
            ink.disc(x + radius * math.cos(turn), y + radius * math.sin(turn), size * 0.03, seed)


def rose(canvas: Canvas) -> None:
    """Paint a rose in full bloom before dark leaves."""
    hue = canvas.pick(["#c8102e", "#d92f5a", "#a80f24", "#e8607f", "#d8243a"])
    leafy = canvas.pick(["#2f4f2c", "#24402f", "#3a5a2c"])
    canvas.wash(down(0, 1, mix(leafy, "#000000", 0.4), leafy))
    bokeh(canvas, ["#5d8a4a", "#8aae5a", "#3f6a3a", hue], count=24, size=0.08, alpha=0.3)
    canvas.soften(0.025)
    x, y, size = canvas.between(0.56, 0.78), canvas.between(0.42, 0.5), canvas.between(0.3, 0.37)
    with canvas.ink() as ink:
        ink.line(curve([(x, y), (x + 0.03, y + 0.4), (x - 0.02, 1.1)], closed=False), 0.03, "#3a6a34")
        for turn in (0.5, 2.6, 0.9, 2.2, 5.6, 3.8):
            at = turn + canvas.between(-0.2, 0.2)
            leaf(
                ink,
                x + 0.6 * size * math.cos(at),
                y + 0.6 * size * math.sin(at),
                size * 0.85,
                at,
                colour=tinted("#3f7a3a", canvas.dice, 0.03),
                narrow=0.5,
            )
            vein = [(x + r * size * math.cos(at), y + r * size * math.sin(at)) for r in (0.6, 1.4)]
            ink.line(vein, 0.004, "#86b070")
    _rose_petals(canvas, x, y, size, hue)
    canvas.finish(0.4)


def _rose_petals(canvas: Canvas, x: float, y: float, size: float, hue: Colour) -> None:
    """Lay petals from the outside in, each ring smaller and turned, each petal with a lit, curled lip."""
    turn = canvas.between(0, 6)
    for ring, (reach, count) in enumerate(((1.0, 5), (0.8, 4), (0.6, 3), (0.42, 3), (0.25, 2))):
        far = size * reach
        with canvas.ink() as ink:
            for index in range(count):
                at = turn + index * 2 * math.pi / count + canvas.between(-0.12, 0.12)
                tone = tinted(mix(hue, "#20000a", 0.05 + 0.1 * ring), canvas.dice, 0.015)
                for share, colour in (
                    (0.62, mix(tone, "#000000", 0.5)),
                    (0.6, mix(tone, "#ffffff", 0.3)),
                    (0.54, tone),
                ):
                    lip = 0.4 - (0.62 - share) * 0.9
                    cx, cy = x + far * lip * math.cos(at), y + far * lip * math.sin(at) * 0.94
                    ink.area(ellipse(cx, cy, far * share, far * share * 1.32, turn=at), colour)
        canvas.shade(1 - 0.45 * canvas.disc(x, y, far * 0.62, soft=far * 0.16))
        turn += 0.9
    canvas.light(np.clip(1 - np.hypot(X - x + size * 0.3, Y - y + size * 0.4) / (size * 1.1), 0, 1) * 0.25, "#ffd0d0")


_MAPLE: Points = np.array(
    [
        (0.0, -1.0),
        (0.1, -0.72),
        (0.24, -0.78),
        (0.2, -0.42),
        (0.34, -0.52),
        (0.46, -0.62),
        (0.5, -0.5),
        (0.88, -0.5),
        (0.74, -0.32),
        (0.9, -0.2),
        (0.54, 0.02),
        (0.6, 0.16),
        (0.28, 0.14),
        (0.06, 0.3),
    ]
)


def maple(canvas: Canvas) -> None:
    """Paint red maple leaves: on the branch against the light, or fallen on the ground."""
    hues = canvas.pick(
        [["#d8321e", "#e8602a", "#b81f1a"], ["#e88a1f", "#f2a82e", "#d85a1f"], ["#c8241e", "#f2942a", "#e04a22"]]
    )
    if canvas.chance(0.5):
        canvas.wash(down(0, 1, "#e8d9a8", "#c9a860"))
        bokeh(canvas, ["#f2b04a", "#fff0c0", "#d9702a"], count=26, size=0.09, alpha=0.35)
        canvas.soften(0.03)
        _maple_branch(canvas, hues)
    else:
        canvas.wash(ramp(canvas.noise(40, 4, 2), "#2f2417", "#4f3d28", "#6b5538"))
    for count, size, dark in ((34, 0.08, 0.35), (16, 0.13, 0.12), (5, 0.24, 0.0)):
        with canvas.ink() as ink:
            for _ in range(count):
                x, y = canvas.between(0, ASPECT), canvas.between(0, 1)
                _maple_leaf(
                    ink,
                    (x, y),
                    size * canvas.between(0.8, 1.15),
                    canvas.between(0, 6.28),
                    mix(tinted(canvas.pick(hues), canvas.dice, 0.05), "#000000", dark),
                )
    canvas.finish(0.35)


def _maple_branch(canvas: Canvas, hues: list[str]) -> None:
    with canvas.ink() as ink:
        twig = curve([(-0.05, 0.12), (0.4, 0.24), (0.85, 0.18), (1.4, 0.36)], closed=False)
        ink.line(twig, 0.022, "#3a281c")


def _maple_leaf(ink: Ink, at: tuple[float, float], size: float, turn: float, colour: Colour) -> None:
    """Draw one maple leaf with its shadow, stalk and veins."""
    outline = np.vstack([_MAPLE, mirrored(_MAPLE)[::-1]])
    ink.area(placed(outline, at[0] + size * 0.07, at[1] + size * 0.09, size, turn), "#000000", 0.3)
    ink.line(placed(np.array([(0, 0.1), (0.05, 0.8)]), *at, size, turn), size * 0.06, mix(colour, "#3a1a0a", 0.5))
    ink.area(placed(outline, *at, size, turn), colour)
    for tip in ((0.0, -0.92), (0.75, -0.45), (-0.75, -0.45), (0.5, 0.1), (-0.5, 0.1)):
        ink.line(placed(np.array([(0, 0.22), tip]), *at, size, turn), size * 0.025, mix(colour, "#ffe2a0", 0.4))


def butterfly(canvas: Canvas) -> None:
    """Paint a butterfly with patterned wings on a flower, the garden out of focus."""
    green = canvas.pick(["#5d9a4a", "#7aae5a", "#4f8a6a", "#8ab04a"])
    canvas.wash(down(0, 1, mix(green, "#ffffff", 0.55), green))
    bokeh(canvas, ["#ffffff", "#f7e27a", "#d9f0b0", "#f2a8c8"], count=26, size=0.08, alpha=0.3)
    canvas.soften(0.03)
    x, y, size, turn = (
        canvas.between(0.56, 0.78),
        canvas.between(0.42, 0.5),
        canvas.between(0.4, 0.48),
        canvas.between(-0.4, 0.4),
    )
    with canvas.ink() as ink:
        for _ in range(7):
            fx, fy = canvas.between(0.05, 1.3), canvas.between(0.78, 1.0)
            ink.line([(fx, fy), (fx + 0.02, 1.1)], 0.012, mix(green, "#1a3a10", 0.5))
            hue = canvas.pick(["#e86aa0", "#f2c230", "#ffffff", "#a86ad8"])
            for index in range(11):
                ink.area(petal(fx, fy, 0.075, 0.035, index * 0.571), tinted(hue, canvas.dice, 0.03))
            ink.disc(fx, fy, 0.022, "#f2b81f")
    hue = canvas.pick(["#f28a1a", "#f2a52e", "#3f8fe0", "#5ab0e8", "#f2d23a", "#d8502a"])
    _wings(canvas, x, y, size, turn, hue)
    canvas.finish(0.25)


def _wings(canvas: Canvas, x: float, y: float, size: float, turn: float, hue: Colour) -> None:
    """Draw two pairs of wings (dark rim, veins, spots), body and feelers."""
    upper = curve([(0.02, -0.1), (0.25, -0.5), (0.7, -0.72), (0.92, -0.6), (0.8, -0.25), (0.5, 0.0), (0.05, 0.06)])
    lower = curve([(0.03, 0.02), (0.45, 0.04), (0.68, 0.22), (0.62, 0.52), (0.36, 0.66), (0.14, 0.4)])
    with canvas.ink() as ink:
        for wing, centre in ((lower, (0.36, 0.28)), (upper, (0.46, -0.3))):
            for mirror in (1, -1):

                def at(points: Points, m: int = mirror) -> Points:
                    return placed(np.asarray(points) * (m, 1), x, y, size, turn)

                ink.area(at(wing), "#15100e")
                inner = (wing - centre) * 0.8 + centre
                ink.area(at(inner), hue)
                ink.area(at((wing - centre) * 0.45 + np.array(centre) * 0.75), mix(hue, "#fff2b0", 0.4))
                for rim in ((wing - centre) * 0.9 + centre)[4:-8:4]:
                    ink.area(at(ellipse(*rim, 0.022)), "#ffffff")
                for rim in inner[6:-8:7]:
                    ink.line(at(np.array([(0.05, -0.02), rim])), 0.006, "#15100e")
        body = np.vstack([ellipse(0, 0.12, 0.045, 0.34)])
        ink.area(placed(body, x, y, size, turn), "#1c1512")
        ink.area(placed(ellipse(0, -0.24, 0.055), x, y, size, turn), "#1c1512")
        for side in (-1, 1):
            feeler = curve([(0, -0.26), (side * 0.1, -0.5), (side * 0.22, -0.62)], closed=False)
            ink.line(placed(feeler, x, y, size, turn), 0.006, "#1c1512")
            ink.area(placed(ellipse(side * 0.22, -0.62, 0.022), x, y, size, turn), "#1c1512")


def cat(canvas: Canvas) -> None:
    """Paint a kitten that sits and looks at you, indoors."""
    wall = canvas.pick(["#c9b8a0", "#a8b8b4", "#d9c0b0", "#8f9aa8", "#b8a890"])
    canvas.wash(down(0, 0.8, mix(wall, "#ffffff", 0.25), wall))
    bokeh(canvas, ["#fff2d8", "#ffffff"], count=10, size=0.12, alpha=0.25)
    canvas.soften(0.02)
    table(canvas, canvas.between(0.76, 0.82), canvas.pick(["#a9713f", "#8a6a4a", "#c9a070"]))
    fur, pale = canvas.pick(
        [
            ("#d98a3a", "#fbe8cf"),
            ("#8a8680", "#e8e4dc"),
            ("#4a443f", "#d8d0c4"),
            ("#efe6d8", "#ffffff"),
            ("#a8784a", "#f2dfc4"),
        ]
    )
    x, y, size = canvas.between(0.6, 0.74), canvas.between(0.38, 0.42), canvas.between(0.92, 1.06)
    canvas.shade(1 - 0.5 * canvas.disc(x, 0.93, 0.36, 0.05, soft=0.02))
    _cat_body(canvas, x, y, size, fur, pale)
    _cat_head(canvas, x, y, size, fur, pale)
    canvas.finish(0.3)


def _cat_body(canvas: Canvas, x: float, y: float, size: float, fur: Colour, pale: Colour) -> None:
    """Draw the seated body with tail, chest and forepaws; the coat is striped."""
    side = canvas.pick([-1, 1])
    tail = placed(
        np.array(curve([(0.14, 0.5), (0.34, 0.52), (0.4, 0.38), (0.34, 0.24), (0.38, 0.14)], closed=False)) * (side, 1),
        x,
        y,
        size,
    )
    canvas.fill(canvas.stroke(tail, 0.06 * size), mix(fur, "#000000", 0.15))
    body = placed(
        curve(
            [(-0.12, 0.1), (-0.2, 0.3), (-0.25, 0.5), (-0.12, 0.55), (0.12, 0.55), (0.25, 0.5), (0.2, 0.3), (0.12, 0.1)]
        ),
        x,
        y,
        size,
    )
    coat = canvas.mask(body, 0.003)
    canvas.fill(
        coat,
        across(
            x - 0.25 * size,
            x + 0.25 * size,
            mix(fur, "#000000", 0.3),
            fur,
            mix(fur, "#ffffff", 0.12),
            fur,
            mix(fur, "#000000", 0.35),
        ),
    )
    stripes = np.clip(np.sin((Y - y) * 48 + np.abs(X - x) * 22 + canvas.noise(10, 2) * 3), 0, 1) * (
        np.abs(X - x) > 0.1 * size
    )
    canvas.shade(1 - 0.3 * stripes, coat)
    canvas.fill(canvas.disc(x, y + 0.26 * size, 0.09 * size, 0.17 * size, soft=0.012), pale, 0.9)
    with canvas.ink() as ink:
        for paw in (-1, 1):
            ink.area(placed(ellipse(paw * 0.075, 0.42, 0.05, 0.14), x, y, size), mix(fur, pale, 0.25))
            ink.area(placed(ellipse(paw * 0.08, 0.54, 0.068, 0.04), x, y, size), pale)
            for toe in (-0.02, 0.02):
                ink.line(
                    placed(np.array([(paw * 0.08 + toe, 0.535), (paw * 0.08 + toe, 0.57)]), x, y, size),
                    0.004,
                    mix(pale, "#000000", 0.4),
                )
    canvas.shade(0.9 + 0.2 * canvas.noise(90, 1, 0.3), coat)


def _cat_head(canvas: Canvas, x: float, y: float, size: float, fur: Colour, pale: Colour) -> None:
    """Draw head, ears, eyes, nose, mouth and whiskers."""
    iris = canvas.pick(["#7ab03a", "#d9a51f", "#4f9ad0", "#8ac06a"])

    def at(points: Points) -> Points:
        return placed(points, x, y, size)

    ear = np.array([(0.205, -0.04), (0.2, -0.29), (0.06, -0.15)])
    head = curve(
        [
            (0, -0.185),
            (0.13, -0.16),
            (0.22, -0.03),
            (0.2, 0.08),
            (0.1, 0.16),
            (0, 0.18),
            (-0.1, 0.16),
            (-0.2, 0.08),
            (-0.22, -0.03),
            (-0.13, -0.16),
        ]
    )
    with canvas.ink() as ink:
        for flip in (np.array((1, 1)), np.array((-1, 1))):
            ink.area(at(ear * flip), mix(fur, "#000000", 0.18))
            ink.area(at(((ear - (0.155, -0.14)) * 0.6 + (0.155, -0.14)) * flip), "#e8a8a0")
    face = canvas.mask(at(head), 0.003)
    canvas.fill(face, radial(x - 0.05, y - 0.06, 0.3 * size, mix(fur, "#ffffff", 0.18), fur, mix(fur, "#000000", 0.3)))
    stripes = np.clip(np.sin((X - x) / size * 58), 0, 1) * np.clip((y - 0.05 * size - Y) * 14, 0, 1)
    canvas.shade(1 - 0.4 * stripes, face)
    canvas.shade(0.92 + 0.16 * canvas.noise(90, 1, 0.3), face)
    canvas.fill(canvas.disc(x, y + 0.1 * size, 0.1 * size, 0.065 * size, soft=0.012), pale, 0.95)
    with canvas.ink() as ink:
        for side in (-1, 1):
            ink.area(at(ellipse(side * 0.095, -0.015, 0.052, 0.048)), "#1a1210")
            ink.area(at(ellipse(side * 0.095, -0.015, 0.046, 0.042)), iris)
            ink.area(at(ellipse(side * 0.095, -0.015, 0.02, 0.038)), "#0a0808")
            ink.area(at(ellipse(side * 0.095 + 0.014, -0.032, 0.011)), "#ffffff")
            ink.line(at(arc(side * 0.028, 0.088, 0.03, 0.025, span=(0, math.pi))), 0.006, "#5a3a34")
            for lift in (-0.02, 0.005, 0.03):
                ink.line(
                    at(np.array([(side * 0.07, 0.09 + lift * 0.4), (side * 0.3, 0.07 + lift * 2)])),
                    0.003,
                    "#ffffff",
                    alpha=0.85,
                )
        ink.area(at(np.array([(-0.026, 0.055), (0.026, 0.055), (0, 0.085)])), "#d87a80")


def campfire(canvas: Canvas) -> None:
    """Paint a campfire at night: crossed logs, tongues of flame, sparks that rise."""
    night = canvas.pick(["#05070f", "#0a0814", "#060d12"])
    canvas.wash(down(0, 0.9, night, mix(night, "#2a3048", 0.5)))
    stars(canvas, 90, 0.6)
    with canvas.ink() as ink:
        for _ in range(11):
            spruce(
                canvas,
                ink,
                canvas.between(-0.05, ASPECT),
                0.78,
                canvas.between(0.3, 0.55),
                colour=mix(night, "#0f1a16", 0.6),
            )
    floor = canvas.mask([(-0.1, 0.76), (1.5, 0.76), (1.5, 1.1), (-0.1, 1.1)], 0.01)
    canvas.fill(floor, ramp(canvas.noise(40, 3, 2), "#120c08", "#2a1c12", "#3f2b1a"))
    x, base, size = canvas.between(0.55, 0.78), canvas.between(0.84, 0.88), canvas.between(0.42, 0.54)
    canvas.glow(x, base - size * 0.35, 0.5, "#ff7a1f", 0.6)
    _flames(canvas, x, base, size)
    with canvas.ink() as ink:
        for turn in (-0.5, 0.45, -0.12, 0.2):
            end = np.array([(-0.42, 0), (0.42, 0)])
            ink.line(placed(end, x, base + 0.01, size, turn), size * 0.13, "#1f120a")
            ink.line(placed(end + (0, -0.03), x, base + 0.01, size, turn), size * 0.05, "#7a3f18")
        for index in range(13):
            angle = index / 12 * math.pi
            sx, sy = x + size * 0.62 * math.cos(angle), base + 0.03 + 0.07 * math.sin(angle)
            ink.disc(sx, sy, 0.034, tinted("#4a4038", canvas.dice, 0.03), ry=0.024)
        for _ in range(46):
            rise = canvas.between(0, 1)
            ink.disc(
                x + canvas.dice.gauss(0, 0.07 + 0.16 * rise),
                base - size * 0.5 - rise * 0.45,
                canvas.between(0.002, 0.005),
                canvas.pick(["#ffd27a", "#ff9a3c"]),
            )
    canvas.finish(0.4)


def _flames(canvas: Canvas, x: float, base: float, size: float) -> None:
    """Layer tongues of flame from red to white."""
    for scale, tone, count in ((1.0, "#d8380f", 9), (0.78, "#ff7a1a", 8), (0.56, "#ffb52e", 7), (0.34, "#fff0b0", 5)):
        body = np.zeros_like(ONES)
        for index in range(count):
            away = (index + 0.5) / count * 2 - 1 + canvas.between(-0.1, 0.1)
            tall = size * scale * (1.05 - 0.65 * abs(away)) * canvas.between(0.8, 1.15)
            foot, wide, lean = (
                x + away * size * 0.34 * scale**0.5,
                size * 0.13 * scale**0.5,
                canvas.between(-0.06, 0.06),
            )
            tongue = [
                (foot - wide, base),
                (foot - wide * 0.8, base - tall * 0.35),
                (foot + lean * 0.3, base - tall * 0.7),
                (foot + lean, base - tall),
                (foot + wide * 0.4, base - tall * 0.6),
                (foot + wide, base - tall * 0.3),
                (foot + wide * 0.8, base),
            ]
            np.maximum(body, canvas.mask(curve(tongue)), out=body)
        canvas.fill(body, tone, 0.9)
    canvas.glow(x, base - size * 0.25, size * 0.3, "#fff3c4", 0.6)
