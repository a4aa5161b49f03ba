"""Scenes of things that carry people: train, bicycle, hot-air balloon."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    ONES,
    Colour,
    X,
    Y,
    down,
    mix,
    radial,
    ramp,
)
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    NOON,
    cumulus,
    grass,
    hills,
    sky,
    tree,
    wisps,
)
from songlens_training.generated.shapes import ellipse


def train(canvas: Canvas) -> None:
    """Paint a steam train that crosses the country, trailing smoke."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.6)
    wisps(canvas, hour, 0.5, 0.5)
    green = canvas.pick(["#6f9440", "#8a9a48", "#b09a50"])
    for index, level in enumerate((0.5, 0.58, 0.66)):
        hills(canvas, hour, level, 0.06, green, far=0.5 - 0.2 * index)
    rail, way = 0.84, canvas.pick([-1, 1])
    _track(canvas, rail)
    x, size = 0.66 + way * canvas.between(0.05, 0.22), canvas.between(0.36, 0.44)
    _smoke(canvas, x + way * size * 0.62, rail - size * 0.95, way, size)
    paint = canvas.pick(["#2b2d33", "#1f4a36", "#7a2424", "#23406e"])
    with canvas.ink() as ink:
        _locomotive(ink, x, rail, size * way, paint)
        coach = canvas.pick(["#8a2f2a", "#2f5a46", "#c9a35a", "#34507a"])
        for index in range(3):
            _coach(ink, x - way * size * (1.42 + 1.34 * index), rail, size, coach)
    canvas.light(
        canvas.mask(
            [
                (-0.1, rail - size * 0.62),
                (1.5, rail - size * 0.62),
                (1.5, rail - size * 0.5),
                (-0.1, rail - size * 0.5),
            ],
            0.02,
        )
        * 0.12,
        "#ffffff",
    )
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.1, mix(green, "#24400f", 0.3), count=160)
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    canvas.finish(0.2)


def _track(canvas: Canvas, rail: float) -> None:
    with canvas.ink() as ink:
        ink.box((-0.1, rail + 0.012), (1.5, rail + 0.06), "#8a8178")
        for index in range(30):
            ink.box((index * 0.048 - 0.02, rail + 0.01), (index * 0.048 + 0.006, rail + 0.04), "#4a3526")
        ink.box((-0.1, rail), (1.5, rail + 0.014), "#b8bcc2")


def _smoke(canvas: Canvas, x: float, y: float, way: int, size: float) -> None:
    """Let smoke billow back from the chimney."""
    puffs = np.zeros_like(ONES)
    for step in range(12):
        px, py = x - way * step * size * 0.17, y - size * (0.04 + 0.02 * step) - canvas.between(0, 0.03)
        radius = size * (0.08 + 0.022 * step)
        np.maximum(puffs, 1 - np.hypot(X - np.float32(px), Y - np.float32(py)) / np.float32(radius), out=puffs)
    body = np.clip((puffs + (canvas.noise(16, 3) - 0.5) * 0.6) * 3, 0, 1) * (puffs > 0)
    canvas.fill(body, ramp(canvas.noise(9, 3), "#8f9298", "#e6e6e6", "#ffffff"), 0.9)


def _locomotive(ink: Ink, x: float, rail: float, size: float, paint: Colour) -> None:
    """Draw a steam locomotive; a negative `size` heads it to the left."""
    s = abs(size)

    def box(left: float, top: float, right: float, base: float, tone: Colour) -> None:
        ends = sorted((x + left * size, x + right * size))
        ink.box((ends[0], rail + top * s), (ends[1], rail + base * s), tone)

    dark, brass = mix(paint, "#000000", 0.4), "#d9a94a"
    box(-0.72, -0.24, 0.82, -0.14, "#7a1f1c")
    box(-0.3, -0.56, 0.72, -0.24, paint)
    box(-0.3, -0.56, 0.72, -0.5, mix(paint, "#ffffff", 0.3))
    box(-0.3, -0.3, 0.72, -0.24, dark)
    for band in (-0.1, 0.15, 0.4):
        box(band, -0.56, band + 0.025, -0.24, brass)
    box(0.72, -0.54, 0.78, -0.26, dark)
    box(-0.74, -0.78, -0.3, -0.2, paint)
    box(-0.8, -0.84, -0.24, -0.77, dark)
    box(-0.66, -0.7, -0.5, -0.48, "#cfe6f2")
    box(-0.46, -0.7, -0.36, -0.48, "#cfe6f2")
    box(0.54, -0.88, 0.66, -0.55, dark)
    box(0.51, -0.92, 0.69, -0.85, brass)
    box(0.18, -0.67, 0.32, -0.55, brass)
    ink.area(
        [(x + 0.76 * size, rail - 0.2 * s), (x + 0.98 * size, rail - 0.02 * s), (x + 0.72 * size, rail - 0.02 * s)],
        dark,
    )
    ink.disc(x + 0.79 * size, rail - 0.46 * s, 0.045 * s, "#fff2b8")
    for at, radius in ((-0.52, 0.17), (-0.14, 0.17), (0.22, 0.17), (0.55, 0.1)):
        _wheel(ink, x + at * size, rail - radius * s, radius * s)
    ink.line([(x - 0.52 * size, rail - 0.17 * s), (x + 0.4 * size, rail - 0.17 * s)], 0.05 * s, "#c9ccd2")


