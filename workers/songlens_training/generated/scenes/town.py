"""Scenes of places that people built: city, windmill."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    ONES,
    Colour,
    Y,
    across,
    mix,
    tinted,
)
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    NIGHT,
    NOON,
    Hour,
    hills,
    sky,
    stars,
    wisps,
)
from songlens_training.generated.shapes import Points, curve, placed


def city(canvas: Canvas) -> None:
    """Paint a skyline of towers, lit windows at night, a river or an avenue before it."""
    hour = canvas.pick([DAY, DUSK, NIGHT, NIGHT, DAWN])
    sky(canvas, hour, 0.85)
    stars(canvas, 50 if hour is NIGHT else 0, 0.5)
    wisps(canvas, hour, 0.4, 0.5)
    lit = {NIGHT: 0.5, DUSK: 0.35}.get(hour, 0.06)
    wall = {NIGHT: "#1a2138", DUSK: "#4a3550"}.get(hour, "#6f8396")
    shore = canvas.between(0.82, 0.9)
    for depth, low, high in ((0.65, 0.3, 0.55), (0.3, 0.25, 0.62), (0.0, 0.15, 0.5)):
        with canvas.ink() as ink:
            x = -0.05
            while x < ASPECT:
                wide = canvas.between(0.08, 0.15)
                tall = canvas.between(low, high) * (1.15 - 0.5 * abs(x - 0.66))
                tone = mix(tinted(wall, canvas.dice, 0.05), hour.haze, depth)
                _tower_block(canvas, ink, (x, shore - tall, x + wide, shore), tone, lit * (1 - depth * 0.6))
                x += wide + canvas.between(-0.015, 0.02)
    _river(canvas, shore, hour)
    canvas.finish(0.25)


def _river(canvas: Canvas, shore: float, hour: Hour) -> None:
    """Mirror the skyline in a river before it."""
    first = int(shore * 240)
    rows = np.arange(240 - first)
    ripple = ((canvas.noise(60, 2, 10)[first:, :1] - 0.5) * 6).astype(int)[:, 0]
    source = np.clip(first - 1 - rows * 3 + ripple, 0, first - 1)
    tone = np.array(mix(hour.sky[0], "#0a1420", 0.4), np.float32)[:, None, None]
    canvas.pixels[:, first:] = canvas.pixels[:, source] * 0.6 + tone * 0.35
    canvas.light(np.clip(canvas.noise(70, 2, 10) - 0.6, 0, 1) * 1.2 * (shore < Y) * ONES, hour.sky[-1])


def _tower_block(canvas: Canvas, ink: Ink, box: tuple[float, float, float, float], tone: Colour, lit: float) -> None:
    """Draw one tower: a lit and a shaded side, rows of windows, a spire or a roof box."""
    left, top, right, base = box
    edge = right - (right - left) * 0.28
    roof = canvas.pick(["flat", "spire", "box", "slant"])
    if roof == "spire":
        ink.line([((left + edge) / 2, top), ((left + edge) / 2, top - 0.09)], 0.006, tone)
        ink.box((left + 0.02, top - 0.03), (edge - 0.01, top), tone)
    elif roof == "box":
        ink.box((left + 0.015, top - 0.02), (edge, top), mix(tone, "#000000", 0.2))
    elif roof == "slant":
        ink.area([(left, top), (edge, top - 0.05), (edge, top)], tone)
    ink.box((left, top), (edge, base), tone)
    ink.box((edge, top), (right, base), mix(tone, "#000000", 0.3))
    glass, glow = mix(tone, "#000000", 0.3), canvas.pick(["#ffe2a0", "#ffd070", "#fff2cf"])
    step = canvas.pick([0.022, 0.026])
    for y in np.arange(top + 0.016, base - 0.01, step * 1.25):
        for x in np.arange(left + 0.008, edge - 0.012, step):
            window = glow if canvas.chance(lit) else glass
            ink.box((x, y), (x + step * 0.52, y + step * 0.62), window)


def windmill(canvas: Canvas) -> None:
    """Paint an old windmill above rows of tulips."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.68)
    wisps(canvas, hour, 0.6, 0.6)
    hills(canvas, hour, 0.7, 0.01, "#6a9a48", far=0.2)
    _tulips(canvas, 0.74)
    x, top, size = canvas.between(0.5, 0.84), canvas.between(0.3, 0.38), canvas.between(0.9, 1.1)
    _mill(canvas, x, top, size)
    with canvas.ink() as ink:
        turn = canvas.between(0, math.pi / 2)
        for arm in range(4):
            _sail(ink, (x, top - 0.01), turn + arm * math.pi / 2, 0.33 * size)
        ink.disc(x, top - 0.01, 0.016, "#2b2018")
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _mill(canvas: Canvas, x: float, top: float, size: float) -> None:
    """Build the mill: a round tapering tower, cap, gallery, windows, door."""
    brick, foot, neck = canvas.pick(["#8a5a40", "#a8a094", "#6a4a3a", "#e8e2d4"]), 0.14 * size, 0.075 * size
    tower = canvas.mask([(x - neck, top), (x + neck, top), (x + foot, 0.8), (x - foot, 0.8)])
    light, dark = mix(brick, "#ffffff", 0.25), mix(brick, "#000000", 0.5)
    canvas.fill(tower, across(x - foot, x + foot, light, brick, dark))
    cap = [(-0.09 * size, 0.01), (-0.06 * size, -0.07), (0.06 * size, -0.07), (0.09 * size, 0.01)]
    with canvas.ink() as ink:
        ink.area(placed(curve(cap), x, top), "#3a2c24")
        ink.box((x - 0.17 * size, 0.6), (x + 0.17 * size, 0.615), "#4a3526")
        for left, above in ((-0.03, 0.42), (0.02, 0.52), (-0.05, 0.68)):
            ink.box((x + left, above), (x + left + 0.03, above + 0.045), "#f4f0e4")
        ink.box((x, 0.71), (x + 0.045, 0.8), "#3f6a4a")


