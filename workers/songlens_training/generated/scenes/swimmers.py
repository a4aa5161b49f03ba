"""Scenes of animals in the water: dolphin, goldfish."""

from __future__ import annotations

from itertools import product

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, X, Y, down, mix, ramp, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NOON, sky, water, wisps
from songlens_training.generated.shapes import Place, arc, curve, ellipse, ground, profile, tapered


def dolphin(canvas: Canvas) -> None:
    """Paint dolphins that leap from the sea, water flying about them."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    horizon = canvas.between(0.44, 0.58)
    sky(canvas, hour, horizon)
    wisps(canvas, hour, 0.6, horizon)
    near, away = canvas.pick([("#14608f", "#5fb4d0"), ("#10768a", "#6fc8c0"), ("#1c4f80", "#6a9fc8")])
    water(canvas, horizon, near, mix(away, hour.haze, 0.2), 1.1)
    way, skin = canvas.pick([-1, 1]), canvas.pick(["#5f7488", "#6b7f8c", "#4f6680", "#74808a"])
    x, y = 0.667 + canvas.between(-0.1, 0.1), canvas.between(0.36, 0.48)
    at = Place(x, y, canvas.between(0.78, 0.96), canvas.between(-0.3, 0.15) * way, way)
    with canvas.ink() as ink:
        for index in range(canvas.dice.randrange(3)):
            far = Place(
                x + (-0.5, 0.5)[index], horizon + canvas.between(-0.03, 0.04), 0.34, canvas.between(-0.2, 0.2), way
            )
            _flukes_and_fins(ink, far, mix(skin, "#0a1420", 0.3))
            ink.area(far(_DOLPHIN), skin)
            _spray(canvas, ink, far)
        _flukes_and_fins(ink, at, mix(skin, "#0a1420", 0.45))
    _leap(canvas, at, skin)
    canvas.grade(mix(hour.tint, "#ffffff", 0.55))
    canvas.finish(0.15)


_DOLPHIN = tapered(
    [(-0.5, 0.22), (-0.3, 0.0), (-0.05, -0.1), (0.2, -0.06), (0.37, 0.05), (0.46, 0.14), (0.54, 0.225)],
    (0.014, 0.055, 0.11, 0.12, 0.088, 0.03, 0.014),
)
_BELLY = tapered(
    [(-0.26, 0.04), (-0.02, 0.0), (0.2, 0.045), (0.35, 0.12), (0.5, 0.215)], (0.004, 0.04, 0.05, 0.032, 0.006)
)


def _leap(canvas: Canvas, at: Place, skin: Colour) -> None:
    """Draw the body of one dolphin, arched, and the spray that its tail drags out of the sea."""
    dark, light = mix(skin, "#0a1420", 0.45), mix(skin, "#ffffff", 0.4)
    body, top = canvas.mask(at(_DOLPHIN)), at.y - 0.24 * at.size
    canvas.fill(body, down(top, top + 0.5 * at.size, light, skin, skin, dark))
    canvas.fill(canvas.mask(at(_BELLY), 0.006) * body, "#e9eef0", 0.9)
    with canvas.ink() as ink:
        ink.area(at(ellipse(0.37, 0.055, 0.013)), "#0b1016")
        ink.line(at(curve([(0.54, 0.222), (0.46, 0.16), (0.4, 0.125)], closed=False)), 0.007 * at.size, dark)
        ink.area(at(curve([(0.25, 0.03), (0.21, 0.15), (0.1, 0.25), (0.12, 0.12), (0.16, 0.04)])), dark)
        _spray(canvas, ink, at)


def _flukes_and_fins(ink: Ink, at: Place, dark: Colour) -> None:
    ink.area(at(curve([(0.08, -0.19), (-0.04, -0.27), (-0.15, -0.34), (-0.13, -0.24), (-0.1, -0.17)])), dark)
    tail = [(-0.47, 0.17), (-0.56, 0.14), (-0.7, 0.16), (-0.58, 0.24), (-0.6, 0.38), (-0.5, 0.32), (-0.46, 0.22)]
    ink.area(at(curve(tail)), dark)


def _spray(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Throw drops behind the tail, down to the water."""
    for _ in range(70):
        reach = canvas.dice.random()
        x, y = -0.52 + canvas.dice.gauss(0, 0.1 + 0.07 * reach), 0.24 + 0.3 * reach + canvas.dice.gauss(0, 0.04)
        drop = ellipse(x, y, canvas.between(0.004, 0.016), n=8)
        ink.area(at(drop), "#f4fbff", canvas.between(0.4, 0.9))


