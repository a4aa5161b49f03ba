"""Scenes of a fair: Ferris wheel."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, mix
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NIGHT, NOON, Hour, hills, sky, stars, tree, wisps
from songlens_training.generated.shapes import Points, ellipse

_GAY = ["#e0343c", "#f2b61f", "#2f8fd0", "#3da878", "#e8702a", "#a85ac8", "#f28ab8"]


def ferris_wheel(canvas: Canvas) -> None:
    """Paint a Ferris wheel with coloured gondolas, lit up when it is dark."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK, NIGHT, NIGHT])
    sky(canvas, hour, 0.85)
    stars(canvas, 40 if hour is NIGHT else 0, 0.5)
    wisps(canvas, hour, 0.6, 0.7)
    radius = canvas.between(0.34, 0.41)
    hub = canvas.between(0.5, 0.84), canvas.between(0.44, 0.48)
    _fairground(canvas, hour)
    steel = {NIGHT: "#5a628c", DUSK: "#6a4a60"}.get(hour, canvas.pick(["#f2f4f6", "#d8404a", "#3f7fb8"]))
    angles = np.linspace(0, 2 * math.pi, canvas.pick([12, 14, 16]), endpoint=False) + canvas.between(0, 0.5)
    with canvas.ink() as ink:
        _wheel(ink, hub, radius, angles, steel)
    dark = hour in (NIGHT, DUSK)
    if dark:
        _lights(canvas, hub, radius, angles)
    with canvas.ink() as ink:
        _stand(ink, hub, steel)
        first = canvas.dice.randrange(len(_GAY))
        for index, angle in enumerate(angles):
            pivot = hub[0] + radius * math.cos(angle), hub[1] + radius * math.sin(angle)
            _gondola(ink, pivot, radius * 0.09, _GAY[(index + first) % len(_GAY)], dark)
    canvas.grade(mix("#ffffff" if dark else hour.tint, "#ffffff", 0.4))
    canvas.finish(0.25)


def _fairground(canvas: Canvas, hour: Hour) -> None:
    """Set roofs and trees along the foot of the picture."""
    hills(canvas, hour, 0.86, 0.02, "#5a7a50", far=0.4)
    dim = 0.6 if hour is NIGHT else 0.15
    with canvas.ink() as ink:
        for _ in range(9):
            x, tall = canvas.between(0, ASPECT), canvas.between(0.1, 0.18)
            tree(canvas, ink, x, 0.93, tall, colour=mix("#477c34", "#0a1424", dim))
        for _ in range(3):
            x, wide, tent = canvas.between(0.05, 1.25), canvas.between(0.05, 0.08), canvas.pick(_GAY)
            ink.box((x - wide, 0.86), (x + wide, 0.95), mix("#f4ecd8", hour.haze, dim))
            for stripe in range(6):
                left = x + wide * 1.2 * (stripe / 3 - 1)
                ends = [(left, 0.865), (left + wide * 0.4, 0.865), (x, 0.79)]
                ink.area(ends, mix(tent if stripe % 2 else "#fbf6ea", hour.haze, dim))
        ink.box((-0.1, 0.94), (1.5, 1.1), mix("#6a6458", hour.haze, 0.35))


def _wheel(ink: Ink, hub: tuple[float, float], radius: float, angles: Points, steel: Colour) -> None:
    """Draw two rims, spokes, and braces between the rims."""
    x, y = hub
    half = math.pi / len(angles)
    for angle in angles:
        tip, brace = (
            (x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in (float(angle), float(angle) + half)
        )
        ink.line([hub, tip], 0.005, steel)
        for turn in (angle, angle + 2 * half):
            inner = x + radius * 0.82 * math.cos(turn), y + radius * 0.82 * math.sin(turn)
            ink.line([inner, brace], 0.004, steel)
    for share, width in ((1.0, 0.011), (0.82, 0.007), (0.3, 0.006)):
        rim = ellipse(x, y, radius * share, n=72)
        ink.line(np.vstack([rim, rim[:2]]), width, steel)


def _stand(ink: Ink, hub: tuple[float, float], steel: Colour) -> None:
    """Raise the two legs, the axle and the booth at the foot."""
    x, y = hub
    shade = mix(steel, "#000000", 0.25)
    for foot in (-0.2, 0.2):
        ink.line([(x, y), (x + foot, 0.95)], 0.02, shade)
        ink.line([(x + foot * 0.35, y + (0.95 - y) * 0.35), (x - foot * 0.35, y + (0.95 - y) * 0.35)], 0.008, shade)
    ink.box((x - 0.24, 0.935), (x + 0.24, 0.965), mix(shade, "#000000", 0.3))
    for size, tone in ((0.034, shade), (0.02, mix(steel, "#ffffff", 0.5))):
        ink.disc(x, y, size, tone)


def _gondola(ink: Ink, pivot: tuple[float, float], size: float, hue: Colour, lit: bool) -> None:
    """Hang one cabin, upright whatever the wheel does."""
    x, y = pivot
    ink.disc(x, y, size * 0.25, "#2a2c34")
    for side in (-1, 1):
        ink.line([(x, y), (x + side * size * 0.8, y + size * 0.7)], 0.004, "#3a3c44")
    ink.box((x - size, y + size * 0.6), (x + size, y + size * 0.82), mix(hue, "#000000", 0.3))
    ink.box((x - size * 0.85, y + size * 0.8), (x + size * 0.85, y + size * 1.5), "#ffedb0" if lit else "#d5e8f2")
    ink.box((x - size * 0.08, y + size * 0.8), (x + size * 0.08, y + size * 1.5), hue)
    tub = [(-1.0, 1.4), (1.0, 1.4), (0.8, 2.1), (-0.8, 2.1)]
    ink.area([(x + px * size, y + py * size) for px, py in tub], hue)


def _lights(canvas: Canvas, hub: tuple[float, float], radius: float, angles: Points) -> None:
    """Light bulbs along the rims and the spokes."""
    x, y = hub
    hue = canvas.pick(["#ff5ab0", "#4fd0ff", "#ffd24a", "#8affb0", "#b08aff"])
    ring = ellipse(x, y, radius, n=72)
    canvas.light(canvas.stroke(np.vstack([ring, ring[:1]]), 0.03, 0.018) * 0.9, hue)
    canvas.glow(x, y, radius * 0.8, hue, 0.28)
    with canvas.ink() as ink:
        for share in (0.82, 1.0):
            for bulb in ellipse(x, y, radius * share, n=60):
                ink.disc(bulb[0], bulb[1], 0.0055, mix(hue, "#ffffff", 0.55))
        for angle in angles:
            for share in np.linspace(0.15, 0.9, 9):
                at = x + radius * share * math.cos(angle), y + radius * share * math.sin(angle)
                ink.disc(*at, 0.0045, mix(hue, "#ffffff", 0.35))
