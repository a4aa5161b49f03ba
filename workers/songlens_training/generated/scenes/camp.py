"""Scenes of life out of doors: tent."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.colour import ASPECT, X, Y, mix, ramp, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NIGHT, grass, hills, sky, spruce, stars, wisps
from songlens_training.generated.shapes import ground, profile


def tent(canvas: Canvas) -> None:
    """Paint a tent pitched on a meadow before the woods; at night a lamp glows in it."""
    hour = canvas.pick([DAY, DAWN, NIGHT, NIGHT, DUSK])
    sky(canvas, hour, 0.6)
    stars(canvas, 110 if hour is NIGHT else 0, 0.55)
    wisps(canvas, hour, 0.4, 0.5)
    for index in range(2):
        hills(canvas, hour, 0.42 + 0.08 * index, 0.08, "#4a6a6a", far=0.6 - 0.25 * index, rough=0.5)
    level = canvas.between(0.66, 0.72)
    with canvas.ink() as ink:
        for x in np.linspace(-0.02, ASPECT + 0.02, 18):
            needles = tinted(mix("#2a4f3a", hour.haze, 0.15), canvas.dice, 0.03)
            spruce(
                canvas, ink, x + canvas.between(-0.03, 0.03), level + 0.02, canvas.between(0.16, 0.34), colour=needles
            )
    green = canvas.pick(["#5f8f42", "#7a9a48", "#4f8050"])
    meadow = canvas.mask(ground(profile(canvas.rng, level, 0.01)))
    canvas.fill(meadow, ramp(canvas.noise(50, 2), mix(green, "#12300c", 0.35), green, mix(green, "#f0f8a0", 0.2)))
    canvas.grade(mix(hour.tint, "#ffffff", 0.2))
    cloth = canvas.pick(["#f08a1c", "#e8b820", "#2f9a8a", "#d8402e", "#3f7fd0", "#8ab03a"])
    lit = hour in (NIGHT, DUSK)
    _pitched(canvas, canvas.between(0.54, 0.72), canvas.between(0.84, 0.9), canvas.between(0.56, 0.68), cloth, lit)
    with canvas.ink() as ink:
        grass(
            canvas, ink, 1.0, 0.08, mix(mix(green, "#1e4412", 0.3), "#0a1428", 0.5 if hour is NIGHT else 0.0), count=110
        )
    canvas.finish(0.25)


def _pitched(canvas: Canvas, x: float, base: float, size: float, cloth: str, lit: bool) -> None:
    """Pitch the tent: a gable with its flaps open, one long side, ridge pole, guy ropes."""
    way, shade = canvas.pick([-1, 1]), 1.0 if not lit else 0.72

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + way * a * size, base + b * size) for a, b in points]

    canvas.shade(1 - 0.5 * canvas.disc(x + way * 0.12 * size, base, 0.72 * size, 0.05, soft=0.02))
    tone = mix(cloth, "#000000", 1 - shade)
    with canvas.ink() as ink:
        for rope in (
            at((-0.02, -0.68), (-0.6, 0.06)),
            at((0.62, -0.62), (1.05, -0.02)),
            at((-0.3, -0.25), (-0.56, 0.02)),
        ):
            ink.line(rope, 0.004, "#e8e0c8")
        ink.area(at((0.0, -0.7), (0.62, -0.62), (0.92, -0.08), (0.42, 0.05)), mix(tone, "#000000", 0.22))
        for fold in (0.3, 0.62):
            ink.line(
                at((0.62 * fold, -0.7 + 0.08 * fold), (0.42 + 0.5 * fold, 0.05 - 0.13 * fold)),
                0.005,
                mix(tone, "#000000", 0.4),
            )
        ink.area(at((0.0, -0.7), (0.42, 0.05), (-0.42, 0.05)), tone)
        ink.area(at((0.0, -0.52), (0.2, 0.05), (-0.2, 0.05)), "#ffe9a0" if lit else "#2a2018")
        for flap in ((-0.2, -0.3), (0.2, 0.3)):
            ink.area(
                at((0.0, -0.52), (flap[0], 0.05), (flap[1], 0.05), (flap[1] * 0.7, -0.2)), mix(tone, "#ffffff", 0.2)
            )
        ink.line(at((0.0, -0.75), (0.0, -0.5)), 0.01, "#4a3a2c")
        ink.line(at((-0.42, 0.05), (0.0, -0.7), (0.42, 0.05)), 0.008, mix(tone, "#ffffff", 0.35))
    if lit:
        walls = canvas.mask(at((-0.42, 0.05), (0.0, -0.7), (0.62, -0.62), (0.92, -0.08), (0.42, 0.05)), 0.004)
        near = np.hypot(X - np.float32(x), Y - np.float32(base - 0.2 * size)) / np.float32(0.75 * size)
        canvas.light(walls * np.clip(1 - near, 0, 1) * 0.75, mix(cloth, "#fff0b0", 0.6))
        canvas.glow(x, base - 0.05, 0.3 * size, "#ffc870", 0.5)
