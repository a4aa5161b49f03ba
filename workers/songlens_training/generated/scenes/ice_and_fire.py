"""Scenes of great natural things: iceberg, volcano."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import HEIGHT, ONES, Colour, Floats, X, Y, down, mix, ramp
from songlens_training.generated.scenery import DAWN, DAY, DUSK, GREY, NIGHT, NOON, hills, sky, stars, wisps
from songlens_training.generated.shapes import Points, curve, ground, profile


def iceberg(canvas: Canvas) -> None:
    """Paint an iceberg: a jagged white peak above cold water, its far larger foot glimmering below."""
    hour = canvas.pick([DAY, NOON, GREY, DAWN])
    line = canvas.between(0.44, 0.56)
    sky(canvas, hour, line)
    wisps(canvas, hour, 0.6, line)
    deep = canvas.pick(["#0a3a5c", "#0c4a60", "#123a6a", "#0f5560"])
    canvas.fill(canvas.below(line - 0.01), mix(deep, hour.haze, 0.3))
    x, wide = canvas.between(0.54, 0.8), canvas.between(0.34, 0.48)
    for side in (-1, 1):
        if canvas.chance(0.6):
            far, small = x + side * canvas.between(0.5, 0.65), canvas.between(0.08, 0.16)
            _ice(canvas, _peaks(canvas, far, line, small, small * canvas.between(0.4, 0.9)), far, small)
            canvas.fill(canvas.below(line), mix(deep, hour.haze, 0.3))
    canvas.fill(canvas.below(line, 0.002), down(line, 1, mix(deep, "#4fc0d8", 0.45), deep, mix(deep, "#000814", 0.6)))
    _foot(canvas, x, line, wide * 1.25, deep)
    _ice(canvas, _peaks(canvas, x, line, wide, canvas.between(0.28, 0.4)), x, wide)
    surface = np.exp(-(((Y - np.float32(line)) / 0.012) ** 2)) * np.clip(canvas.noise(30, 2, 8) * 2 - 0.3, 0, 1)
    canvas.light(surface * ONES * 0.8, "#e8fbff")
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _peaks(canvas: Canvas, x: float, line: float, wide: float, tall: float) -> Points:
    """Return a jagged outline from the left end to the right, feet at the water line."""
    steps = np.linspace(-1, 1, 12)
    summit = canvas.between(-0.4, 0.4)
    rise = [max(0.12, 1 - abs(s - summit) * canvas.between(0.65, 1.0)) * canvas.between(0.72, 1.0) for s in steps]
    rise[0] = rise[-1] = 0.0
    return np.array([(x + s * wide, line - tall * r) for s, r in zip(steps, rise, strict=True)])


def _ice(canvas: Canvas, ridge: Points, x: float, wide: float) -> None:
    """Cut the ridge into facets: each falls from the ridge to the foot, lit or blue by its slope."""
    foot = ridge[:, 1].max() + 0.01
    with canvas.ink() as ink:
        for (ax, ay), (bx, by) in pairwise(ridge):
            lit = 0.5 + 0.5 * math.tanh((ay - by) / max(0.02, bx - ax) * 1.2)
            tone = mix("#7fb4d8", "#ffffff", 0.25 + 0.75 * lit)
            lean = canvas.between(-0.3, 0.3) * (bx - ax)
            ink.area([(ax, ay), (bx, by), (bx + lean, foot), (ax + lean, foot)], tone)
            middle, depth = (ax + bx) / 2, foot - min(ay, by)
            ink.area(
                [(ax, ay), (bx, by), (middle + lean, foot - depth * canvas.between(0.2, 0.6))],
                mix(tone, "#ffffff" if canvas.chance(0.5) else "#5f9cc8", 0.35),
            )
    body = canvas.mask(np.vstack([ridge, [(x + wide, foot), (x - wide, foot)]]))
    canvas.shade(0.88 + 0.2 * canvas.noise(16, 3), body)


def _foot(canvas: Canvas, x: float, line: float, wide: float, deep: Colour) -> None:
    """Sink the hidden part: facets that fade into the depth."""
    bottom = canvas.between(0.86, 0.98)
    left = [(x - wide * s, line + (bottom - line) * t) for s, t in ((0.8, 0), (1.0, 0.15), (0.8, 0.5), (0.4, 0.85))]
    right = [
        (2 * x - px + canvas.between(-0.08, 0.08), py + canvas.between(-0.03, 0.03) * (py > line)) for px, py in left
    ]
    mass = canvas.mask(np.array([*left, (x + canvas.between(-0.1, 0.1), bottom), *right[::-1]]), 0.006)
    facets = np.abs(((X - x) * 3.2 + (Y - line) * 2.6 + canvas.noise(5, 2) * 0.8) % 1 - 0.5)
    fade = np.clip((1.02 - Y) / (1.02 - line), 0, 1)
    tones = ramp((facets * 0.8 + fade * 0.65 - 0.2).astype(np.float32), deep, "#2f9cc0", "#a8ecf4")
    canvas.fill(mass, tones, 0.92)


def volcano(canvas: Canvas) -> None:
    """Paint a volcano in eruption: fire and ash from its crater, lava on its flanks."""
    hour = canvas.pick([DUSK, NIGHT, NIGHT, GREY, DAY])
    sky(canvas, hour, 0.8)
    stars(canvas, 60 if hour is NIGHT else 0, 0.5)
    x, mouth, base = canvas.between(0.52, 0.82), canvas.between(0.32, 0.42), canvas.between(0.84, 0.9)
    _ash(canvas, x, mouth, canvas.pick([-1, 1]))
    hills(canvas, hour, base - 0.1, 0.04, "#3a3438", far=0.35)
    cone = _cone(canvas, x, mouth, base)
    rock = canvas.pick(["#4a3c3a", "#3c3a40", "#54443a"])
    lit = 0.5 - np.clip((X - x) * 0.8, -0.35, 0.35) + (canvas.noise(14, 4, 0.5) - 0.5) * 1.1
    body = canvas.mask(ground(cone))
    canvas.fill(body, ramp(lit.astype(np.float32), mix(rock, "#000000", 0.6), rock, mix(rock, "#d8b8a0", 0.3)))
    canvas.grade(mix(hour.tint, "#ffffff", 0.4))
    canvas.glow(x, mouth - 0.02, 0.2, "#ff5a1a", 0.8)
    _lava(canvas, x, mouth, base)
    canvas.finish(0.3)


def _cone(canvas: Canvas, x: float, mouth: float, base: float) -> Points:
    """Return the skyline of the mountain: concave flanks, a notched crater."""
    skyline = profile(canvas.rng, base, 0.02, 0.5)
    away = np.abs(skyline[:, 0] - x)
    rise = (base - mouth) * np.clip(1.12 - away / 0.62, 0, None) ** 1.5
    crater = np.clip(rise, 0, base - mouth - 0.012 * np.cos(away * 60))
    skyline[:, 1] -= crater
    return skyline


def _ash(canvas: Canvas, x: float, mouth: float, drift: int) -> None:
    """Roll a column of ash up from the crater, lit from below by the fire."""
    puffs = -ONES
    for rise in np.linspace(0, 1, 14):
        px = x + drift * 0.34 * rise**1.6 + canvas.between(-0.05, 0.05) * (0.4 + rise)
        py, radius = mouth - (mouth + 0.06) * rise, 0.055 + 0.16 * rise * canvas.between(0.7, 1.15)
        rows = slice(max(0, int((py - radius) * HEIGHT)), max(0, int((py + radius) * HEIGHT)))
        columns = slice(max(0, int((px - radius) * HEIGHT)), max(0, int((px + radius) * HEIGHT)))
        puff = 1 - np.hypot(X[:, columns] - np.float32(px), Y[rows] - np.float32(py)) / np.float32(radius)
        np.maximum(puffs[rows, columns], puff, out=puffs[rows, columns])
    billows: Floats = canvas.noise(12, 4)
    body = np.clip((puffs + (billows - 0.5) * 0.7) * 3, 0, 1) * (puffs > 0)
    heat = np.clip(1 - (mouth - Y) / 0.34, 0, 1) * 0.55
    canvas.fill(body, ramp(billows * 1.5 - 0.3, "#1c181c", "#4f484a", "#8f8684"))
    canvas.light(body * heat * billows, "#ff6a2a")


def _lava(canvas: Canvas, x: float, mouth: float, base: float) -> None:
    """Let streams of lava run down the flanks, a glow about them all."""
    streams = []
    for index in range(canvas.dice.randrange(2, 5)):
        side, reach = (-1) ** index * (0.25 + 0.17 * index) * canvas.between(0.8, 1.2), canvas.between(0.5, 1.0)
        path = [
            (x + side * (0.05 + 0.3 * t * t) + canvas.between(-0.02, 0.02), mouth + (base - mouth) * t * reach)
            for t in np.linspace(0, 1, 7)
        ]
        streams.append(curve(path, closed=False, steps=3))
    there_and_back = np.vstack([np.vstack([stream, stream[::-1]]) for stream in streams])
    canvas.light(canvas.stroke(there_and_back, 0.07, 0.03) * 0.6, "#ff4a10")
    with canvas.ink() as ink:
        for width, tone in ((0.026, "#ff7a1a"), (0.01, "#ffe27a")):
            for stream in streams:
                ink.line(stream, width, tone)
        _fountain(canvas, ink, x, mouth)


def _fountain(canvas: Canvas, ink: Ink, x: float, mouth: float) -> None:
    """Throw glowing rocks in arcs from the crater."""
    for _ in range(46):
        speed, angle = canvas.between(0.06, 0.26), canvas.dice.gauss(0, 0.42)
        path = [
            (x + math.sin(angle) * speed * t * 1.4, mouth + 0.01 - math.cos(angle) * speed * t * 1.5 + 0.16 * t * t)
            for t in np.linspace(0.1, canvas.between(0.5, 1.2), 4)
        ]
        ink.line(path, canvas.between(0.003, 0.008), canvas.pick(["#ff5a14", "#ff9a2a", "#ffd86a"]), alpha=0.9)
