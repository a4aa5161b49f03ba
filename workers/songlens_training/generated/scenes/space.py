"""Scenes of space flight: rocket."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.colour import ASPECT, ONES, X, Y, mix, ramp
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NIGHT, NOON, cumulus, hills, sky, stars
from songlens_training.generated.shapes import Place, curve, ellipse, mirrored, symmetric


def rocket(canvas: Canvas) -> None:
    """Paint a rocket that leaves its pad in smoke and flame, or climbs on a slant trail."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK, NIGHT])
    sky(canvas, hour, 0.85)
    stars(canvas, 120 if hour is NIGHT else 0, 0.8)
    cumulus(canvas, hour, [(canvas.between(0, ASPECT), canvas.between(0.4, 0.7), canvas.between(0.1, 0.2))])
    if canvas.chance(0.55):
        place = Place(canvas.between(0.52, 0.82), canvas.between(0.34, 0.42), canvas.between(0.5, 0.58))
        hills(canvas, hour, 0.88, 0.02, "#5a6a4a", far=0.35)
        _gantry(canvas, place)
    else:
        turn = canvas.pick([-1, 1]) * canvas.between(0.15, 0.6)
        place = Place(canvas.between(0.58, 0.76), canvas.between(0.32, 0.38), canvas.between(0.46, 0.54), turn)
    canvas.grade(mix(hour.tint, "#ffffff", 0.35))
    _smoke(canvas, place)
    _flame(canvas, place)
    _fuselage(canvas, place)
    canvas.finish(0.25)


def _gantry(canvas: Canvas, at: Place) -> None:
    """Build the launch tower beside an upright rocket."""
    side = canvas.pick([-1, 1])
    inner, outer = at.x + side * 0.17, at.x + side * 0.27
    with canvas.ink() as ink:
        for step, top in enumerate(np.arange(at.y - 0.24, 0.95, 0.09)):
            ink.line([(inner, top), (outer, top)], 0.008, "#9a3a2e")
            ends = (inner, outer) if step % 2 else (outer, inner)
            ink.line([(ends[0], top), (ends[1], top + 0.09)], 0.006, "#b04a3a")
        for x in (inner, outer):
            ink.line([(x, at.y - 0.26), (x, 1.0)], 0.014, "#8a3328")
        for arm in (-0.12, 0.1):
            ink.line([(inner, at.y + arm), (at.x + side * 0.1, at.y + arm)], 0.016, "#6d6f75")


def _smoke(canvas: Canvas, at: Place) -> None:
    """Let smoke trail behind the flame and spread where it meets the ground."""
    puffs = -ONES
    trail = at(np.stack([np.zeros(16), np.linspace(0.75, 2.4, 16)], axis=1))
    heaps = [(x, y, 0.05 + 0.07 * step / 15) for step, (x, y) in enumerate(trail)]
    if not at.turn:
        heaps += [
            (at.x + canvas.between(-0.62, 0.62), canvas.between(0.86, 1.0), canvas.between(0.09, 0.17))
            for _ in range(16)
        ]
    for x, y, radius in heaps:
        np.maximum(puffs, 1 - np.hypot(X - np.float32(x), Y - np.float32(y)) / np.float32(radius), out=puffs)
    relief = canvas.noise(16, 3) - 0.5
    body = np.clip((puffs + relief * 0.6) * 3, 0, 1)
    tail = at([(0, 0.7)])[0]
    lit = 1.1 - np.hypot(X - tail[0], Y - tail[1]) * 1.6
    canvas.fill(body, ramp(lit + relief * 1.2, "#7f838c", "#c9ccd0", "#f4f1ec", "#ffe6bd"), 0.95)


def _flame(canvas: Canvas, at: Place) -> None:
    """Let fire stream from the engines."""
    x, y = at([(0, 0.62)])[0]
    canvas.glow(x, y, 0.2, "#ff9a3c", 0.6)
    for wide, long, tone in ((0.1, 0.62, "#ff6a1a"), (0.075, 0.46, "#ffb42e"), (0.045, 0.32, "#fff6cf")):
        edge = [(wide * 0.6, 0.46), (wide, 0.56), (wide * 0.5, 0.46 + long * 0.6), (0.004, 0.46 + long)]
        canvas.fill(canvas.mask(at(curve(symmetric(edge))), 0.006), tone, 0.95)


def _fuselage(canvas: Canvas, at: Place) -> None:
    """Draw fins, a round white hull with a coloured nose and bands, and a porthole."""
    hue = canvas.pick(["#d8262e", "#e8702a", "#2f6fd0", "#f2b61f"])
    dark = mix(hue, "#000000", 0.35)
    fin = [(0.06, 0.2), (0.13, 0.3), (0.21, 0.5), (0.19, 0.54), (0.12, 0.46), (0.06, 0.44)]
    side = [(0.006, -0.56), (0.06, -0.42), (0.1, -0.24), (0.115, 0.0), (0.11, 0.25), (0.085, 0.44), (0.03, 0.45)]
    with canvas.ink() as ink:
        ink.area(at(symmetric([(0.05, 0.4), (0.075, 0.5)])), "#4a4d55")
        ink.area(at(fin), dark)
        ink.area(at(mirrored(fin)), hue)
    right, low = at.grid()
    white = canvas.mask(at(curve(symmetric(side))))
    canvas.fill(white, ramp(right / 0.24 + 0.5, "#b9bec8", "#ffffff", "#f3f4f6", "#c3c8d2", "#7d8492"))
    painted = np.clip(200 * (-0.26 - low), 0, 1) + np.clip(1.5 - 100 * np.abs(low - 0.22), 0, 1)
    tones = ramp(right / 0.24 + 0.5, hue, mix(hue, "#ffffff", 0.4), hue, dark)
    canvas.fill(white * np.clip(painted, 0, 1), tones)
    with canvas.ink() as ink:
        ink.area(at([(-0.012, 0.24), (0.012, 0.24), (0.012, 0.53), (-0.012, 0.53)]), dark)
        for y, radius in ((-0.12, 0.055), (0.06, 0.036)):
            for share, tone in ((1.0, "#5d6470"), (0.76, "#16324a"), (0.6, "#5fa8d8")):
                ink.area(at(ellipse(0, y, radius * share)), tone)
            ink.area(at(ellipse(-radius * 0.2, y - radius * 0.2, radius * 0.2)), "#e6f6ff")
