"""Scenes of what bears grain and fruit: wheat field, palm."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, Y, mix, ramp, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NOON, hills, sky, water, wisps
from songlens_training.generated.shapes import Place, Points, arc, curve, ground, petal, placed, profile, tapered


def wheat(canvas: Canvas) -> None:
    """Paint a field of ripe wheat, ears bowing in front, gold to the horizon."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    horizon = canvas.between(0.34, 0.46)
    sky(canvas, hour, horizon)
    wisps(canvas, hour, 0.7, horizon)
    hills(canvas, hour, horizon - 0.01, 0.025, canvas.pick(["#5f7f4a", "#6a7a5a"]), far=0.4)
    gold = canvas.pick(["#d8a838", "#e0b850", "#c8963a", "#d8b060"])
    rows = canvas.noise(8, 3, 0.12) * 0.6 + canvas.noise(60, 2, 0.5) * 0.6 - 0.1
    canvas.fill(canvas.below(horizon + 0.005), ramp(rows, mix(gold, "#6a3a08", 0.5), gold, mix(gold, "#fff4b8", 0.4)))
    canvas.fill(np.exp(-np.clip((Y - np.float32(horizon)) / 0.1, 0, None)) * canvas.below(horizon), hour.haze, 0.35)
    wind = canvas.between(-0.4, 0.4)
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, 46):
            x, head = canvas.between(-0.05, ASPECT + 0.05), canvas.between(0.5, 0.68) + 0.2 * depth
            tone = tinted(mix(mix(gold, "#7a4a10", 0.35), mix(gold, "#fff0a8", 0.2), depth), canvas.dice, 0.04)
            turn = wind + canvas.between(-0.25, 0.25)
            _ear(ink, Place(x, head, 0.07 + 0.2 * depth**2, turn), tone)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.25)


def _grains(side: int) -> Points:
    """Return the grains of one side of an ear that stands on the origin and is about 1 high, as one outline."""
    return np.vstack([petal(0.05 * side, -0.13 * row, 0.32, 0.19, -math.pi / 2 + 0.42 * side) for row in range(7)])


def _awns(side: int) -> Points:
    """Return the long bristles of one side, as one outline of spikes."""
    roots = [(0.05 * side, -0.15 * row) for row in range(7)]
    return np.vstack([[(x, y), (x + 0.36 * side, y - 0.75), (x + 0.03 * side, y - 0.05)] for x, y in roots])


_GRAINS, _AWNS = (_grains(-1), _grains(1)), np.vstack([_awns(-1), _awns(1)])
_TOP = petal(0, -0.9, 0.34, 0.2, -math.pi / 2)


def _ear(ink: Ink, at: Place, tone: Colour) -> None:
    """Draw one stalk and its ear: bristles, then grains, dark on one side and light on the other."""
    dark, light = mix(tone, "#6a3a08", 0.4), mix(tone, "#fff4b0", 0.4)
    foot = (at.x - at.turn * 0.3, 1.02)
    ink.line([foot, (at.x - at.turn * 0.1, (1 + at.y) / 2), (at.x, at.y)], at.size * 0.06, mix(tone, "#8a6a1a", 0.3))
    ink.area(at(_AWNS), light)
    ink.area(at(_GRAINS[0]), dark)
    ink.area(at(_GRAINS[1]), tone)
    ink.area(at(_TOP), light)


