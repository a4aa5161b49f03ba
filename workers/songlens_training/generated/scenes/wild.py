"""Scenes of wild country: snow, forest, desert, mountains, grassland, waterfall, bamboo."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, ONES, Colour, X, Y, down, mix, ramp, tinted
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    GREY,
    NOON,
    cumulus,
    grass,
    hills,
    leaf,
    sky,
    spruce,
    tree,
    water,
    wisps,
)
from songlens_training.generated.shapes import curve, ellipse, ground, profile


def snow(canvas: Canvas) -> None:
    """Paint a spruce forest deep in snow while flakes fall."""
    hour = canvas.pick([GREY, DAWN, DAY, GREY])
    horizon = canvas.between(0.5, 0.62)
    sky(canvas, hour, horizon)
    canvas.fill(ONES, "#e6edf3", 0.45)
    hills(canvas, hour, horizon - 0.08, 0.05, "#9fb2c4", far=0.7)
    canvas.fill(
        canvas.mask(ground(profile(canvas.rng, horizon, 0.02))), down(horizon, 1, "#dbe6f1", "#ffffff", "#e9eff7")
    )
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, 15) ** 1.3:
            x = canvas.between(-0.05, ASPECT + 0.05)
            base = horizon + 0.03 + 0.3 * depth
            green = mix("#2f4a44", "#aebfcc", 0.65 * (1 - depth))
            spruce(canvas, ink, x, base, (0.2 + 0.5 * depth) * canvas.between(0.8, 1.2), colour=green, snow=0.9)
    drifts = canvas.mask(ground(profile(canvas.rng, canvas.between(0.84, 0.9), 0.03, 0.3)), 0.008)
    canvas.fill(drifts, ramp(canvas.noise(6, 3, 3), "#c9d9ea", "#f7fbff", "#ffffff"))
    canvas.grade(mix(hour.tint, "#eef4ff", 0.5))
    with canvas.ink() as ink:
        for _ in range(170):
            size = 0.002 + 0.009 * canvas.dice.random() ** 3
            ink.disc(canvas.between(0, ASPECT), canvas.between(0, 1), size, "#ffffff", alpha=canvas.between(0.6, 1))


def forest(canvas: Canvas) -> None:
    """Paint a path among tall trunks, green light falling through the leaves."""
    green, bright, floor = canvas.pick(
        [("#2f5d2a", "#d6f08a", "#3d4a1f"), ("#3b6b2d", "#eef7a4", "#4a4a22"), ("#1f4d33", "#bfe8a8", "#2c4426")]
    )
    canvas.wash(down(0, 0.75, mix(green, bright, 0.35), mix(green, bright, 0.8), mix(green, bright, 0.55)))
    canvas.shade(0.6 + 0.7 * canvas.noise(16, 3))
    horizon = canvas.between(0.6, 0.7)
    for depth in (0.15, 0.45, 1.0):
        floor_colour = mix(mix(green, bright, 0.5), floor, depth)
        level = horizon + 0.16 * depth
        canvas.fill(
            canvas.mask(ground(profile(canvas.rng, level, 0.02)), 0.004),
            ramp(
                canvas.noise(30, 3, 2),
                mix(floor_colour, "#000000", 0.35),
                floor_colour,
                mix(floor_colour, bright, 0.35),
            ),
        )
        bark = mix(mix(green, bright, 0.55), "#2c2117", 0.25 + 0.75 * depth)
        with canvas.ink() as ink:
            for _ in range(int(16 - 10 * depth)):
                x, wide = canvas.between(0, ASPECT), (0.012 + 0.05 * depth) * canvas.between(0.6, 1.3)
                lean, foot = canvas.between(-0.04, 0.04), level + canvas.between(0, 0.06)
                ink.area(
                    [(x - wide, foot), (x + lean - wide * 0.6, 0), (x + lean + wide * 0.1, 0), (x, foot)],
                    tinted(mix(bark, bright, 0.22), canvas.dice, 0.02),
                )
                ink.area(
                    [(x, foot), (x + lean, 0), (x + lean + wide * 0.6, 0), (x + wide, foot + 0.01)],
                    tinted(bark, canvas.dice, 0.02),
                )
            for _ in range(int(40 + 110 * depth)):
                x, y = canvas.between(0, ASPECT), canvas.between(-0.02, 0.22 + 0.12 * canvas.between(0, 1))
                ink.disc(
                    x,
                    y,
                    canvas.between(0.01, 0.035),
                    tinted(mix(mix(green, bright, 0.35), mix(green, "#081206", 0.35), depth), canvas.dice, 0.05),
                    alpha=0.85,
                )
    slant, phase = canvas.between(-0.7, 0.7), canvas.between(0, 6)
    beams = np.clip(np.sin((X - Y * slant) * canvas.between(14, 20) + phase), 0, 1) ** 3 * np.clip(1.05 - Y, 0, 1)
    canvas.light((0.5 * beams).astype(np.float32), bright)
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.12, mix(green, bright, 0.25), count=120)
    canvas.finish(0.45)


def desert(canvas: Canvas) -> None:
    """Paint sand dunes with sharp crests, each with a lit and a shadowed flank."""
    hour = canvas.pick([NOON, DAY, DAWN, DUSK])
    sky(canvas, hour, 0.5)
    sand, shadow = canvas.pick([("#e8b878", "#a5673a"), ("#e6c48d", "#b07d4c"), ("#dd9a5b", "#8f4a2b")])
    start = canvas.between(0.4, 0.5)
    for index in range(4):
        level = start + 0.13 * index
        skyline = profile(canvas.rng, level, 0.09 + 0.03 * index, 0.25, waves=1.6)
        body = canvas.mask(ground(skyline))
        ripples = np.sin((Y + 0.25 * canvas.noise(3, 2)) * (260 - 45 * index)) * 0.03
        canvas.fill(
            body,
            ramp(
                (0.75 + ripples + (canvas.noise(90, 1) - 0.5) * 0.1 - (Y - level) * 0.5).astype(np.float32),
                shadow,
                sand,
                mix(sand, "#fff3d6", 0.4),
            ),
        )
        peak = canvas.dice.randrange(35, 125)
        crest = int(30 + skyline[peak - 30 : peak + 30, 1].argmin() + peak - 60) if peak > 60 else peak
        x, y = skyline[crest]
        foot = curve([(x, y), (x + 0.1, y + 0.12), (x - 0.02, y + 0.26), (x + 0.16, y + 0.5)], closed=False)
        lee = np.vstack([foot, [(ASPECT + 0.1, 1.1)], skyline[:crest:-1]])
        canvas.fill(canvas.mask(lee) * body, mix(shadow, hour.haze, 0.12), 0.75)
        canvas.fill(body, hour.haze, 0.3 * (1 - index / 3))
    if canvas.chance(0.4):
        with canvas.ink() as ink:
            _cactus(ink, canvas.between(0.35, 1.0), canvas.between(0.8, 0.92), canvas.between(0.22, 0.34))
    canvas.grade(mix(hour.tint, "#fff4e0", 0.5))
    canvas.finish(0.2)


def _cactus(ink: Ink, x: float, base: float, height: float) -> None:
    """Draw a saguaro."""
    green = "#4c6b3a"
    wide = height * 0.13
    for side, at, up in ((-1, 0.45, 0.34), (1, 0.6, 0.28)):
        bend = curve(
            [
                (x, base - height * at),
                (x + side * wide * 1.9, base - height * at),
                (x + side * wide * 2.2, base - height * (at + up)),
            ],
            closed=False,
        )
        ink.line(bend, wide * 0.7, mix(green, "#000000", 0.15))
        ink.disc(*bend[-1], wide * 0.36, mix(green, "#000000", 0.15))
    ink.box((x - wide / 2, base - height), (x + wide / 2, base), green)
    ink.disc(x, base - height, wide / 2, green)
    for shift in (-0.25, 0.0, 0.25):
        ink.line([(x + wide * shift, base), (x + wide * shift, base - height)], 0.004, mix(green, "#c9d79a", 0.4))


def mountain(canvas: Canvas) -> None:
    """Paint snow-capped peaks over dark forest, now and then above a lake."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.6)
    wisps(canvas, hour, 0.6, 0.4)
    rock = canvas.pick(["#5d6674", "#6b6560", "#55617a"])
    for far, level, tall in ((0.6, 0.42, 0.1), (0.15, 0.5, 0.16)):
        skyline = profile(canvas.rng, level, tall * 0.5, 0.55, waves=4)
        peak = canvas.between(0.4, 0.95)
        skyline[:, 1] -= tall * 2 * np.clip(1 - np.abs(skyline[:, 0] - peak) / 0.45, 0, 1)
        body = canvas.mask(ground(skyline))
        height = np.interp(X[0], skyline[:, 0], skyline[:, 1]).astype(np.float32)[None, :]
        slope = np.gradient(height[0]).astype(np.float32)[None, :] * 120
        crags = canvas.noise(22, 4) - 0.5
        lit = np.clip(0.5 - 0.55 * np.sign(slope + crags * 3.5) * 0.7 + crags * 1.2, 0, 1)
        snowy = np.clip((0.2 * tall / 0.16 - (Y - height) + crags * 0.34) * 9, 0, 1)
        canvas.fill(body, ramp(lit, mix(rock, "#0d1322", 0.55), rock, mix(rock, "#ffffff", 0.25)))
        canvas.fill(body * snowy, ramp(lit, "#8fa5c6", "#e9f0f8", "#ffffff"))
        canvas.fill(body, hour.haze, far)
    hills(canvas, hour, 0.72, 0.04, "#3e5a48", far=0.3)
    lake = canvas.chance(0.4)
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, 34):
            x = canvas.between(-0.02, ASPECT + 0.02)
            spruce(
                canvas,
                ink,
                x,
                0.76 + 0.06 * depth if lake else 0.78 + 0.3 * depth,
                0.09 + 0.12 * depth,
                colour=mix("#22402f", hour.haze, 0.3 * (1 - depth)),
            )
    if lake:
        water(canvas, 0.82, mix("#2c5a6e", "#0d2233", 0.4), mix(hour.sky[1], "#ffffff", 0.2), 0.8)
    canvas.grade(mix(hour.tint, "#ffffff", 0.35))
    canvas.finish(0.2)