def _wheel(ink: Ink, x: float, y: float, radius: float) -> None:
    """Draw a spoked iron wheel."""
    ink.disc(x, y, radius, "#1a1a1d")
    ink.disc(x, y, radius * 0.82, "#8a2a24")
    for spoke in range(4):
        dx, dy = radius * 0.8 * math.cos(spoke * 0.785), radius * 0.8 * math.sin(spoke * 0.785)
        ink.line([(x - dx, y - dy), (x + dx, y + dy)], radius * 0.14, "#1a1a1d")
    ink.disc(x, y, radius * 0.22, "#d0d0d0")


def _coach(ink: Ink, x: float, rail: float, size: float, paint: Colour) -> None:
    """Draw one passenger coach."""
    left, right = x - size * 0.63, x + size * 0.63
    ink.box((left, rail - size * 0.74), (right, rail - size * 0.68), "#3a3a3e")
    ink.box((left, rail - size * 0.68), (right, rail - size * 0.14), paint)
    ink.box((left, rail - size * 0.36), (right, rail - size * 0.33), "#f0e2bc")
    for index in range(5):
        at = left + size * (0.1 + 0.23 * index)
        ink.box((at, rail - size * 0.61), (at + size * 0.15, rail - size * 0.42), "#fdf0c4")
    for at in (-0.42, -0.2, 0.2, 0.42):
        _wheel(ink, x + at * size, rail - size * 0.08, size * 0.08)


def bicycle(canvas: Canvas) -> None:
    """Paint a bicycle that leans against a painted wall or stands in a park."""
    if canvas.chance(0.5):
        wall = canvas.pick(["#d9b38c", "#9fb8b0", "#c97a5f", "#e3d7bc", "#8fa3bf"])
        canvas.wash(down(0, 0.85, mix(wall, "#ffffff", 0.2), wall))
        canvas.shade(0.85 + 0.3 * canvas.noise(14, 4))
        street = canvas.below(0.84)
        canvas.fill(street, ramp(canvas.noise(50, 3, 2), "#5d5a57", "#8a8580", "#a8a29a"))
    else:
        sky(canvas, DAY, 0.6)
        hills(canvas, DAY, 0.55, 0.05, "#5d8f4a", far=0.4)
        with canvas.ink() as ink:
            for x in np.linspace(0, ASPECT, 8):
                tree(canvas, ink, float(x), 0.68, canvas.between(0.2, 0.34), colour="#4f8a3a")
        canvas.soften(0.012)
        lawn = canvas.mask([(-0.1, 0.64), (1.5, 0.66), (1.5, 1.1), (-0.1, 1.1)], 0.01)
        canvas.fill(lawn, ramp(canvas.noise(60, 3, 2), "#4a7a2c", "#7fae48", "#a3c862"))
    x, y, size = canvas.between(0.58, 0.76), canvas.between(0.64, 0.7), canvas.between(0.4, 0.46)
    canvas.shade(1 - 0.45 * canvas.disc(x, y + size * 0.57, size * 1.35, 0.035, soft=0.015))
    with canvas.ink() as ink:
        _frame(canvas, ink, x, y, size * canvas.pick([-1, 1]))
    canvas.finish(0.25)