def palm(canvas: Canvas) -> None:
    """Paint coconut palms that lean over a tropical beach."""
    hour = canvas.pick([DAY, NOON, NOON, DUSK, DAWN])
    horizon = canvas.between(0.6, 0.68)
    sky(canvas, hour, horizon)
    wisps(canvas, hour, 0.7, horizon)
    water(canvas, horizon, canvas.pick(["#28a8b8", "#1f8ab0", "#38b8a8"]), "#8fd8e0", 0.7)
    sand = canvas.pick(["#f0dcae", "#e8cf9a", "#f4e4c4"])
    shore = canvas.mask(ground(profile(canvas.rng, canvas.between(0.84, 0.9), 0.03, 0.35, waves=1.5)), 0.004)
    canvas.fill(shore, ramp(canvas.noise(80, 2), mix(sand, "#8a6b40", 0.2), sand, mix(sand, "#ffffff", 0.2)))
    side = canvas.pick([-1, 1])
    foot = 0.667 + side * canvas.between(0.1, 0.34)
    stand = [(foot, 0.95, canvas.between(0.62, 0.72), -side * canvas.between(0.12, 0.3))]
    if canvas.chance(0.75):
        stand.insert(0, (foot + side * 0.12, 0.93, canvas.between(0.4, 0.52), -side * canvas.between(-0.25, 0.1)))
    with canvas.ink() as ink:
        for x, base, tall, lean in stand:
            _palm_tree(canvas, ink, (x, base), tall, lean)
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    canvas.finish(0.2)


def _palm_tree(canvas: Canvas, ink: Ink, foot: tuple[float, float], tall: float, lean: float) -> None:
    """Draw one palm: a ringed, bending trunk, fronds behind, coconuts, fronds in front."""
    x, base = foot
    trunk = [
        (x, base),
        (x + lean * 0.25, base - tall * 0.4),
        (x + lean * 0.6, base - tall * 0.75),
        (x + lean, base - tall),
    ]
    bark, half = "#8a6a48", tall * 0.035
    ink.area(tapered(trunk, (half * 1.5, half, half * 0.85, half * 0.7)), mix(bark, "#20140a", 0.3))
    ink.area(placed(tapered(trunk, (half * 0.9, half * 0.6, half * 0.5, half * 0.4)), -half * 0.35, 0), bark)
    for px, py in curve(trunk, closed=False)[::2]:
        ink.line(arc(px, py - half * 0.4, half, half * 0.5, span=(0.2, math.pi - 0.2), n=6), 0.004, "#4a3420")
    top = (x + lean, base - tall)
    green = canvas.pick(["#3f8a3a", "#4f9a34", "#2f7a44"])
    turns = [-2.9, -2.45, -2.0, -1.57, -1.1, -0.7, -0.25, 0.2, 2.95]
    for index, turn in enumerate(turns):
        tone = tinted(mix(green, "#0c2a10", 0.35 if index % 2 else 0.05), canvas.dice, 0.03)
        _frond(ink, top, tall * canvas.between(0.52, 0.66), turn + canvas.between(-0.15, 0.15), tone)
    for away in (-0.03, 0.035, 0.0):
        ink.disc(
            top[0] + away * tall * 1.3, top[1] + tall * 0.045, tall * 0.04, mix("#6a4424", "#000000", abs(away) * 6)
        )


def _frond(ink: Ink, root: tuple[float, float], length: float, turn: float, tone: Colour) -> None:
    """Draw one frond: a rib that droops to its tip, leaflets hanging from both sides of it."""
    reach = np.linspace(0, 1, 15)[:, None]
    fall = np.array((0.0, 0.55)) * reach**2
    rib = root + length * (np.array((math.cos(turn), math.sin(turn))) * reach + fall)  # (15, 2)
    along = np.diff(rib, axis=0)
    along /= np.hypot(along[:, :1], along[:, 1:])
    aside = along[:, ::-1] * (-1, 1)
    long = length * 0.3 * np.sin(np.linspace(0.5, 2.9, len(along)))[:, None]
    for side in (-1, 1):
        tips = rib[:-1] + (along * 0.72 + aside * side * 0.7) * long
        bellies = rib[:-1] + (along * 0.6 + aside * side * 0.25) * long
        leaflets = np.stack([rib[:-1], tips, bellies, rib[1:]], axis=1)  # (14, 4, 2)
        ink.area(leaflets.reshape(-1, 2), tone)
    ink.line(rib, length * 0.018, mix(tone, "#d8e880", 0.4))
