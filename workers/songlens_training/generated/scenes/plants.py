"""Scenes of plants: cactus, mushroom, wheat field, palm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, X, Y, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import (
    bokeh,
    grass,
    table,
)
from songlens_training.generated.shapes import arc, curve, ellipse, ground, petal, placed, profile, tapered


def cactus(canvas: Canvas) -> None:
    """Paint a cactus in a pot on a table: a column with arms, a ball in flower, or flat pads."""
    wall = canvas.pick(["#e8d8c4", "#c4d8dc", "#f0c8b8", "#d8dcc0", "#b8c4d8", "#f2e2b0"])
    canvas.wash(down(0, 0.8, mix(wall, "#ffffff", 0.35), wall))
    light = canvas.between(0.1, 1.0)
    canvas.light(np.clip(1 - np.abs(X - light - Y * 0.4) / 0.3, 0, 1) * 0.35, "#fff8e0")
    table(canvas, canvas.between(0.78, 0.84), canvas.pick(["#a9713f", "#c9a070", "#e0d8cc", "#8a6a4a"]))
    x, size = canvas.between(0.54, 0.8), canvas.between(0.84, 1.0)
    rim = 0.9 - 0.26 * size
    canvas.shade(1 - 0.45 * canvas.disc(x + 0.05, 0.9, 0.26 * size, 0.035, soft=0.02))
    green = canvas.pick(["#4a8a48", "#5f9a50", "#3f7a5a", "#6a9a6a"])
    with canvas.ink() as ink:
        canvas.pick([_column, _ball, _pads])(canvas, ink, x, rim + 0.01, size, green)
    _pot(canvas, x, rim, size)
    canvas.finish(0.25)


def _pot(canvas: Canvas, x: float, rim: float, size: float) -> None:
    """Draw the pot: a tapering round body under a broad rim."""
    clay = canvas.pick(["#c8693a", "#c8693a", "#f0ece4", "#4f7f9a", "#d89a3a", "#b04a4a"])
    shading: list[Colour] = [
        mix(clay, "#000000", 0.25),
        clay,
        mix(clay, "#ffffff", 0.3),
        clay,
        mix(clay, "#000000", 0.4),
    ]
    wide, tall = 0.19 * size, 0.26 * size
    body = canvas.mask(
        [(x - wide * 0.9, rim), (x + wide * 0.9, rim), (x + wide * 0.68, rim + tall), (x - wide * 0.68, rim + tall)]
    )
    canvas.fill(body, across(x - wide, x + wide, *shading))
    canvas.shade(
        1 - 0.35 * canvas.below(rim + 0.05 * size, 0.012) * np.clip(1 - (Y - rim - 0.05 * size) / 0.08, 0, 1), body
    )
    edge = canvas.mask(
        [(x - wide, rim - 0.02), (x + wide, rim - 0.02), (x + wide, rim + 0.055 * size), (x - wide, rim + 0.055 * size)]
    )
    canvas.fill(edge, across(x - wide, x + wide, *shading))


def _spines(canvas: Canvas, ink: Ink, x: float, y: float) -> None:
    for turn in (-2.2, -1.57, -0.9):
        reach = canvas.between(0.018, 0.028)
        ink.line([(x, y), (x + reach * math.cos(turn), y + reach * math.sin(turn))], 0.0025, "#fff8dc")


def _ribbed(canvas: Canvas, ink: Ink, spine: list[tuple[float, float]], half: float, green: Colour) -> None:
    """Draw one ribbed stem with a round end, spines along its ribs."""
    tip = np.array(spine[-1])
    for share, tone in ((1.0, mix(green, "#08200c", 0.4)), (0.8, green), (0.4, mix(green, "#d8f0a0", 0.22))):
        ink.area(tapered(spine, (half * share,) * len(spine)), tone)
        ink.disc(tip[0], tip[1], half * share, tone)
    line = curve(spine, closed=False)
    for shift in (-0.62, -0.2, 0.22, 0.64):
        rib = placed(line, shift * half, 0.0)
        ink.line(rib, 0.005, mix(green, "#08200c", 0.35))
        for px, py in rib[3::5]:
            _spines(canvas, ink, px, py)


def _column(canvas: Canvas, ink: Ink, x: float, foot: float, size: float, green: Colour) -> None:
    """Grow a column with arms that turn upwards."""
    tall = canvas.between(0.46, 0.52) * size
    for side in (-1, 1):
        if side == 1 or canvas.chance(0.75):
            fork, reach, up = (
                foot - tall * canvas.between(0.3, 0.55),
                side * 0.18 * size,
                canvas.between(0.14, 0.24) * size,
            )
            elbow = [(x, fork), (x + reach * 0.75, fork - 0.005), (x + reach, fork - 0.06), (x + reach, fork - up)]
            _ribbed(canvas, ink, elbow, 0.048 * size, green)
    _ribbed(canvas, ink, [(x, foot), (x, foot - tall / 2), (x, foot - tall)], 0.085 * size, green)
    if canvas.chance(0.6):
        _flower(canvas, ink, x, foot - tall - 0.08 * size, 0.09 * size)


def _ball(canvas: Canvas, ink: Ink, x: float, foot: float, size: float, green: Colour) -> None:
    """Grow a round cactus with deep ribs, crowned with flowers."""
    radius = canvas.between(0.2, 0.24) * size
    y = foot - radius * 0.8
    ink.disc(x, y, radius, mix(green, "#08200c", 0.3))
    for bend in (-0.95, -0.72, -0.42, -0.1, 0.24, 0.55, 0.82):
        rib = ellipse(
            x + radius * bend * 0.62, y, radius * (0.3 - 0.17 * abs(bend)), radius * math.sqrt(1 - (bend * 0.6) ** 2)
        )
        ink.area(rib, mix(green, "#d8f0a0", 0.18 * (1 - abs(bend))))
        for px, py in rib[18:28]:
            _spines(canvas, ink, px, py)
    for away in (-0.45, 0.45, 0.0)[canvas.dice.randrange(3) :]:
        _flower(canvas, ink, x + away * radius, y - radius * (0.98 - abs(away) * 0.25), 0.1 * size)


def _pads(canvas: Canvas, ink: Ink, x: float, foot: float, size: float, green: Colour) -> None:
    """Grow a prickly pear: flat pads, one upon another."""
    lean = canvas.pick([-1, 1])
    for cx, cy, rx, ry, turn in (
        (0.0, 0.16, 0.12, 0.18, 0.0),
        (0.14 * lean, 0.38, 0.09, 0.13, 0.5 * lean),
        (-0.11 * lean, 0.4, 0.1, 0.14, -0.4 * lean),
        (0.21 * lean, 0.53, 0.055, 0.07, 0.5 * lean),
    ):
        px, py = x + cx * size, foot - cy * size
        ink.area(ellipse(px, py, rx * size, ry * size, turn=turn), mix(green, "#08200c", 0.35))
        ink.area(ellipse(px - 0.008, py - 0.006, rx * size * 0.92, ry * size * 0.93, turn=turn), green)
        for spot in np.vstack([ellipse(px, py, rx * size * s, ry * size * s, turn=turn, n=9) for s in (0.35, 0.75)]):
            _spines(canvas, ink, spot[0], spot[1])
    if canvas.chance(0.7):
        _flower(canvas, ink, x - 0.16 * lean * size, foot - 0.54 * size, 0.07 * size)


def _flower(canvas: Canvas, ink: Ink, x: float, y: float, size: float) -> None:
    hue = canvas.pick(["#f04a8a", "#f2c230", "#e8502a", "#f8a0c0"])
    for index in range(9):
        turn = -math.pi / 2 + (index - 4) * 0.36
        ink.area(petal(x, y + size * 0.4, size, size * 0.42, turn), tinted(hue, canvas.dice, 0.05))
    ink.disc(x, y + size * 0.2, size * 0.18, "#fff0a0")


def mushroom(canvas: Canvas) -> None:
    """Paint mushrooms with spotted caps on the mossy floor of a wood."""
    gloom = canvas.pick(["#2f4a2c", "#3a4a24", "#24403a", "#4a4428"])
    canvas.wash(down(0, 0.8, mix(gloom, "#f0f4b0", 0.35), gloom))
    bokeh(canvas, ["#d8e88a", "#a8c860", "#fff4c0", "#6a9a4a"], count=20, size=0.07, alpha=0.25)
    canvas.soften(0.025)
    level = canvas.between(0.74, 0.82)
    moss = ramp(canvas.noise(50, 3) * 1.5 - 0.25, mix(gloom, "#000000", 0.4), "#56722e", "#9ab050")
    canvas.fill(canvas.mask(ground(profile(canvas.rng, level, 0.03)), 0.006), moss)
    cap, spots = canvas.pick(
        [("#d0241c", "#fff8ec"), ("#e04a1c", "#fff8ec"), ("#b81c24", "#fff4e0"), ("#b06a34", "#ecd0a0")]
    )
    x, size = canvas.between(0.5, 0.84), canvas.between(0.52, 0.64)
    side = -1 if x > 0.667 else 1
    clump = [(x + side * canvas.between(0.34, 0.46), 0.94, canvas.between(0.45, 0.6)), (x, 0.92, 1.0)]
    if canvas.chance(0.7):
        clump.insert(0, (x - side * canvas.between(0.26, 0.36), 0.93, canvas.between(0.32, 0.45)))
    group = [_Mushroom(at, foot, size * share, canvas.between(0.5, 0.6)) for at, foot, share in clump]
    for each in group:
        _stem(canvas, each)
    with canvas.ink() as ink:
        for each in group:
            _gills(ink, each)
    for each in group:
        _cap(canvas, each, cap)
    with canvas.ink() as ink:
        for each in group:
            _warts(canvas, ink, each, spots)
        grass(canvas, ink, 1.0, 0.11, mix(gloom, "#8ab040", 0.5), count=120)
    canvas.finish(0.45)


@dataclass(frozen=True)
class _Mushroom:
    """Where one mushroom stands, how tall it is, and half the width of its cap as a share of that."""

    x: float
    foot: float
    tall: float
    spread: float

    @property
    def brim(self) -> float:
        """The height at which the cap sits on the stem."""
        return self.foot - self.tall * 0.62

    @property
    def cap(self) -> tuple[float, float]:
        """Half the width of the cap, and its height."""
        return self.tall * self.spread, self.tall * (1.02 - self.spread)


def _stem(canvas: Canvas, it: _Mushroom) -> None:
    """Draw the stem, bulging at its foot."""
    spine = [(it.x, it.brim), (it.x + canvas.between(-0.02, 0.02), it.foot - it.tall * 0.3), (it.x, it.foot)]
    stem = canvas.mask(tapered(spine, (it.tall * 0.085, it.tall * 0.095, it.tall * 0.15)))
    canvas.fill(stem, across(it.x - 0.1 * it.tall, it.x + 0.14 * it.tall, "#fffaf0", "#e8dcc4", "#a89878"))


def _gills(ink: Ink, it: _Mushroom) -> None:
    """Draw the underside of the cap and the frill on the stem."""
    wide, low = it.cap[0], it.tall * 0.095
    ink.area(ellipse(it.x, it.brim, wide * 0.97, it.tall * 0.1), "#f0e2c4")
    for turn in np.linspace(0.05, math.pi - 0.05, 26):
        tip = (it.x + wide * 0.95 * math.cos(turn), it.brim + low * math.sin(turn))
        ink.line([(it.x, it.brim), tip], 0.003, "#b8a684")
    frill = curve([(-0.09, 0.16), (0.09, 0.16), (0.15, 0.25), (0, 0.22), (-0.15, 0.25)])
    ink.area(placed(frill, it.x, it.brim, it.tall), "#fff8ea")


def _cap(canvas: Canvas, it: _Mushroom, tone: str) -> None:
    """Draw the domed cap, lit from the upper left."""
    wide, dome = it.cap
    over = arc(it.x, it.brim, wide, dome, span=(math.pi, 2 * math.pi), n=30)
    under = arc(it.x, it.brim, wide, it.tall * 0.07, span=(0, math.pi), n=16)
    light, dark = mix(tone, "#ffffff", 0.3), mix(tone, "#200000", 0.45)
    shading = radial(it.x - wide * 0.3, it.brim - dome * 0.7, wide * 1.4, light, tone, dark)
    canvas.fill(canvas.mask(np.vstack([over, under])), shading)


def _warts(canvas: Canvas, ink: Ink, it: _Mushroom, tone: str) -> None:
    """Scatter warts over the cap, flatter towards its edges."""
    wide, dome = it.cap
    for row, count in ((0.18, 6), (0.5, 5), (0.8, 3)):
        reach = wide * math.sqrt(1 - row * row) * 0.86
        for index in range(count):
            x = it.x + reach * (2 * (index + 0.5) / count - 1) + canvas.between(-0.02, 0.02)
            radius = it.tall * canvas.between(0.03, 0.05)
            ink.disc(x, it.brim - dome * row, radius * (1 - 0.6 * abs(x - it.x) / wide), tone, ry=radius * 0.8)
