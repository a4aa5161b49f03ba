"""Scenes of fruit: apple, watermelon."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Floats, down, mix, ramp, tinted
from songlens_training.generated.scenery import bokeh, leaf, table, wall
from songlens_training.generated.shapes import Place, arc, curve, ellipse, mirrored, petal, symmetric

_WOODS = ["#a9713f", "#8a5a34", "#c9a070", "#d9cbb4", "#6f4a30"]


def apple(canvas: Canvas) -> None:
    """Paint ripe apples, red, green or golden: one to three on a table, one maybe cut, or one on its branch."""
    skin = canvas.pick([("#c41f28", "#f2a03a"), ("#b81a2e", "#e8443a"), ("#86b82e", "#d0e06a"), ("#e2c84a", "#d85a40")])
    if canvas.chance(0.35):
        canvas.wash(down(0, 1, *canvas.pick([("#8fc4e8", "#d8ecd0", "#8ab86a"), ("#cfe4c0", "#7fae58", "#5a8a44")])))
        bokeh(canvas, ["#ffffff", "#d9f0b0", "#f7e9a0"], count=24, size=0.08, alpha=0.3)
        canvas.soften(0.03)
        place = Place(canvas.between(0.5, 0.84), canvas.between(0.54, 0.6), canvas.between(0.5, 0.62))
        with canvas.ink() as ink:
            _twig(canvas, ink, place)
        _one_apple(canvas, place, skin)
    else:
        wall(canvas, canvas.pick(["#6f7f7a", "#b8a488", "#8f6f5a", "#c8c4b4", "#4f5a68", "#d0b0a0"]))
        bokeh(canvas, ["#fff2d8", "#ffffff"], count=8, size=0.1, alpha=0.2)
        canvas.soften(0.02)
        table(canvas, canvas.between(0.58, 0.66), canvas.pick(_WOODS))
        _on_the_table(canvas, skin)
    canvas.finish(0.3)


def _on_the_table(canvas: Canvas, skin: tuple[str, str]) -> None:
    """Set out apples, the last one in front, whole or cut."""
    size = canvas.between(0.42, 0.54)
    middle, base = canvas.between(0.56, 0.78), canvas.between(0.82, 0.88)
    places = []
    for index in range(canvas.pick([0, 1, 2])):
        side = 1 - 2 * index
        far = size * canvas.between(0.78, 0.88)
        places.append(Place(middle + side * size * 0.78, base - 0.06 - far * 0.45, far, side * 0.15))
    places.append(Place(middle, base - size * 0.45, size, canvas.between(-0.15, 0.15)))
    for place in places:
        _shadow(canvas, place)
        _one_apple(canvas, place, skin)
    if canvas.chance(0.45):
        cut = Place(middle + canvas.pick([-1, 1]) * size * 0.72, base + 0.02 - size * 0.36, size * 0.82)
        _shadow(canvas, cut)
        _half(canvas, cut, skin)


_APPLE = symmetric(
    [(0.02, -0.36), (0.14, -0.43), (0.31, -0.41), (0.45, -0.2), (0.45, 0.08), (0.33, 0.34), (0.17, 0.45), (0.03, 0.42)]
)


def _shadow(canvas: Canvas, at: Place) -> None:
    canvas.shade(1 - 0.5 * canvas.disc(at.x + 0.03, at.y + at.size * 0.44, at.size * 0.44, at.size * 0.09, soft=0.015))


def _one_apple(canvas: Canvas, at: Place, skin: tuple[str, str]) -> None:
    """Draw one apple: streaked skin, lit from the upper left, with stalk and leaf."""
    hue, blush = skin
    body = canvas.mask(at(curve(_APPLE)))
    right, low = at.grid()
    far = np.hypot(right + 0.16, low + 0.14)
    streaks = canvas.noise(34, 2, 0.3) - 0.5
    patch = np.clip(canvas.noise(3, 2) * 1.6 - 0.6 + 0.5 * low + streaks * 0.4, 0, 1)
    canvas.fill(body, ramp(patch, hue, mix(hue, blush, 0.8)))
    shading = ramp(far + streaks * 0.05, "#ffffff", "#f4f0ea", "#b8a8a0", "#5a4448", "#4a3438")
    canvas.grade(1 - (1 - shading) * body)
    canvas.light(body * np.clip(1 - np.hypot((right + 0.2) * 1.6, low + 0.2) / 0.13, 0, 1) * 0.75, "#ffffff")
    canvas.light(body * np.exp(-(((right - 0.36) / 0.06) ** 2) - (low / 0.3) ** 2) * 0.18, "#ffd8c0")
    with canvas.ink() as ink:
        ink.area(at(ellipse(0.0, -0.355, 0.12, 0.03)), mix(hue, "#1a0a05", 0.55), 0.8)
        stalk = curve([(0.0, -0.345), (0.01, -0.46), (0.06, -0.57)], closed=False)
        ink.line(at(stalk), 0.028 * at.size, "#5a3a20")
        ink.area(at(petal(0.02, -0.44, 0.32, 0.15, -0.45)), "#4f8a34")
        ink.line(at([(0.02, -0.44), (0.28, -0.565)]), 0.004, "#a8cc80")


def _half(canvas: Canvas, at: Place, skin: tuple[str, str]) -> None:
    """Draw half an apple, its cut to the eye: flesh, core and pips."""
    outline = curve(_APPLE)
    with canvas.ink() as ink:
        ink.area(at(outline), skin[0])
        ink.area(at(outline * 0.94), "#f6edc8")
        ink.area(at(outline * (0.42, 0.5)), "#eadfae")
        ink.line(at([(0, -0.33), (0, -0.5)]), 0.022 * at.size, "#5a3a20")
        for side in (-1, 1):
            ink.area(at(petal(side * 0.03, 0.0, 0.16, 0.09, math.pi / 2 - side * 1.0)), "#d8c88a")
            ink.area(at(petal(side * 0.05, 0.0, 0.1, 0.06, math.pi / 2 - side * 1.0)), "#4a2a18")


def _twig(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Grow a twig with leaves across the picture, from which the apple hangs."""
    x, y = at([(0.06, -0.57)])[0]
    twig = curve([(-0.1, y - 0.12), (x * 0.5, y - 0.03), (x, y), (ASPECT + 0.1, y - 0.1)], closed=False)
    ink.line(twig, 0.022, "#5a402a")
    for _ in range(16):
        bx, by = twig[canvas.dice.randrange(len(twig))]
        turn = canvas.pick([-1, 1]) * canvas.between(0.4, 2.2)
        leaf(ink, bx, by, canvas.between(0.16, 0.26), turn, colour=tinted("#4f8a34", canvas.dice), narrow=0.5)