def _frame(canvas: Canvas, ink: Ink, x: float, y: float, size: float) -> None:
    """Draw wheels, frame, saddle, bars and pedals; a negative `size` faces it to the left."""
    s = abs(size)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + px * size, y + py * s) for px, py in points]

    rear, front, crank, seat, head = (-0.78, 0.1), (0.78, 0.1), (-0.12, 0.14), (-0.32, -0.52), (0.52, -0.55)
    paint = canvas.pick(["#c8322e", "#1f6f8b", "#2f2f34", "#e0a526", "#3f8f5a", "#e8e4da"])
    for hub in (rear, front):
        cx, cy = at(hub)[0]
        for spoke in np.linspace(0, math.pi, 11)[:-1]:
            dx, dy = 0.44 * s * math.cos(spoke), 0.44 * s * math.sin(spoke)
            ink.line([(cx - dx, cy - dy), (cx + dx, cy + dy)], 0.002, "#d0d4da", alpha=0.9)
        rim = ellipse(cx, cy, 0.45 * s, n=48)
        ink.line(np.vstack([rim, rim[:2]]), 0.02, "#17181b")
        ink.disc(cx, cy, 0.035 * s, "#9a9ea6")
    for tube in ((crank, seat), (seat, head), (crank, head), (rear, crank), (rear, seat), (head, front)):
        ink.line(at(*tube), 0.022, mix(paint, "#000000", 0.25))
        ink.line([(px, py - 0.004) for px, py in at(*tube)], 0.009, mix(paint, "#ffffff", 0.35))
    ink.line(at(seat, (-0.37, -0.68)), 0.014, "#9a9ea6")
    ink.area(at((-0.56, -0.73), (-0.4, -0.74), (-0.18, -0.7), (-0.34, -0.655), (-0.52, -0.66)), "#3a2418")
    ink.line(at(head, (0.48, -0.74), (0.62, -0.8), (0.7, -0.72), (0.6, -0.66)), 0.016, "#2b2b2e")
    ink.disc(*at(crank)[0], 0.11 * s, "#3a3c40")
    ink.disc(*at(crank)[0], 0.06 * s, "#8a8e96")
    ink.line(at((-0.2, 0.3), (-0.04, -0.02)), 0.014, "#55585e")
    for pedal in ((-0.2, 0.3), (-0.04, -0.02)):
        ink.line(at((pedal[0] - 0.07, pedal[1]), (pedal[0] + 0.07, pedal[1])), 0.018, "#17181b")


def balloon(canvas: Canvas) -> None:
    """Paint hot-air balloons, one near and some far, adrift over hills."""
    hour = canvas.pick([DAY, DAWN, NOON, DUSK])
    sky(canvas, hour, 0.9)
    cumulus(
        canvas,
        hour,
        [(canvas.between(0, ASPECT), canvas.between(0.4, 0.75), canvas.between(0.15, 0.3)) for _ in range(2)],
    )
    for index, level in enumerate((0.86, 0.93)):
        hills(canvas, hour, level, 0.05, canvas.pick(["#5f8a4a", "#8a8a50", "#4f7a5a"]), far=0.45 - 0.25 * index)
    for x in (canvas.between(0.1, 0.3), canvas.between(1.0, 1.25)):
        _one_balloon(canvas, x, canvas.between(0.2, 0.6), canvas.between(0.06, 0.11))
    _one_balloon(canvas, canvas.between(0.55, 0.8), canvas.between(0.36, 0.42), canvas.between(0.25, 0.3))
    canvas.grade(mix(hour.tint, "#ffffff", 0.55))
    canvas.finish(0.15)


def _one_balloon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw one balloon: coloured gores that narrow to the mouth, ropes, a basket."""
    hues = canvas.pick(
        [
            ("#e0343c", "#f7d23a"),
            ("#2f6fd0", "#f4f1ea"),
            ("#e8702a", "#7a2f8a"),
            ("#1f9a72", "#f7d23a"),
            ("#e0559a", "#4fb8e0"),
            ("#d8262e", "#f4f1ea"),
        ]
    )
    angle = np.linspace(-math.pi / 2, math.pi * 0.32, 18)
    wide, tall = np.cos(angle) * size, y + np.sin(angle) * size * 1.02
    wide, tall = np.append(wide, size * 0.17), np.append(tall, y + size * 1.32)
    edges = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 9))
    with canvas.ink() as ink:
        for index, (start, end) in enumerate(pairwise(edges)):
            left, right = np.stack([x + start * wide, tall], 1), np.stack([x + end * wide, tall], 1)
            ink.area(np.vstack([left, right[::-1]]), hues[index % 2])
        mouth, basket = y + size * 1.32, y + size * 1.55
        for side in (-1, 1):
            ink.line(
                [(x + side * size * 0.16, mouth), (x + side * size * 0.1, basket)], max(0.003, size * 0.012), "#4a3a2c"
            )
        ink.box((x - size * 0.12, basket), (x + size * 0.12, basket + size * 0.17), "#8a5a30")
        ink.box((x - size * 0.13, basket), (x + size * 0.13, basket + size * 0.04), "#5a3a1e")
    outline = np.vstack([np.stack([x - wide, tall], 1), np.stack([x + wide, tall], 1)[::-1]])
    skin = canvas.mask(outline)
    canvas.grade(1 - (1 - radial(x - size * 0.35, y - size * 0.35, size * 1.7, "#ffffff", "#f2f2f2", "#6a6470")) * skin)
    canvas.light(
        skin * np.clip(1 - np.hypot(X - x + size * 0.4, Y - y + size * 0.45) / (size * 0.5), 0, 1) * 0.5, "#ffffff"
    )