def goldfish(canvas: Canvas) -> None:
    """Paint goldfish with flowing tails among waterweed and bubbles."""
    deep = canvas.pick(["#0f5f7a", "#1a6a5a", "#12507f", "#2a7a8a", "#3a6a9a"])
    canvas.wash(down(0, 1, mix(deep, "#d8fff4", 0.5), deep, mix(deep, "#00141c", 0.4)))
    rays = np.clip(np.sin((X + Y * canvas.between(-0.6, 0.6)) * 14 + canvas.between(0, 6)), 0, 1) ** 3
    canvas.light(rays * np.clip(0.8 - Y, 0, 1) * 0.4, "#d8fff0")
    bed = canvas.mask(ground(profile(canvas.rng, canvas.between(0.86, 0.93), 0.03)))
    canvas.fill(bed, ramp(canvas.noise(50, 2) * 1.6 - 0.3, "#4a3f30", "#a89468", "#e0d0a0"))
    scales = canvas.pick(
        [("#f07818", "#ffc060"), ("#e8541c", "#ffb070"), ("#f0a01c", "#ffe08a"), ("#e8401f", "#fff0e4")]
    )
    x, y, way = canvas.between(0.62, 0.78), canvas.between(0.42, 0.55), canvas.pick([-1, 1])
    at = Place(x, y, canvas.between(0.58, 0.76), canvas.between(-0.25, 0.25), way)
    with canvas.ink() as ink:
        for _ in range(canvas.dice.randrange(5, 10)):
            _weed(canvas, ink, canvas.between(0, ASPECT), canvas.between(0.35, 0.75))
        for index in range(canvas.dice.randrange(3)):
            far = Place(
                canvas.between(0.2, 1.1), (0.14, 0.86)[index], 0.24, canvas.between(-0.2, 0.2), canvas.pick([-1, 1])
            )
            _fins(ink, far, *scales)
            ink.area(far(_FISH), scales[0])
            ink.area(far(ellipse(0.34, -0.045, 0.04)), "#101014")
        _fins(ink, at, *scales)
    _fish(canvas, at, *scales)
    with canvas.ink() as ink:
        for _ in range(24):
            bx, by, size = canvas.between(0, ASPECT), canvas.between(0, 0.8), canvas.between(0.005, 0.016)
            ink.disc(bx, by, size, "#d8fff8", alpha=0.45)
            ink.disc(bx - size * 0.3, by - size * 0.3, size * 0.3, "#ffffff", alpha=0.9)
    canvas.finish(0.35)


def _weed(canvas: Canvas, ink: Ink, x: float, height: float) -> None:
    """Let one ribbon of waterweed sway up from the bed."""
    sway, green = canvas.between(-0.06, 0.06), tinted(canvas.pick(["#2f7a3a", "#4f8a2f", "#1f6a4a"]), canvas.dice)
    path = [(x, 1.0), (x + sway, 1 - height * 0.35), (x - sway, 1 - height * 0.7), (x + sway, 1 - height)]
    ink.area(tapered(path, (0.012, 0.018, 0.014, 0.002)), green, 0.9)


_FISH = curve(
    [
        (0.47, 0.01),
        (0.38, -0.1),
        (0.22, -0.18),
        (0.02, -0.2),
        (-0.2, -0.12),
        (-0.34, -0.05),
        (-0.34, 0.05),
        (-0.2, 0.12),
        (0.02, 0.2),
        (0.22, 0.18),
        (0.38, 0.11),
    ]
)
_TAIL = (
    curve([(-0.3, -0.04), (-0.48, -0.2), (-0.74, -0.36), (-0.92, -0.36), (-0.8, -0.18), (-0.62, 0.0), (-0.32, 0.05)]),
    curve([(-0.3, -0.03), (-0.56, 0.0), (-0.84, 0.14), (-0.95, 0.36), (-0.72, 0.34), (-0.48, 0.2), (-0.3, 0.05)]),
)
_DORSAL = curve([(0.22, -0.16), (0.12, -0.33), (-0.08, -0.38), (-0.26, -0.3), (-0.2, -0.18), (-0.2, -0.1)])
_LOWER_FINS = (
    curve([(0.14, 0.16), (0.08, 0.34), (-0.06, 0.4), (-0.04, 0.26), (0.0, 0.17)]),
    curve([(-0.16, 0.11), (-0.22, 0.28), (-0.38, 0.34), (-0.34, 0.2), (-0.26, 0.08)]),
)


def _fins(ink: Ink, at: Place, scale: str, pale: str) -> None:
    """Draw veil tail and fins, with rays."""
    for fin in (*_TAIL, _DORSAL, *_LOWER_FINS):
        ink.area(at(fin), mix(scale, "#ffffff", 0.18), 0.85)
        root = fin[0]
        for tip in fin[12:-8:4]:
            ink.line(at([root + (tip - root) * 0.25, root + (tip - root) * 0.92]), 0.004 * at.size, pale, alpha=0.8)


def _fish(canvas: Canvas, at: Place, scale: str, pale: str) -> None:
    """Draw the body of one goldfish: round, scaled, with a large eye."""
    body, dark = canvas.mask(at(_FISH)), mix(scale, "#7a1a00", 0.35)
    top = at.y - 0.2 * at.size
    canvas.fill(body, down(top, top + 0.4 * at.size, dark, scale, pale))
    glint = np.hypot(X - np.float32(at.x), (Y - np.float32(at.y - 0.1 * at.size)) * 2.4) / np.float32(0.3 * at.size)
    canvas.light(np.clip(1 - glint, 0, 1) * body * 0.4, "#fff4d8")
    with canvas.ink() as ink:
        for row, column in product(range(-3, 4), range(9)):
            x, y = 0.16 - column * 0.05 + 0.025 * (row % 2), row * 0.042
            if abs(y) < 0.15 - abs(x + 0.02) * 0.25:
                ink.line(at(arc(x, y, 0.028, 0.03, span=(2.0, 4.3), n=6)), 0.005 * at.size, dark)
        ink.line(at(arc(0.24, 0.0, 0.06, 0.15, span=(2.1, 4.2), n=8)), 0.01 * at.size, dark)
        ink.area(at(curve([(0.16, 0.06), (0.06, 0.07), (-0.06, 0.15), (0.06, 0.14)])), mix(scale, "#ffffff", 0.3), 0.9)
        for radius, tone in ((0.045, "#fff6e0"), (0.03, "#101014")):
            ink.area(at(ellipse(0.34, -0.045, radius)), tone)
        ink.area(at(ellipse(0.35, -0.058, 0.01)), "#ffffff")
        ink.line(at([(0.47, 0.02), (0.42, 0.035)]), 0.008 * at.size, dark)
