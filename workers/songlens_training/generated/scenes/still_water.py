"""Scenes of still water: lake, bridge, lotus."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, HEIGHT, ONES, Colour, Y, down, mix, ramp, rgb, tinted
from songlens_training.generated.scenery import DAWN, DAY, GREY, NOON, hills, sky, spruce, tree, wisps
from songlens_training.generated.shapes import Place, arc, curve, ellipse, ground, petal, placed, profile


def _mirrored_below(canvas: Canvas, shore: float, tone: Colour, depth: float = 0.35) -> None:
    """Mirror what is above `shore` in calm water below it; `depth` of the water's own `tone` shines through."""
    first = int(shore * HEIGHT)
    rows = np.arange(HEIGHT - first)
    ripple = ((canvas.noise(50, 2, 10)[first:, 0] - 0.5) * (2 + rows * 0.08)).astype(int)
    source = np.clip(first - 1 - rows + ripple, 0, first - 1)
    own = np.array(mix(tone, "#000000", 0.1), np.float32)[:, None, None]
    canvas.pixels[:, first:] = canvas.pixels[:, source] * np.float32(1 - depth) + own * np.float32(depth)
    streaks = np.clip(canvas.noise(46, 2, 12) - 0.62, 0, 1) * (shore < Y)
    canvas.light(streaks * ONES * 1.5, "#e8f4ff")


def lake(canvas: Canvas) -> None:
    """Paint a calm lake that mirrors wooded hills, a jetty with a rowing boat before it."""
    hour = canvas.pick([DAY, NOON, DAWN, GREY])
    shore = canvas.between(0.46, 0.54)
    sky(canvas, hour, shore)
    wisps(canvas, hour, 0.8, shore)
    green = canvas.pick(["#3f6f3a", "#4f7a34", "#2f6448", "#8a7a2e"])
    for index in range(3):
        hills(canvas, hour, shore - 0.16 + 0.06 * index, 0.07 - 0.015 * index, green, far=0.55 - 0.2 * index)
    with canvas.ink() as ink:
        for x in np.linspace(-0.02, ASPECT + 0.02, 44):
            needles = tinted(mix(green, "#0c2414", 0.35), canvas.dice, 0.03)
            spruce(
                canvas, ink, x + canvas.between(-0.02, 0.02), shore + 0.01, canvas.between(0.05, 0.11), colour=needles
            )
    _mirrored_below(canvas, shore, canvas.pick(["#2a6a86", "#2f7a80", "#3a6a90"]), 0.3)
    side = canvas.pick([-1, 1])
    with canvas.ink() as ink:
        _jetty(ink, shore, side, canvas.pick(["#8a6844", "#7a6a58", "#a07a4a"]))
        _rowing_boat(
            canvas, ink, Place(0.667 - side * canvas.between(0.12, 0.3), canvas.between(0.7, 0.8), 0.34, 0.0, side)
        )
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _jetty(ink: Ink, shore: float, side: int, wood: Colour) -> None:
    """Lay a plank jetty from the near corner towards the middle of the lake."""

    def at(along: float, across: float) -> tuple[float, float]:
        zoom = 0.28 + 0.72 * along**1.4
        return 0.667 + side * (0.16 + 0.3 * along**1.2 + across * 0.24 * zoom), shore + 0.14 + 0.42 * along

    for along in (0.02, 0.3, 0.65):
        for edge in (-1.0, 1.0):
            x, y = at(along, edge)
            ink.box(
                (x - 0.012 - 0.01 * along, y - 0.03),
                (x + 0.012 + 0.01 * along, y + 0.09 + 0.1 * along),
                mix(wood, "#000000", 0.5),
            )
    steps = np.linspace(0, 1.15, 20)
    for index, (start, end) in enumerate(pairwise(steps)):
        tone = mix(wood, "#ffffff", 0.1) if index % 2 else mix(wood, "#000000", 0.12)
        ink.area([at(start, -1), at(start, 1), at(end - 0.01, 1), at(end - 0.01, -1)], tone)