def watermelon(canvas: Canvas) -> None:
    """Paint a watermelon: a striped whole one behind, a cut half or slices in front."""
    wall(canvas, canvas.pick(["#7fc8d0", "#f2d88a", "#a8d0a0", "#e8e0d0", "#5f8a9a", "#d8a090"]))
    canvas.soften(0.01)
    table(canvas, canvas.between(0.52, 0.6), canvas.pick(_WOODS))
    size = canvas.between(0.27, 0.34)
    side = canvas.pick([-1, 1])
    if canvas.chance(0.75):
        _whole(canvas, Place(0.66 + side * canvas.between(0.22, 0.36), 0.56, size, canvas.between(-0.25, 0.25)))
    x, base = 0.66 - side * canvas.between(0.08, 0.26), canvas.between(0.84, 0.92)
    if canvas.chance(0.4):
        _cut_half(canvas, Place(x, base - size, size))
    else:
        for index in range(canvas.pick([1, 2, 3])):
            turn = canvas.between(-0.2, 0.2)
            place = Place(x + side * index * size * 0.62, base - 0.92 * size + 0.03 * index, size * 0.96, turn)
            _slice(canvas, place)
    canvas.finish(0.25)


def _whole(canvas: Canvas, at: Place) -> None:
    """Draw a whole melon, dark wavy stripes from end to end."""
    canvas.shade(1 - 0.5 * canvas.disc(at.x + 0.03, at.y + at.size * 0.86, at.size * 1.1, at.size * 0.16, soft=0.02))
    body = canvas.mask(at(ellipse(0, 0, 1.15, 0.92, n=64)))
    right, low = at.grid()
    across_, up = right / 1.15, low / 0.92
    meridian = np.arcsin(np.clip(up / np.sqrt(np.clip(1 - across_**2, 0.02, 1)), -1, 1))
    waves = np.sin(meridian * 9 + (canvas.noise(16, 3) - 0.5) * 4.5)
    green = canvas.pick([("#a8cc6a", "#1f5a2a"), ("#8ab85a", "#174a24"), ("#c0d88a", "#2f6a34")])
    canvas.fill(body, ramp(waves * 0.9 + 0.35, *green))
    shading = ramp(np.hypot(across_ + 0.35, up + 0.4) / 1.5, "#ffffff", "#f0f0e8", "#9aa090", "#4a5448")
    canvas.grade(1 - (1 - shading) * body)
    canvas.light(body * np.clip(1 - np.hypot((across_ + 0.4) / 0.4, (up + 0.5) / 0.2), 0, 1) * 0.5, "#ffffff")


