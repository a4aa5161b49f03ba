"""Scenes of open country: snow, desert, mountain, grassland."""

from __future__ import annotations

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
    ramp,
    tinted,
)
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    GREY,
    NOON,
    cumulus,
    grass,
    hills,
    sky,
    spruce,
    water,
    wisps,
)
from songlens_training.generated.shapes import Points, curve, ellipse, ground, profile


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
    canvas.finish(0.1)


def desert(canvas: Canvas) -> None:
    """Paint sand dunes with sharp crests, each with a lit and a shadowed flank."""
    hour = canvas.pick([NOON, DAY, DAWN, DUSK])
    sky(canvas, hour, 0.5)
    sand, shadow = canvas.pick([("#e8b878", "#a5673a"), ("#e6c48d", "#b07d4c"), ("#dd9a5b", "#8f4a2b")])
    start = canvas.between(0.36, 0.52)
    for index in range(4):
        _dune(canvas, start + 0.13 * index, index / 3, sand, mix(shadow, hour.haze, 0.12))
        canvas.fill(canvas.below(start), hour.haze, 0.12 * (1 - index / 3))
    if canvas.chance(0.4):
        with canvas.ink() as ink:
            _cactus(ink, canvas.between(0.35, 1.0), canvas.between(0.8, 0.92), canvas.between(0.22, 0.34))
    canvas.grade(mix(hour.tint, "#fff4e0", 0.5))
    canvas.finish(0.2)


def _dune(canvas: Canvas, level: float, near: float, sand: Colour, shadow: Colour) -> None:
    """Heap one dune: wind ripples on its lit flank, a curved edge, the lee beyond in shadow."""
    skyline = profile(canvas.rng, level, 0.09 + 0.09 * near, 0.25, waves=1.6)
    body = canvas.mask(ground(skyline))
    ripples = np.sin((Y + 0.25 * canvas.noise(3, 2)) * (260 - 135 * near)) * 0.03
    grains = 0.7 + ripples + canvas.noise(90, 1) * 0.1 - (Y - level) * 0.5
    canvas.fill(body, ramp(grains, shadow, sand, mix(sand, "#fff3d6", 0.4)))
    middle = canvas.dice.randrange(40, 120)
    crest = middle - 30 + int(skyline[middle - 30 : middle + 30, 1].argmin())
    x, y = skyline[crest]
    edge = curve([(x, y), (x + 0.1, y + 0.12), (x - 0.02, y + 0.26), (x + 0.16, y + 0.5)], closed=False)
    lee = np.vstack([edge, [(ASPECT + 0.1, 1.1)], skyline[:crest:-1]])
    canvas.fill(canvas.mask(lee) * body, shadow, 0.75)


def _cactus(ink: Ink, x: float, base: float, height: float) -> None:
    """Draw a saguaro."""
    green, wide = "#4c6b3a", height * 0.13
    for side, fork, up in ((-1, 0.45, 0.34), (1, 0.6, 0.28)):
        y, elbow = base - height * fork, x + side * wide * 2
        arm = curve([(x, y), (elbow, y), (elbow + side * wide * 0.2, y - height * up)], closed=False)
        ink.line(arm, wide * 0.7, mix(green, "#000000", 0.15))
        ink.disc(arm[-1, 0], arm[-1, 1], wide * 0.36, mix(green, "#000000", 0.15))
    ink.box((x - wide / 2, base - height), (x + wide / 2, base), green)
    ink.disc(x, base - height, wide / 2, green)
    for shift in (-0.25, 0.0, 0.25):
        ink.line([(x + wide * shift, base), (x + wide * shift, base - height)], 0.004, mix(green, "#c9d79a", 0.4))


def mountain(canvas: Canvas) -> None:
    """Paint snow-capped peaks over dark forest, now and then above a lake."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.6)
    wisps(canvas, hour, 0.6, 0.4)
    rock, peak = canvas.pick(["#5d6674", "#6b6560", "#55617a"]), canvas.between(0.45, 0.9)
    for level, tall, x, far in ((0.42, 0.1, ASPECT - peak, 0.6), (0.5, canvas.between(0.13, 0.18), peak, 0.15)):
        skyline = profile(canvas.rng, level, tall * 0.5, 0.55, waves=4)
        skyline[:, 1] -= tall * 2 * np.clip(1 - np.abs(skyline[:, 0] - x) / 0.45, 0, 1)
        _massif(canvas, skyline, tall, rock)
        canvas.fill(canvas.mask(ground(skyline)), hour.haze, far)
    hills(canvas, hour, 0.72, 0.04, "#3e5a48", far=0.3)
    lake = canvas.chance(0.4)
    with canvas.ink() as ink:
        for depth in np.linspace(0, 1, 34):
            foot = 0.76 + 0.06 * depth if lake else 0.78 + 0.3 * depth
            needles = mix("#22402f", hour.haze, 0.3 * (1 - depth))
            spruce(canvas, ink, canvas.between(-0.02, ASPECT + 0.02), foot, 0.09 + 0.12 * depth, colour=needles)
    if lake:
        water(canvas, 0.82, mix("#2c5a6e", "#0d2233", 0.4), mix(hour.sky[1], "#ffffff", 0.2), 0.8)
    canvas.grade(mix(hour.tint, "#ffffff", 0.35))
    canvas.finish(0.2)


def _massif(canvas: Canvas, skyline: Points, tall: float, rock: Colour) -> None:
    """Carve one range: flanks lit by their slope, crags, snow down from the ridge."""
    body = canvas.mask(ground(skyline))
    ridge = np.interp(X[0], skyline[:, 0], skyline[:, 1]).astype(np.float32)  # (W,)
    crags = canvas.noise(22, 4) - 0.5
    lit = 0.5 - 0.38 * np.sign(np.gradient(ridge) * 120 + crags * 3.5) + crags * 1.2
    canvas.fill(body, ramp(lit, mix(rock, "#0d1322", 0.55), rock, mix(rock, "#ffffff", 0.25)))
    snowy = np.clip((1.25 * tall - (Y - ridge) + crags * 0.34) * 9, 0, 1)
    canvas.fill(body * snowy, ramp(lit, "#8fa5c6", "#e9f0f8", "#ffffff"))


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
