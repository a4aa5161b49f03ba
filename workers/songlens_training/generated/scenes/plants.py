"""Scenes of plants: cactus, mushroom, wheat field, palm."""

from __future__ import annotations

import math

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
    clump = [(x + side * canvas.between(0.34, 0.46), 0.94, size * canvas.between(0.45, 0.6)), (x, 0.92, size)]
    if canvas.chance(0.7):
        clump.insert(0, (x - side * canvas.between(0.26, 0.36), 0.93, size * canvas.between(0.32, 0.45)))
    for px, foot, tall in clump:
        _one_mushroom(canvas, px, foot, tall, cap, spots)
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.11, mix(gloom, "#8ab040", 0.5), count=120)
    canvas.finish(0.45)


def _one_mushroom(canvas: Canvas, x: float, foot: float, tall: float, cap: str, spots: str) -> None:
    """Draw one mushroom: bulging stem, gills, frilled ring, a domed cap with warts."""
    brim, wide, dome = foot - tall * 0.62, tall * canvas.between(0.5, 0.6), tall * canvas.between(0.46, 0.56)
    stem = [(x, brim), (x + canvas.between(-0.02, 0.02), foot - tall * 0.3), (x, foot)]
    canvas.fill(
        canvas.mask(tapered(stem, (tall * 0.085, tall * 0.095, tall * 0.15))),
        across(x - 0.1 * tall, x + 0.14 * tall, "#fffaf0", "#e8dcc4", "#a89878"),
    )
    with canvas.ink() as ink:
        ink.area(ellipse(x, brim, wide * 0.97, tall * 0.1), "#f0e2c4")
        for turn in np.linspace(0.05, math.pi - 0.05, 26):
            ink.line(
                [(x, brim), (x + wide * 0.95 * math.cos(turn), brim + tall * 0.095 * math.sin(turn))], 0.003, "#b8a684"
            )
        ink.area(
            curve(
                [
                    (x - tall * 0.09, brim + tall * 0.16),
                    (x + tall * 0.09, brim + tall * 0.16),
                    (x + tall * 0.15, brim + tall * 0.25),
                    (x, brim + tall * 0.22),
                    (x - tall * 0.15, brim + tall * 0.25),
                ]
            ),
            "#fff8ea",
        )
    over = arc(x, brim, wide, dome, span=(math.pi, 2 * math.pi), n=30)
    under = arc(x, brim, wide, tall * 0.07, span=(0, math.pi), n=16)
    shape = canvas.mask(np.vstack([over, under]))
    canvas.fill(
        shape,
        radial(x - wide * 0.3, brim - dome * 0.7, wide * 1.4, mix(cap, "#ffffff", 0.3), cap, mix(cap, "#200000", 0.45)),
    )
    with canvas.ink() as ink:
        for row, count in ((0.18, 6), (0.5, 5), (0.8, 3)):
            reach = wide * math.sqrt(1 - row * row) * 0.86
            for index in range(count):
                px = x + reach * (2 * (index + 0.5) / count - 1) + canvas.between(-0.02, 0.02)
                flat = 1 - 0.6 * abs(px - x) / wide
                radius = tall * canvas.between(0.03, 0.05)
                ink.area(ellipse(px, brim - dome * row, radius * flat, radius * 0.8), spots)