def _rowing_boat(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Float an open boat, its reflection below it."""
    paint = canvas.pick(["#b0402e", "#2f5f8a", "#e8e2d4", "#3f7a4f", "#8a5a30"])
    hull = curve([(-0.5, -0.06), (-0.3, 0.07), (0.0, 0.1), (0.32, 0.07), (0.52, -0.08)], closed=False)
    ink.area(at(hull * (1, -1) + (0, 0.16)), mix(paint, "#0a2030", 0.5), 0.5)
    ink.area(at(hull), paint)
    ink.area(at(ellipse(0.01, -0.06, 0.49, 0.05)), mix(paint, "#1a100a", 0.6))
    for bench in (-0.2, 0.1):
        ink.line(at([(bench, -0.1), (bench + 0.04, -0.02)]), 0.025 * at.size, "#c9a070")
    ink.line(at([(0.0, -0.06), (-0.45, 0.12)]), 0.016 * at.size, "#d8b888")
    ink.line(
        at(curve([(-0.5, -0.06), (0.0, -0.0), (0.52, -0.08)], closed=False)),
        0.02 * at.size,
        mix(paint, "#ffffff", 0.45),
    )


def bridge(canvas: Canvas) -> None:
    """Paint a small arched bridge over a stream, its arch and its mirror image making a ring, willows beside it."""
    hour = canvas.pick([DAY, DAWN, GREY, NOON])
    shore = canvas.between(0.62, 0.68)
    sky(canvas, hour, shore)
    wisps(canvas, hour, 0.5, 0.4)
    green = canvas.pick(["#5f8f3c", "#7a9a48", "#4f8050"])
    hills(canvas, hour, 0.46, 0.06, green, far=0.5)
    with canvas.ink() as ink:
        for x in np.linspace(0.0, ASPECT, 7):
            tree(
                canvas,
                ink,
                x + canvas.between(-0.05, 0.05),
                shore - 0.04,
                canvas.between(0.16, 0.3),
                colour=mix(green, hour.haze, 0.2),
            )
    banks = profile(canvas.rng, shore - 0.05, 0.015)
    canvas.fill(
        canvas.mask(ground(banks)),
        ramp(canvas.noise(40, 2), mix(green, "#12300c", 0.3), green, mix(green, "#f0f8a8", 0.25)),
    )
    x, wide = canvas.between(0.58, 0.76), canvas.between(0.46, 0.54)
    _arch(canvas, x, shore, wide)
    _mirrored_below(canvas, shore, canvas.pick(["#3a6a5a", "#4a7a80", "#3f6070"]), 0.35)
    with canvas.ink() as ink:
        for side in (-1, 1):
            for index in range(canvas.dice.randrange(6, 11)):
                start = 0.667 + side * (0.68 - 0.036 * index)
                length, sway = canvas.between(0.3, 0.56) * (1 - index * 0.06), canvas.between(-0.05, 0.05)
                _strand(canvas, ink, start, length, sway, green)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.25)


_STRAND = np.vstack(
    [petal(0, index / 15, 0.16, 0.042, math.pi / 2 + (0.5 if index % 2 else -0.5)) for index in range(16)]
)
"""The leaves of a willow's strand, 1 long, hanging straight from the origin."""


def _strand(canvas: Canvas, ink: Ink, x: float, length: float, sway: float, green: Colour) -> None:
    """Hang one strand of a willow from the upper edge."""
    bent = placed(_STRAND, x, 0, length)
    bent[:, 0] += sway * (bent[:, 1] / length) ** 2
    ink.area(bent, tinted(mix(green, "#c8e070", 0.3), canvas.dice))


def _arch(canvas: Canvas, x: float, shore: float, wide: float) -> None:
    """Build the bridge: humped deck, round opening, courses of stone or red planks, a balustrade."""
    stone, rail = canvas.pick(
        [("#a8a498", "#d4d0c4"), ("#b8ac94", "#e0d6c0"), ("#8f8c88", "#c0bcb4"), ("#a8382a", "#d8503a")]
    )
    rise, hole = wide * 0.62, wide * 0.44
    deck = [
        (x + wide * s, shore - rise * (0.12 + 0.88 * math.cos(s * math.pi / 2.6) ** 1.5))
        for s in np.linspace(-1.3, 1.3, 27)
    ]
    opening = arc(x, shore, hole, hole * 0.94, span=(0, -math.pi), n=30)
    body = np.vstack([deck, [(x + wide * 1.3, shore + 0.01)], opening, [(x - wide * 1.3, shore + 0.01)]])
    canvas.fill(
        canvas.mask(body),
        ramp(canvas.noise(34, 2, 2) * 1.4 - 0.2, mix(stone, "#1a1814", 0.35), stone, mix(stone, "#ffffff", 0.2)),
    )
    with canvas.ink() as ink:
        for step in np.linspace(0, math.pi, 22):
            spoke = [(x + math.cos(step) * r, shore - math.sin(step) * r * 0.94) for r in (hole, hole * 1.17)]
            ink.line(spoke, 0.004, mix(stone, "#000000", 0.45))
        ink.line(arc(x, shore, hole * 1.17, hole * 1.1, span=(0, -math.pi), n=30), 0.005, mix(stone, "#000000", 0.4))
        ink.line(opening, 0.01, mix(stone, "#000000", 0.5))
        ink.line(deck, 0.016, rail)
        ink.line(placed(deck, 0, -0.06), 0.012, rail)
        for px, py in deck[1:-1]:
            ink.box((px - 0.007, py - 0.075), (px + 0.007, py), rail)


def lotus(canvas: Canvas) -> None:
    """Paint a lotus in flower above the round leaves of its pond."""
    deep, green = canvas.pick(
        [("#1f4f44", "#4f8f4a"), ("#2a5a5f", "#5a9a58"), ("#3a5a34", "#7aa548"), ("#4a7a80", "#5f9a6a")]
    )
    canvas.wash(down(0, 1, mix(deep, "#e8f8e8", 0.5), deep, mix(deep, "#001410", 0.35)))
    canvas.light(np.clip(canvas.noise(30, 2, 8) - 0.5, 0, 1) * 0.6, "#d8f4e8")
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, canvas.dice.randrange(14, 22)):
            x, y = canvas.between(-0.05, ASPECT + 0.05), 0.26 + 0.72 * depth + canvas.between(-0.04, 0.04)
            _pad(canvas, ink, x, y, (0.07 + 0.16 * depth) * canvas.between(0.8, 1.2), tinted(green, canvas.dice, 0.04))
    tip, heart = canvas.pick(
        [("#e8508a", "#ffe4ee"), ("#f07aa8", "#fff4f4"), ("#d83a78", "#ffd0e0"), ("#f4c0d4", "#ffffff")]
    )
    x, y, size = canvas.between(0.52, 0.82), canvas.between(0.52, 0.6), canvas.between(0.3, 0.38)
    side = 1 if x < 0.667 else -1
    with canvas.ink() as ink:
        for sx, sy, small in ((x, y, size), (x + side * 0.42, canvas.between(0.3, 0.5), size * 0.42)):
            ink.line(
                curve([(sx, sy), (sx + 0.02, sy + 0.3), (sx - 0.01, 1.1)], closed=False),
                0.05 * small + 0.006,
                "#5a8a44",
            )
        _bud(ink, x + side * 0.42, sy, size * 0.42, tip, heart)
        _lotus_flower(canvas, ink, Place(x, y, size), tip, heart)
    canvas.glow(x, y - size * 0.5, size * 0.9, "#fff0f4", 0.2)
    canvas.finish(0.35)