def grassland(canvas: Canvas) -> None:
    """Paint wide rolling grass under a big sky, sheep grazing and flowers in front."""
    hour = canvas.pick([DAY, NOON, DAWN])
    horizon = canvas.between(0.42, 0.52)
    sky(canvas, hour, horizon)
    places = [(canvas.between(0, ASPECT), canvas.between(0.15, 0.33), canvas.between(0.2, 0.35)) for _ in range(2)]
    cumulus(canvas, hour, places)
    green = canvas.pick(["#6da53a", "#85ad42", "#58963c"])
    for depth in (0.0, 0.35, 0.7):
        skyline = profile(canvas.rng, horizon + 0.26 * depth, 0.03 + 0.02 * depth, 0.25, waves=1.5)
        tone = mix(green, hour.haze, 0.35 * (1 - depth))
        canvas.fill(
            canvas.mask(ground(skyline)),
            ramp(canvas.noise(36, 3, 3), mix(tone, "#16330f", 0.35), tone, mix(tone, "#f3f6a5", 0.3)),
        )
    with canvas.ink() as ink:
        for _ in range(canvas.dice.randrange(5, 12)):
            y = canvas.between(horizon + 0.1, 0.84)
            _sheep(canvas, ink, canvas.between(0.15, 1.2), y, 0.03 + 0.11 * (y - horizon))
        grass(canvas, ink, 1.0, 0.13, mix(green, "#1e4412", 0.3), count=240)
        for _ in range(30):
            ink.disc(
                canvas.between(0, ASPECT),
                canvas.between(0.86, 1),
                canvas.between(0.004, 0.009),
                canvas.pick(["#fff7d0", "#ffd94a", "#ffffff"]),
            )
    canvas.grade(hour.tint)
    canvas.finish(0.15)


