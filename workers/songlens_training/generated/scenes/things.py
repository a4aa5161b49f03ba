"""Scenes of things close at hand: coffee, piano, guitar, umbrella."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    Colour,
    X,
    Y,
    across,
    down,
    mix,
    radial,
    ramp,
    tinted,
)
from songlens_training.generated.scenery import (
    bokeh,
    table,
)
from songlens_training.generated.shapes import Points, arc, curve, ellipse, heart, mirrored, petal, placed


def coffee(canvas: Canvas) -> None:
    """Paint a steaming cup of coffee on a wooden table, seen from the side or from above."""
    wood = canvas.pick(["#a9713f", "#8a5a34", "#c08a54", "#6f4a30"])
    china = canvas.pick(["#fbf8f2", "#f3ede0", "#c9503f", "#3f6f86", "#2f2f33"])
    if canvas.chance(0.35):
        table(canvas, -0.4, wood)
        _cup_from_above(canvas, china)
    else:
        wall = canvas.pick(["#5b4636", "#3f4a4a", "#7a6652", "#8f7a62"])
        canvas.wash(down(0, 0.7, mix(wall, "#000000", 0.35), wall))
        bokeh(canvas, ["#ffd9a0", "#ffb46b", "#fff0d0"], count=16, size=0.07, alpha=0.22)
        canvas.soften(0.012)
        table(canvas, canvas.between(0.58, 0.66), wood)
        _cup_from_the_side(canvas, china)
    canvas.finish(0.4)


def _cup_from_above(canvas: Canvas, china: Colour) -> None:
    x, y, wide = canvas.between(0.58, 0.75), canvas.between(0.46, 0.54), canvas.between(0.27, 0.32)
    turn = canvas.between(0, 6.28)
    canvas.shade(1 - 0.55 * canvas.disc(x + 0.03, y + 0.04, wide * 1.45, soft=0.025))
    canvas.fill(
        canvas.disc(x, y, wide * 1.42),
        radial(x - 0.1, y - 0.1, wide * 2, mix(china, "#ffffff", 0.4), mix(china, "#000000", 0.25)),
    )
    canvas.shade(1 - 0.3 * canvas.disc(x + 0.015, y + 0.02, wide * 1.08, soft=0.02))
    handle = placed(ellipse(wide * 1.15, 0, wide * 0.28, wide * 0.1), x, y, turn=turn)
    canvas.fill(canvas.mask(handle), mix(china, "#000000", 0.1))
    canvas.fill(canvas.disc(x, y, wide), mix(china, "#ffffff", 0.35))
    canvas.fill(canvas.disc(x, y, wide * 0.9), mix(china, "#000000", 0.25))
    canvas.fill(canvas.disc(x, y, wide * 0.87), radial(x, y, wide, "#8a5527", "#6b3d1a", "#b98048"))
    for step in range(5):
        milk = heart(x, y, wide * (0.78 - 0.16 * step), turn)
        canvas.fill(canvas.mask(milk, 0.004), "#f6e6c8" if step % 2 == 0 else "#8f5a2b", 0.95)


def _cup_from_the_side(canvas: Canvas, china: Colour) -> None:
    x, rim, wide = canvas.between(0.58, 0.76), canvas.between(0.4, 0.46), canvas.between(0.22, 0.27)
    tall, dip, side = wide * 1.15, wide * 0.26, canvas.pick([-1, 1])
    base = rim + tall
    canvas.shade(1 - 0.5 * canvas.disc(x, base + 0.03, wide * 1.9, wide * 0.4, soft=0.02))
    for lift, tone in ((0.03, mix(china, "#000000", 0.25)), (0.015, china)):
        canvas.fill(canvas.disc(x, base + lift, wide * 1.65, wide * 0.36), tone)
    canvas.fill(canvas.disc(x, base + 0.015, wide * 1.15, wide * 0.22, soft=0.01), mix(china, "#000000", 0.18))
    handle = arc(x + side * wide * 0.95, rim + tall * 0.42, wide * 0.42, tall * 0.3, span=(0, 2 * math.pi), n=40)
    canvas.fill(canvas.stroke(handle, wide * 0.15), mix(china, "#000000", 0.12))
    left = curve(
        [
            (x - wide, rim),
            (x - wide * 0.97, rim + tall * 0.5),
            (x - wide * 0.72, rim + tall * 0.86),
            (x - wide * 0.4, base + dip * 0.3),
        ],
        closed=False,
    )
    right = curve(
        [
            (x + wide * 0.4, base + dip * 0.3),
            (x + wide * 0.72, rim + tall * 0.86),
            (x + wide * 0.97, rim + tall * 0.5),
            (x + wide, rim),
        ],
        closed=False,
    )
    shading = [mix(china, "#000000", 0.28), china, mix(china, "#ffffff", 0.5), china, mix(china, "#000000", 0.42)]
    canvas.fill(canvas.mask(np.vstack([left, right])), across(x - wide, x + wide, *shading))
    canvas.fill(canvas.disc(x, rim, wide, dip), mix(china, "#ffffff", 0.3))
    canvas.fill(canvas.disc(x, rim + 0.006, wide * 0.92, dip * 0.84), mix(china, "#000000", 0.3))
    canvas.fill(
        canvas.disc(x, rim + 0.016, wide * 0.88, dip * 0.74), radial(x, rim, wide, "#7a4a26", "#4a2812", "#a9713f")
    )
    _steam(canvas, x, rim, wide)


def _steam(canvas: Canvas, x: float, y: float, wide: float) -> None:
    """Let three curls of steam rise and fade."""
    for shift in (-0.4, 0.0, 0.4):
        sway, phase = canvas.between(0.02, 0.05), canvas.between(0, 6)
        path = [
            (x + shift * wide + sway * (1 + t) * math.sin(phase + 5 * t), y - 0.36 * t) for t in np.linspace(0, 1, 14)
        ]
        fade = np.clip((Y - (y - 0.36)) / 0.3, 0, 1) * (y + 0.02 > Y)
        canvas.light(canvas.stroke(path, 0.05, 0.018) * fade * 0.75, "#ffffff")


@dataclass(frozen=True)
class _Keyboard:
    """Where a keyboard lies; it widens towards the eye, and a key starts at `far` whatever its length."""

    far: float
    near: float
    tilt: float
    white: float

    def key(self, start: float, end: float, length: float) -> list[tuple[float, float]]:
        """Return the outline of a key between two places on the keyboard, `length` 1 reaching its front."""
        front, spread = self.far + (self.near - self.far) * length, 0.8 + 0.2 * length
        corners = [(start, self.far, 0.8), (end, self.far, 0.8), (end, front, spread), (start, front, spread)]
        return [(0.66 + (x - 0.66) * zoom, y + self.tilt * (x - 0.66)) for x, y, zoom in corners]


def piano(canvas: Canvas) -> None:
    """Paint a piano keyboard that runs away from the eye."""
    lacquer = canvas.pick(["#0c0c10", "#1a0f0b", "#2b140c", "#101420", "#4a2412"])
    canvas.wash(down(0, 1, mix(lacquer, "#ffffff", 0.1), lacquer))
    bokeh(canvas, ["#ffd9a0", "#ffb46b", "#9fb8ff"], count=8, size=0.08, alpha=0.12)
    canvas.soften(0.02)
    far, near = canvas.between(0.28, 0.42), canvas.between(0.82, 0.97)
    board = _Keyboard(far, near, canvas.between(-0.2, 0.2), canvas.between(0.07, 0.115))
    felt = [
        (x, y + board.tilt * (x - 0.66))
        for x, y in ((-0.1, far - 0.035), (1.5, far - 0.035), (1.5, far + 0.006), (-0.1, far + 0.006))
    ]
    with canvas.ink() as ink:
        _keys(canvas, ink, board)
        ink.area(felt, canvas.pick(["#7a1f24", "#23272f"]))
    lamp = across(canvas.between(-0.4, 0.3), canvas.between(1.1, 1.7), "#b8a890", "#ffffff", "#a8a8b8")
    canvas.grade(0.6 + 0.4 * lamp)
    canvas.finish(0.45)


def _keys(canvas: Canvas, ink: Ink, board: _Keyboard) -> None:
    """Draw the white keys, then the black ones in their groups of two and three."""
    starts = np.arange(-0.65, 1.95, board.white).tolist()
    first, before_black = canvas.dice.randrange(7), {0, 1, 3, 4, 5}
    for start in starts:
        ivory = tinted(canvas.pick(["#f7f2e4", "#fbf9f2"]), canvas.dice, 0.012)
        ink.area(board.key(start, start + board.white, 1.0), "#5a544a")
        ink.area(board.key(start + 0.003, start + board.white - 0.003, 0.985), ivory)
    for index, start in enumerate(starts):
        if (index + first) % 7 in before_black:
            middle, half = start + board.white, board.white * 0.32
            ink.area(board.key(middle - half, middle + half, 0.64), "#08080a")
            ink.area(board.key(middle - half * 0.7, middle + half * 0.6, 0.58), "#2b2b31")


def guitar(canvas: Canvas) -> None:
    """Paint an acoustic guitar that leans against a wall or lies on a floor."""
    wall = canvas.pick(["#6f8a8c", "#c9b79a", "#8c5f4a", "#4a5568", "#a3443c"])
    canvas.wash(down(0, 1, mix(wall, "#ffffff", 0.1), mix(wall, "#000000", 0.35)))
    canvas.shade(0.88 + 0.24 * canvas.noise(12, 4))
    wood = canvas.pick(["#d99a4e", "#c67a3a", "#e3b471", "#a8542a"])
    turn, x, y = canvas.between(-0.5, 0.5), canvas.between(0.6, 0.74), 0.69
    size = canvas.between(0.76, 0.88)

    def at(points: Points) -> Points:
        return placed(points, x, y, size, turn)

    half = np.array(
        [
            (0.0, 0.27),
            (0.14, 0.26),
            (0.23, 0.14),
            (0.19, 0.0),
            (0.125, -0.07),
            (0.15, -0.17),
            (0.1, -0.235),
            (0.0, -0.24),
        ]
    )
    body = curve(np.vstack([half, mirrored(half)[-2:0:-1]]))
    canvas.shade(1 - 0.5 * canvas.mask(placed(body, x + 0.03, y + 0.03, size * 1.02, turn), 0.02))
    canvas.fill(canvas.mask(at(body)), mix(wood, "#2a1408", 0.65))
    grain = canvas.noise(40, 2, 0.12)
    canvas.fill(canvas.mask(at(body * 0.955)), ramp(grain, mix(wood, "#3a1c08", 0.25), wood, mix(wood, "#fff0c8", 0.3)))
    canvas.light(
        canvas.mask(at(body * 0.9)) * np.clip(0.7 - np.hypot(X - x + 0.12, Y - y + 0.08) * 2, 0, 1) * 0.6, "#fff1d0"
    )
    with canvas.ink() as ink:
        _fittings(ink, at)
    canvas.finish(0.35)


def _fittings(ink: Ink, at: Callable[[Points], Points]) -> None:
    """Draw sound hole, bridge, neck, frets, head and strings."""
    for radius, tone in ((0.078, "#4a2412"), (0.07, "#e8cf9a"), (0.062, "#120a06")):
        ink.area(at(ellipse(0, -0.06, radius)), tone)
    ink.area(at(np.array([(-0.075, 0.12), (0.075, 0.12), (0.085, 0.15), (-0.085, 0.15)])), "#2a150b")
    ink.area(at(np.array([(-0.028, -0.1), (-0.022, -0.66), (0.022, -0.66), (0.028, -0.1)])), "#3a2013")
    ink.area(at(np.array([(-0.028, -0.66), (-0.042, -0.82), (0.042, -0.82), (0.028, -0.66)])), "#5a3018")
    for fret in range(12):
        y = -0.66 + 0.43 * (1 - 0.93**fret) / (1 - 0.93**12)
        ink.line(at(np.array([(-0.026, y), (0.026, y)])), 0.005, "#d8d2c0")
    for side in (-1, 1):
        for peg in (-0.7, -0.745, -0.79):
            ink.area(at(ellipse(side * 0.052, peg, 0.016, 0.01)), "#efe8d6")
    for string in np.linspace(-1, 1, 6):
        ink.line(at(np.array([(string * 0.036, 0.13), (string * 0.017, -0.66)])), 0.003, "#f4ecd8", alpha=0.8)


def umbrella(canvas: Canvas) -> None:
    """Paint an open umbrella in slanting rain, mirrored in the wet street."""
    grey = canvas.pick(["#5f6d78", "#6d7683", "#556a70"])
    canvas.wash(down(0, 0.75, mix(grey, "#ffffff", 0.1), mix(grey, "#ffffff", 0.35)))
    bokeh(canvas, ["#ffe3b0", "#cfe0f0", "#ffc98a"], count=12, size=0.06, alpha=0.2)
    canvas.soften(0.02)
    street = canvas.below(0.76, 0.01)
    canvas.fill(street, ramp(canvas.noise(30, 3, 5), "#2c343b", mix(grey, "#20262b", 0.4), mix(grey, "#ffffff", 0.3)))
    hue = canvas.pick(["#d8262e", "#f2b61f", "#2f6fd0", "#e0559a", "#1f9a72", "#e8702a"])
    x, y, size = canvas.between(0.56, 0.78), canvas.between(0.42, 0.48), canvas.between(0.38, 0.46)
    turn = canvas.between(-0.22, 0.22)
    canvas.light(canvas.disc(x, 0.9, size * 0.7, 0.06, soft=0.03) * canvas.noise(30, 2, 5) * 0.9, hue)
    _canopy(canvas, x, y, size, turn, hue)
    with canvas.ink() as ink:
        for _ in range(170):
            rx, ry, fall = canvas.between(-0.1, ASPECT), canvas.between(-0.1, 0.95), canvas.between(0.04, 0.1)
            ink.line([(rx, ry), (rx + fall * 0.22, ry + fall)], 0.003, "#e8f2fa", alpha=canvas.between(0.25, 0.6))
        for _ in range(26):
            rx, ry = canvas.between(0, ASPECT), canvas.between(0.8, 0.99)
            ink.line(ellipse(rx, ry, 0.02, 0.006), 0.003, "#dfeaf2", alpha=0.5)
    canvas.finish(0.35)


def _canopy(canvas: Canvas, x: float, y: float, size: float, turn: float, hue: Colour) -> None:
    """Draw the umbrella: a hooked handle, then eight scalloped panels from dark to light."""

    def at(points: Points) -> Points:
        return placed(points, x, y, size, turn)

    hook = arc(0.08, 0.92, 0.08, 0.1, span=(math.pi, 0), n=12)
    with canvas.ink() as ink:
        ink.line(at(np.array([(0, -0.62), (0, 0.93)])), 0.014, "#3a3a3e")
        ink.line(at(hook), 0.028, "#6b4226")
        ribs = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 7))
        for index, (start, end) in enumerate(pairwise(ribs)):
            dome_left = _rib(start)
            dome_right = _rib(end)
            middle = ((start + end) / 2, -0.085)
            scallop = curve([(end, 0.0), middle, (start, 0.0)], closed=False)
            tone = mix(mix(hue, "#000000", 0.06 + 0.4 * index / 5), "#ffffff", max(0.0, 0.25 - 0.09 * index))
            ink.area(at(np.vstack([dome_left, dome_right[::-1], scallop])), tone)
            ink.line(at(dome_right), 0.004, mix(hue, "#000000", 0.5), alpha=0.7)
        ink.area(at(petal(0, -0.56, 0.14, 0.05, -math.pi / 2)), "#3a3a3e")


def _rib(at: float) -> Points:
    """Return the curve of one rib from its tip (`at`, 0) to the crown of the dome."""
    angle = np.linspace(0, math.pi / 2, 14)
    return np.stack([at * np.cos(angle), -0.6 * np.sin(angle)], axis=1)