def _tulips(canvas: Canvas, horizon: float) -> None:
    """Plant stripes of tulips that run towards the windmill."""
    canvas.fill(canvas.below(horizon), "#5d8f3c")
    hues = ["#e0343c", "#f2c230", "#e86aa8", "#f4f0ea", "#8a4ac0", "#f28a2e"]
    centre, first = canvas.between(0.4, 0.9), canvas.dice.randrange(6)
    with canvas.ink() as ink:
        for row in range(-9, 10):
            hue = hues[(row + first) % 6]
            for depth in np.linspace(0, 1, 24) ** 1.6:
                x = centre + row * (0.03 + 0.16 * depth) + canvas.between(-1, 1) * (0.006 + 0.03 * depth)
                if -0.1 < x < ASPECT + 0.1:
                    size = 0.005 + 0.017 * depth
                    ink.disc(x, horizon + 0.012 + 0.27 * depth, size, tinted(hue, canvas.dice), ry=size * 1.25)


def _sail(ink: Ink, hub: tuple[float, float], turn: float, reach: float) -> None:
    """Draw one latticed sail."""

    def at(points: Points) -> Points:
        return placed(points, *hub, reach, turn)

    ink.area(at(np.array([(0.2, 0.02), (1.0, 0.02), (1.0, 0.24), (0.2, 0.24)])), "#f6efdd", 0.9)
    for step in np.linspace(0.2, 1.0, 8):
        ink.line(at(np.array([(step, 0.02), (step, 0.24)])), 0.004, "#5a4030")
    for side in (0.02, 0.13, 0.24):
        ink.line(at(np.array([(0.2, side), (1.0, side)])), 0.004, "#5a4030")
    ink.line(at(np.array([(0, 0), (1.02, 0)])), 0.013, "#3a2c20")