def _sheep(canvas: Canvas, ink: Ink, x: float, y: float, size: float) -> None:
    """Draw a sheep, grazing left or right."""
    way = canvas.pick([-1, 1])
    for leg in (-0.5, -0.3, 0.3, 0.5):
        ink.line([(x + leg * size, y), (x + leg * size, y + size * 0.75)], size * 0.12, "#3a332e")
    for _ in range(14):
        wool = tinted("#f1ece0", canvas.dice, 0.03)
        ink.disc(x + canvas.between(-0.65, 0.65) * size, y + canvas.between(-0.25, 0.25) * size, size * 0.32, wool)
    ink.area(ellipse(x + way * size * 0.98, y + size * 0.05, size * 0.26, size * 0.18, turn=way * 0.7), "#3a332e")


def waterfall(canvas: Canvas) -> None:
    """Paint water falling from a mossy cliff into a pool, with mist at its foot."""
    stone, moss = canvas.pick(["#5a5a55", "#66605a", "#4c5458"]), canvas.pick(["#3f6b34", "#4d7a3a"])
    canvas.wash(down(0, 0.3, "#bfdbe8", "#e2eef0"))
    crags = canvas.noise(10, 4, 0.6)
    lip = canvas.between(0.14, 0.24)
    cliff = canvas.mask(ground(profile(canvas.rng, lip - 0.05, 0.05, 0.6)))
    canvas.fill(cliff, ramp((crags * 1.6 - 0.3).astype(np.float32), "#1e2320", stone, mix(stone, "#d8d4c6", 0.4)))
    canvas.fill(cliff * np.clip((canvas.noise(12, 4) - 0.52) * 6, 0, 1), moss, 0.8)
    middle, wide = canvas.between(0.5, 0.85), canvas.between(0.1, 0.2)
    pool = 0.78
    edge = 0.015 * np.sin(np.linspace(0, 9, 20))
    heights = np.linspace(lip, pool + 0.04, 20)
    flare = 1 + 0.5 * np.linspace(0, 1, 20)
    left = np.stack([middle - wide * flare + edge, heights], axis=1)
    right = np.stack([middle + wide * flare + edge, heights], axis=1)
    fall = canvas.mask(np.vstack([left, right[::-1]]), 0.006)
    strands = canvas.noise(5, 4, 0.06)
    canvas.fill(fall, ramp((strands * 2.0 - 0.55).astype(np.float32), "#8fb0c2", "#e6f1f6", "#ffffff"))
    water(canvas, pool, canvas.pick(["#2d6b6a", "#2f6f80"]), "#b8d8dc", 0.9)
    for _ in range(5):
        canvas.glow(middle + canvas.between(-0.25, 0.25), pool + canvas.between(-0.03, 0.03), 0.11, "#f4fafb", 0.6)
    with canvas.ink() as ink:
        for x in [*np.linspace(-0.02, middle - wide - 0.2, 6), *np.linspace(middle + wide + 0.2, ASPECT + 0.02, 6)]:
            tree(canvas, ink, float(x), lip + canvas.between(0, 0.06), canvas.between(0.14, 0.24), colour=moss)
        for _ in range(16):
            side = canvas.pick([-1, 1])
            x, size = middle + side * canvas.between(0.3, 0.75), canvas.between(0.03, 0.09)
            rock = tinted(stone, canvas.dice, 0.05)
            y = pool + canvas.between(-0.01, 0.16)
            ink.area(ellipse(x, y, size, size * 0.6), mix(rock, "#000000", 0.35))
            ink.area(ellipse(x - size * 0.1, y - size * 0.12, size * 0.8, size * 0.42), rock)
        for _ in range(60):
            side = canvas.pick([-1, 1])
            x = middle + side * canvas.between(0.5, 0.85)
            leaf(
                ink,
                x,
                canvas.between(0.8, 1.0),
                canvas.between(0.08, 0.16),
                canvas.between(-2.6, -0.5),
                colour=tinted(moss, canvas.dice),
                narrow=0.25,
            )
    canvas.finish(0.3)