def _flesh(canvas: Canvas, reach: Floats) -> Floats:
    """Return the colours (3, H, W) of a cut melon, `reach` (H, W) being 0 in its heart and 1 at its rind."""
    red = canvas.pick(["#e0303a", "#e8404a", "#d8262e"])
    rim = mix(red, "#ffb0a0", 0.35)
    at = np.clip((reach - 0.7) / 0.3, 0, 1)
    return ramp(at, red, red, rim, "#f6dcc0", "#eef2cc", "#cfe0a0", "#3f7a34", "#245a28")


def _cut_half(canvas: Canvas, at: Place) -> None:
    """Draw half a melon, its round cut to the eye."""
    canvas.shade(1 - 0.5 * canvas.disc(at.x, at.y + at.size, at.size, at.size * 0.14, soft=0.02))
    right, low = at.grid()
    canvas.fill(canvas.disc(at.x, at.y, at.size), _flesh(canvas, np.hypot(right, low)))
    with canvas.ink() as ink:
        for share, count in ((0.62, 17), (0.4, 10)):
            for angle in np.linspace(0, 2 * math.pi, count)[1:] + canvas.between(0, 1):
                reach = share + canvas.between(-0.05, 0.05)
                seed = petal(reach * math.cos(angle), reach * math.sin(angle), 0.1, 0.06, float(angle))
                ink.area(at(seed), "#241410")


def _slice(canvas: Canvas, at: Place) -> None:
    """Stand a half-round slice on its rind."""
    canvas.shade(1 - 0.5 * canvas.disc(at.x + 0.02, at.y + at.size * 0.96, at.size * 0.5, at.size * 0.09, soft=0.015))
    right, low = at.grid()
    bow = arc(0, 0, 1, 1, span=(0, math.pi), n=48)
    thick = at(np.vstack([bow, mirrored(bow) * (1, 1) + (0.0, -0.07)]))
    canvas.fill(canvas.mask(thick), "#2a5a2c")
    canvas.fill(canvas.mask(at([(-0.9, -0.07), (0.9, -0.07), (0.9, 0.02), (-0.9, 0.02)])), "#f27a74")
    canvas.fill(canvas.mask(at(bow)), _flesh(canvas, np.hypot(right, low)))
    with canvas.ink() as ink:
        for share, count in ((0.64, 9), (0.42, 6)):
            for angle in np.linspace(0.3, math.pi - 0.3, count):
                seed = petal(share * math.cos(angle), share * math.sin(angle), 0.1, 0.06, float(angle))
                ink.area(at(seed), "#241410")
