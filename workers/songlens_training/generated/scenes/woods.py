"""Scenes among trees: forest, waterfall, bamboo."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, ONES, Colour, X, Y, down, mix, ramp, tinted
from songlens_training.generated.scenery import grass, leaf, tree, water
from songlens_training.generated.shapes import ellipse, ground, profile


def forest(canvas: Canvas) -> None:
    """Paint a glade among tall trunks, light falling through the leaves in summer or in autumn."""
    green, bright, floor = canvas.pick(
        [
            ("#2f5d2a", "#d6f08a", "#3d4a1f"),
            ("#3b6b2d", "#eef7a4", "#4a4a22"),
            ("#1f4d33", "#bfe8a8", "#2c4426"),
            ("#6a6a24", "#f7e48a", "#5a4420"),
        ]
    )
    canvas.wash(down(0, 0.75, mix(green, bright, 0.35), mix(green, bright, 0.8), mix(green, bright, 0.55)))
    canvas.shade(0.6 + 0.7 * canvas.noise(16, 3))
    horizon = canvas.between(0.56, 0.72)
    for depth in (0.15, 0.45, 1.0):
        level = horizon + 0.16 * depth
        _floor(canvas, level, mix(mix(green, bright, 0.5), floor, depth), bright)
        with canvas.ink() as ink:
            _trunks(canvas, ink, level, depth, mix(mix(green, bright, 0.55), "#2c2117", 0.25 + 0.75 * depth), bright)
            shade = mix(mix(green, bright, 0.35), mix(green, "#081206", 0.35), depth)
            for _ in range(int(50 + 130 * depth)):
                x, y = canvas.between(0, ASPECT), canvas.between(-0.02, 0.22 + 0.12 * canvas.dice.random())
                size = canvas.between(0.008, 0.026)
                ink.disc(x, y, size, tinted(shade, canvas.dice, 0.05), ry=size * 0.7, alpha=0.85)
    _sunbeams(canvas, bright)
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.12, mix(green, bright, 0.25), count=120)
    canvas.finish(0.45)


def _floor(canvas: Canvas, level: float, colour: Colour, bright: Colour) -> None:
    """Lay moss and leaves from `level` down."""
    moss = ramp(canvas.noise(30, 3, 2), mix(colour, "#000000", 0.35), colour, mix(colour, bright, 0.35))
    canvas.fill(canvas.mask(ground(profile(canvas.rng, level, 0.02)), 0.004), moss)


def _trunks(canvas: Canvas, ink: Ink, level: float, depth: float, bark: Colour, bright: Colour) -> None:
    """Stand trunks at one depth (0 is far, 1 near), each with a lit and a shaded side."""
    for _ in range(int(canvas.between(14, 18) - 10 * depth)):
        x, wide = canvas.between(0, ASPECT), (0.012 + 0.05 * depth) * canvas.between(0.6, 1.3)
        lean, foot = canvas.between(-0.04, 0.04), level + canvas.between(0, 0.06)
        top = x + lean
        lit, dark = (tinted(tone, canvas.dice, 0.02) for tone in (mix(bark, bright, 0.22), bark))
        ink.area([(x - wide, foot), (top - wide * 0.6, 0), (top + wide * 0.1, 0), (x, foot)], lit)
        ink.area([(x, foot), (top, 0), (top + wide * 0.6, 0), (x + wide, foot + 0.01)], dark)


def _sunbeams(canvas: Canvas, bright: Colour) -> None:
    slant, phase, count = canvas.between(-0.7, 0.7), canvas.between(0, 6), canvas.between(12, 20)
    beams = np.clip(np.sin((X - Y * slant) * count + phase), 0, 1) ** 3 * np.clip(1.05 - Y, 0, 1)
    canvas.light(canvas.between(0.25, 0.6) * beams, bright)


def waterfall(canvas: Canvas) -> None:
    """Paint water falling from a mossy cliff into a pool, with mist at its foot."""
    stone, moss = canvas.pick(["#5a5a55", "#66605a", "#4c5458"]), canvas.pick(["#3f6b34", "#4d7a3a"])
    lip, pool = canvas.between(0.14, 0.26), canvas.between(0.72, 0.8)
    middle, wide = canvas.between(0.5, 0.85), canvas.between(0.1, 0.22)
    canvas.wash(down(0, 0.3, "#bfdbe8", "#e2eef0"))
    _cliff(canvas, lip, stone, moss)
    _fall(canvas, middle, wide, lip, pool)
    water(canvas, pool, canvas.pick(["#2d6b6a", "#2f6f80"]), "#b8d8dc", 0.9)
    for _ in range(5):
        canvas.glow(middle + canvas.between(-0.25, 0.25), pool + canvas.between(-0.03, 0.03), 0.11, "#f4fafb", 0.6)
    with canvas.ink() as ink:
        left = np.linspace(-0.02, middle - wide - 0.2, 6).tolist()
        right = np.linspace(middle + wide + 0.2, ASPECT + 0.02, 6).tolist()
        for x in [*left, *right]:
            tree(canvas, ink, x, lip + canvas.between(0, 0.06), canvas.between(0.14, 0.24), colour=moss)
        _bank(canvas, ink, middle, pool, stone)
        for _ in range(60):
            x = middle + canvas.pick([-1, 1]) * canvas.between(0.5, 0.85)
            blade, turn = canvas.between(0.08, 0.16), canvas.between(-2.6, -0.5)
            leaf(ink, x, canvas.between(0.8, 1.0), blade, turn, colour=tinted(moss, canvas.dice), narrow=0.25)
    canvas.finish(0.3)


def _cliff(canvas: Canvas, lip: float, stone: Colour, moss: Colour) -> None:
    """Raise a wall of crags from the height `lip`, moss in its clefts."""
    cliff = canvas.mask(ground(profile(canvas.rng, lip - 0.05, 0.05, 0.6)))
    crags = canvas.noise(10, 4, 0.6) * 1.6 - 0.3
    canvas.fill(cliff, ramp(crags, "#1e2320", stone, mix(stone, "#d8d4c6", 0.4)))
    canvas.fill(cliff * np.clip((canvas.noise(12, 4) - 0.52) * 6, 0, 1), moss, 0.8)


def _fall(canvas: Canvas, middle: float, wide: float, lip: float, pool: float) -> None:
    """Let water fall in strands, spreading a little on its way."""
    way = np.linspace(0, 1, 20)
    sway, heights, half = 0.015 * np.sin(9 * way), lip + (pool + 0.04 - lip) * way, wide * (1 + 0.5 * way)
    left = np.stack([middle - half + sway, heights], axis=1)
    right = np.stack([middle + half + sway, heights], axis=1)
    strands = canvas.noise(5, 4, 0.06) * 2.0 - 0.55
    canvas.fill(canvas.mask(np.vstack([left, right[::-1]]), 0.006), ramp(strands, "#8fb0c2", "#e6f1f6", "#ffffff"))


def _bank(canvas: Canvas, ink: Ink, middle: float, pool: float, stone: Colour) -> None:
    """Lay round rocks on both sides of the pool."""
    for _ in range(16):
        x, size = middle + canvas.pick([-1, 1]) * canvas.between(0.3, 0.75), canvas.between(0.03, 0.09)
        rock, y = tinted(stone, canvas.dice, 0.05), pool + canvas.between(-0.01, 0.16)
        ink.area(ellipse(x, y, size, size * 0.6), mix(rock, "#000000", 0.35))
        ink.area(ellipse(x - size * 0.1, y - size * 0.12, size * 0.8, size * 0.42), rock)


def bamboo(canvas: Canvas) -> None:
    """Paint a bamboo grove: jointed green culms in the mist, narrow leaves."""
    green, mist = canvas.pick([("#5f8f2f", "#dcecbd"), ("#4f8a3f", "#d2ead0"), ("#7a9a35", "#eef0c0")])
    canvas.wash(down(0, 1, mix(mist, green, 0.25), mist, mix(mist, green, 0.5)))
    canvas.shade(0.85 + 0.3 * canvas.noise(9, 3))
    crowd = canvas.between(0.7, 1.2)
    for depth, count in ((0.0, 16), (0.45, 10), (1.0, 6)):
        near = 0.35 + 0.65 * depth
        with canvas.ink() as ink:
            for _ in range(int(count * crowd)):
                wide = (0.014 + 0.03 * depth) * canvas.between(0.8, 1.25)
                _culm(canvas, ink, canvas.between(0, ASPECT), wide, mix(mist, tinted(green, canvas.dice, 0.03), near))
            _bamboo_leaves(canvas, ink, depth, mix(mist, mix(green, "#17360f", 0.3), near))
        canvas.light((0.15 * (1 - depth)) * ONES, mist)
    canvas.finish(0.3)


def _bamboo_leaves(canvas: Canvas, ink: Ink, depth: float, colour: Colour) -> None:
    """Hang narrow leaves, pointing down to either side, thicker towards the top."""
    for _ in range(50 + int(70 * depth)):
        x, y = canvas.between(0, ASPECT), canvas.between(0, 0.5 + 0.2 * depth) * canvas.between(0.2, 1)
        turn = canvas.between(0.3, 1.2) if canvas.chance(0.5) else canvas.between(1.9, 2.8)
        leaf(ink, x, y, 0.07 + 0.09 * depth, turn, colour=tinted(colour, canvas.dice, 0.05), narrow=0.17)


def _culm(canvas: Canvas, ink: Ink, x: float, wide: float, colour: Colour) -> None:
    """Draw one bamboo culm: rounded by three shades, ringed at its joints."""
    lean, half = canvas.between(-0.05, 0.05), wide / 2
    dark, light = mix(colour, "#10250a", 0.4), mix(colour, "#fbffdc", 0.4)
    for low, high, tone in (
        (-half, half, dark),
        (-half * 0.8, half * 0.55, colour),
        (-half * 0.55, -half * 0.1, light),
    ):
        top = x + lean
        ink.area([(x + low, 1.02), (top + low, -0.02), (top + high, -0.02), (x + high, 1.02)], tone)
    y = canvas.between(0, 0.15)
    while y < 1:
        at = x + lean * (1 - y)
        ink.line([(at - wide * 0.58, y), (at + wide * 0.58, y)], 0.009, mix(colour, "#10250a", 0.55))
        ink.line([(at - wide * 0.55, y - 0.008), (at + wide * 0.55, y - 0.008)], 0.006, mix(colour, "#ffffff", 0.45))
        y += wide * 4 + canvas.between(0.05, 0.1)