def bamboo(canvas: Canvas) -> None:
    """Paint a bamboo grove: jointed green culms in the mist, narrow leaves."""
    green, mist = canvas.pick([("#5f8f2f", "#dcecbd"), ("#4f8a3f", "#d2ead0"), ("#7a9a35", "#eef0c0")])
    canvas.wash(down(0, 1, mix(mist, green, 0.25), mist, mix(mist, green, 0.5)))
    canvas.shade(0.85 + 0.3 * canvas.noise(9, 3))
    for depth, count in ((0.0, 16), (0.45, 10), (1.0, 6)):
        with canvas.ink() as ink:
            for _ in range(count):
                x, wide = canvas.between(0, ASPECT), (0.014 + 0.03 * depth) * canvas.between(0.8, 1.25)
                _culm(canvas, ink, x, wide, mix(mist, tinted(green, canvas.dice, 0.03), 0.35 + 0.65 * depth))
            for _ in range(50 + int(70 * depth)):
                x, y = canvas.between(0, ASPECT), canvas.between(0, 0.5 + 0.2 * depth) * canvas.between(0.2, 1)
                turn = canvas.between(0.3, 1.2) if canvas.chance(0.5) else canvas.between(1.9, 2.8)
                leaf(
                    ink,
                    x,
                    y,
                    0.07 + 0.09 * depth,
                    turn,
                    colour=tinted(mix(mist, mix(green, "#17360f", 0.3), 0.35 + 0.65 * depth), canvas.dice, 0.05),
                    narrow=0.17,
                )
        canvas.light((0.15 * (1 - depth)) * ONES, mist)
    canvas.finish(0.3)


def _culm(canvas: Canvas, ink: Ink, x: float, wide: float, colour: Colour) -> None:
    """Draw one bamboo culm: rounded by three shades, ringed at its joints."""
    lean = canvas.between(-0.05, 0.05)
    for low, high, tone in (
        (-1.0, 1.0, mix(colour, "#10250a", 0.4)),
        (-0.8, 0.55, colour),
        (-0.55, -0.1, mix(colour, "#fbffdc", 0.4)),
    ):
        ink.area(
            [
                (x + wide * low / 2, 1.02),
                (x + lean + wide * low / 2, -0.02),
                (x + lean + wide * high / 2, -0.02),
                (x + wide * high / 2, 1.02),
            ],
            tone,
        )
    y = canvas.between(0, 0.15)
    while y < 1:
        at = x + lean * (1 - y)
        ink.line([(at - wide * 0.58, y), (at + wide * 0.58, y)], 0.009, mix(colour, "#10250a", 0.55))
        ink.line([(at - wide * 0.55, y - 0.008), (at + wide * 0.55, y - 0.008)], 0.006, mix(colour, "#ffffff", 0.45))
        y += wide * 4 + canvas.between(0.05, 0.1)