def _pad(canvas: Canvas, ink: Ink, x: float, y: float, size: float, green: Colour) -> None:
    """Float one round leaf: dark rim, veins from its middle, sometimes a drop of water."""
    ink.disc(x + size * 0.05, y + size * 0.08, size, "#0c2018", ry=size * 0.42, alpha=0.5)
    ink.disc(x, y, size, mix(green, "#0c2a12", 0.3), ry=size * 0.42)
    ink.disc(x, y - size * 0.02, size * 0.95, green, ry=size * 0.38)
    for turn in np.linspace(0, 2 * math.pi, 11):
        ink.line(
            [(x, y), (x + size * 0.88 * math.cos(turn), y + size * 0.35 * math.sin(turn))],
            0.004,
            mix(green, "#e8ffc0", 0.35),
        )
    if canvas.chance(0.4):
        ink.disc(x + size * 0.3, y - size * 0.08, size * 0.07, "#f0fffa", ry=size * 0.04, alpha=0.9)


def _lotus_petal(
    ink: Ink, at: Place, length: float, wide: float, turn: float, tones: tuple[Colour, Colour, Colour]
) -> None:
    """Draw one pointed petal from the outside in: its rim, its blush, its pale foot."""
    shape = curve([(0, 0), (0.35, 0.36), (0.68, 0.4), (1.0, 0.0), (0.68, -0.4), (0.35, -0.36)])
    for share, tone in zip((1.0, 0.95, 0.7), tones, strict=True):
        ink.area(at(placed(shape * (length * share, wide * share * share), 0, 0, 1, turn)), tone)


def _lotus_flower(canvas: Canvas, ink: Ink, at: Place, tip: str, heart: str) -> None:
    """Open the flower: petals that stand behind, the seed pod, petals that bend outwards in front."""
    up, shift = -math.pi / 2, canvas.between(-0.06, 0.06)
    for length, wide, spread, count, dark in ((1.0, 0.55, 1.25, 7, 0.3), (0.98, 0.6, 0.8, 6, 0.15)):
        for lean in np.linspace(-spread, spread, count):
            tones = (mix(tip, "#7a0a3a", 0.3), mix(tip, "#8a1a4a", dark * 0.5), mix(tip, heart, 0.5))
            _lotus_petal(ink, at, length * (1 - 0.12 * abs(lean)), wide, up + lean + shift, tones)
    ink.area(at(ellipse(0, -0.3, 0.2, 0.1)), "#f2d050")
    ink.area(at(ellipse(0, -0.33, 0.13, 0.07)), "#a8b850")
    for length, wide, spread, count in ((0.82, 0.6, 1.35, 6), (0.62, 0.62, 0.75, 4)):
        for lean in sorted(np.linspace(-spread, spread, count), key=abs, reverse=True):
            tones = (mix(tip, "#7a0a3a", 0.25), rgb(tip), mix(tip, heart, 0.85))
            _lotus_petal(ink, at, length, wide, up + lean + shift, tones)


def _bud(ink: Ink, x: float, y: float, size: float, tip: str, heart: str) -> None:
    at = Place(x, y, size)
    for lean in (-0.3, 0.3, 0.0):
        _lotus_petal(ink, at, 1.0, 0.7, -math.pi / 2 + lean, (mix(tip, "#7a0a3a", 0.3), tip, mix(tip, heart, 0.6)))
