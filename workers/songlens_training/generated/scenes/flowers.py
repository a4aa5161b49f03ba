"""Scenes of flowers and leaves: cherry blossom, sunflower, rose, maple."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    Colour,
    X,
    Y,
    down,
    mix,
    ramp,
    tinted,
)
from songlens_training.generated.scenery import (
    DAY,
    DUSK,
    NOON,
    bokeh,
    leaf,
    sky,
    wisps,
)
from songlens_training.generated.shapes import Points, curve, ellipse, mirrored, petal, placed

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
            _cherry_flower(canvas, ink, fx, fy, canvas.between(0.035, 0.055) * (0.6 + 0.4 * size), pink)


def _crown(length: float, width: float) -> Points:
    return np.vstack([petal(0, 0, length, width, index * 2 * math.pi / 5) for index in range(5)])


_CROWNS = (_crown(1.0, 0.86), _crown(0.93, 0.74), _crown(0.5, 0.3))


def _cherry_flower(canvas: Canvas, ink: Ink, x: float, y: float, size: float, pink: Colour) -> None:
    """Draw one flower: darker rims, five petals, the deep centre, stamens."""
    turn, tone = canvas.between(0, 1.25), tinted(pink, canvas.dice, 0.03)
    colours: tuple[Colour, ...] = (mix(tone, "#d9708f", 0.25), tone, "#f08fae")
    for crown, colour in zip(_CROWNS, colours, strict=True):
        ink.area(placed(crown, x, y, size, turn), colour)
    ink.disc(x, y, size * 0.12, "#f7d95a")


def sunflower(canvas: Canvas) -> None:
    """Paint sunflowers, one large, over a field that runs to a blue sky."""
    hour = canvas.pick([DAY, NOON, NOON, DUSK])
    sky(canvas, hour, 0.5)
    wisps(canvas, hour, 0.6, 0.4)
    field = canvas.below(0.52, 0.01)
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
