"""Scenes of the sky: clouds, moon, stars, sunset, rainbow, lightning, fireworks."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    ONES,
    Colour,
    Floats,
    X,
    Y,
    distance,
    down,
    mix,
    ramp,
    tinted,
)
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    GREY,
    NIGHT,
    NOON,
    cumulus,
    glitter,
    hills,
    sky,
    spruce,
    stars,
    tree,
    water,
    wisps,
)
from songlens_training.generated.shapes import Points, ground, profile


def clouds(canvas: Canvas) -> None:
    """Paint heaps of white cloud that fill a blue sky."""
    hour = canvas.pick([DAY, NOON, NOON, DAWN])
    sky(canvas, hour, 1.0)
    wisps(canvas, hour, 0.5, 0.5)
    levels = (0.3, 0.45, 0.6, 0.75, 0.9, 1.05)
    places = [(canvas.between(0.1, ASPECT - 0.1), y, 0.16 + 0.42 * y * canvas.between(0.7, 1.1)) for y in levels]
    cumulus(canvas, hour, places)
    canvas.finish(0.1)


def moon(canvas: Canvas) -> None:
    """Paint a large full or gibbous moon over dark hills or water."""
    top, low = canvas.pick([("#04071a", "#22305c"), ("#0a0a20", "#3b2f5e"), ("#03101f", "#1d4460")])
    canvas.wash(down(0, 0.9, top, low))
    stars(canvas, 40)
    x, y, radius = canvas.between(0.45, 0.9), canvas.between(0.34, 0.48), canvas.between(0.18, 0.28)
    canvas.glow(x, y, radius * 2.0, "#8f9fd0", 0.5)
    _lunar_disc(canvas, x, y, radius, mix(top, low, 0.5))
    veil = np.clip((canvas.noise(4, 4, 5) - 0.55) * 4, 0, 1)
    canvas.fill(veil, mix(low, "#8d9cc4", 0.4), 0.6)
    if canvas.chance(0.5):
        water(canvas, 0.84, "#0a1230", low, 0.6)
        glitter(canvas, x, 0.84, 0.12, "#e8e6cf")
    else:
        hills(canvas, NIGHT, 0.9, 0.05, "#0b1024", far=0.15)
    canvas.finish(0.3)


def _lunar_disc(canvas: Canvas, x: float, y: float, radius: float, night: Colour) -> None:
    """Paint the moon: pale highlands, dark seas, a few rayed craters, a little of it in shadow."""
    disc = canvas.disc(x, y, radius, soft=0.002)
    tint = canvas.pick(["#f6efd8", "#fdf8ea", "#f3dca8"])
    seas = np.clip((canvas.noise(2.2 / radius * 0.6, 4) - 0.5) * 5, 0, 1)
    canvas.fill(disc, ramp(seas, tint, mix(tint, "#7d7a80", 0.5)))
    with canvas.ink() as ink:
        for _ in range(14):
            reach, angle = radius * 0.85 * math.sqrt(canvas.between(0, 1)), canvas.between(0, 6.28)
            cx, cy, size = x + reach * math.cos(angle), y + reach * math.sin(angle), radius * canvas.between(0.02, 0.08)
            ink.disc(cx, cy, size, mix(tint, "#6d6a70", 0.5), alpha=0.5)
            ink.disc(cx - size * 0.2, cy - size * 0.2, size * 0.75, tint, alpha=0.55)
    ball = np.clip(1.12 - (distance(x, y) / np.float32(radius)) ** 4 * 0.35, 0, 1)
    canvas.shade(ball, disc)
    if canvas.chance(0.4):
        side = canvas.pick([-1, 1]) * radius * canvas.between(0.25, 0.9)
        away = np.clip((distance(x + side, y) - np.float32(radius)) / np.float32(0.03), 0, 1)
        canvas.fill(disc * (1 - away if abs(side) > radius * 0.6 else away), night, 0.9)


def starry(canvas: Canvas) -> None:
    """Paint a sky full of stars with the Milky Way, over a dark wood."""
    deep, low = canvas.pick([("#050716", "#1b2a57"), ("#070418", "#33225a"), ("#020a14", "#0f3a4d")])
    canvas.wash(down(0, 1, deep, low))
    slope, centre = canvas.between(0.5, 1.3) * canvas.pick([-1, 1]), canvas.between(0.5, 0.85)
    band = (X - centre - (Y - 0.45) * slope) / math.sqrt(1 + slope * slope)
    haze = np.exp(-((band / 0.2) ** 2)) * (0.35 + 1.1 * canvas.noise(7, 4))
    canvas.light(haze * 0.75, canvas.pick(["#a9b6ff", "#d3b3ff", "#9fd6ff"]))
    rift = np.exp(-(((band + (canvas.noise(4, 3) - 0.5) * 0.2) / 0.035) ** 2))
    canvas.shade(1 - 0.6 * rift)
    canvas.light(np.exp(-((band / 0.08) ** 2)) * canvas.noise(10, 4) * 0.5, "#ffe3d0")
    stars(canvas, 650)
    with canvas.ink() as ink:
        for _ in range(12):
            _bright_star(canvas, ink)
    canvas.fill(canvas.mask(ground(profile(canvas.rng, 0.9, 0.03))), "#05070f")
    with canvas.ink() as ink:
        for _ in range(18):
            spruce(canvas, ink, canvas.between(0, ASPECT), 0.96, canvas.between(0.08, 0.2), colour="#05070f")
    canvas.finish(0.25)


def _bright_star(canvas: Canvas, ink: Ink) -> None:
    """Draw one bright star with four rays."""
    x, y, ray = canvas.between(0, ASPECT), canvas.between(0, 0.8), canvas.between(0.008, 0.02)
    for dx, dy in ((ray, 0.0), (0.0, ray)):
        ink.line([(x - dx, y - dy), (x + dx, y + dy)], 0.002, "#ffffff", alpha=0.7)
    ink.disc(x, y, 0.005, "#ffffff")


def sunset(canvas: Canvas) -> None:
    """Paint a low red sun, its clouds aflame, its path laid on the plain or the water."""
    zenith, middle, low = canvas.pick(
        [("#3a2d6b", "#d4546a", "#ffb347"), ("#57296b", "#ef6540", "#ffd166"), ("#7a2f3b", "#f0802f", "#ffe08a")]
    )
    horizon, x = canvas.between(0.62, 0.72), canvas.between(0.45, 0.9)
    canvas.wash(down(0, horizon, zenith, middle, low))
    streaks = np.clip((canvas.noise(7, 4, 7) - 0.5) * 5, 0, 1)
    canvas.fill(streaks, down(0, horizon, mix(zenith, "#000000", 0.2), "#ff7a55", "#ffdf9a"), 0.75)
    y, radius = horizon - canvas.between(0.02, 0.14), canvas.between(0.1, 0.15)
    canvas.glow(x, y, 0.42, "#ff9a3c", 0.7)
    canvas.fill(canvas.disc(x, y, radius, soft=0.003), down(y - radius, y + radius, "#fff6cf", "#ffd54f", "#ff8a3a"))
    canvas.glow(x, y, radius * 1.3, "#fff0b0", 0.55)
    if canvas.chance(0.5):
        water(canvas, horizon, mix(zenith, "#120618", 0.5), mix(middle, low, 0.4), 0.8)
        glitter(canvas, x, horizon, 0.13, "#ffd98a")
    else:
        canvas.fill(canvas.mask(ground(profile(canvas.rng, horizon + 0.03, 0.02))), mix(zenith, "#1a0a14", 0.6))
        canvas.fill(canvas.mask(ground(profile(canvas.rng, horizon + 0.14, 0.04))), "#1c0d18")
        with canvas.ink() as ink:
            for _ in range(5):
                tree(
                    canvas, ink, canvas.between(0, ASPECT), horizon + 0.16, canvas.between(0.12, 0.24), colour="#170a14"
                )
    canvas.finish(0.3)


def rainbow(canvas: Canvas) -> None:
    """Paint a rainbow over green hills after rain."""
    hour = canvas.pick([GREY, DAY, GREY])
    sky(canvas, hour, 0.75)
    canvas.shade(0.85 + 0.3 * canvas.noise(4, 4, 2))
    x, y, radius = canvas.between(0.5, 0.85), canvas.between(0.72, 0.88), canvas.between(0.48, 0.62)
    wide = canvas.between(0.1, 0.15)
    across_bow = (distance(x, y) - np.float32(radius)) / np.float32(wide)
    canvas.light(np.clip(-across_bow, 0, 1) * 0.12, "#ffffff")
    bow = np.clip(np.minimum(across_bow, 1 - across_bow) * 6, 0, 1)
    colours = ("#8a3fd1", "#3f55e0", "#27a6e8", "#35c24a", "#ffe83b", "#ff9a2a", "#f2303c")
    canvas.fill(bow, ramp(across_bow, *colours), canvas.between(0.75, 0.92))
    green = canvas.pick(["#4f8f3a", "#6a9a3c", "#3f7f4a"])
    for index, level in enumerate((0.74, 0.82, 0.92)):
        hills(canvas, hour, level, 0.05, green, far=0.45 - 0.2 * index)
    with canvas.ink() as ink:
        for _ in range(7):
            tree(
                canvas,
                ink,
                canvas.between(0, ASPECT),
                canvas.between(0.84, 0.97),
                canvas.between(0.08, 0.15),
                colour=green,
            )
    canvas.finish(0.15)


def lightning(canvas: Canvas) -> None:
    """Paint forked lightning under a heavy cloud."""
    dark, lit = canvas.pick([("#0d1022", "#5a5f8f"), ("#150d26", "#7a5a9a"), ("#0b1620", "#4f7a94")])
    canvas.wash(down(0, 0.9, dark, mix(dark, lit, 0.6)))
    canvas.fill(np.clip((canvas.noise(4, 5, 2) - 0.35) * 2, 0, 1) * np.clip(0.7 - Y, 0, 1), lit, 0.9)
    canvas.shade(0.7 + 0.6 * canvas.noise(5, 4, 2))
    for _ in range(canvas.pick([1, 2, 2])):
        x = canvas.between(0.4, 0.95)
        canvas.glow(x, 0.15, 0.35, mix(lit, "#ffffff", 0.4), 0.7)
        bolt = _bolt(canvas, x, canvas.between(0.02, 0.12), 0.86)
        _strike(canvas, bolt, 0.011)
        for start in (8, 14, 19):
            _strike(
                canvas,
                _fork(canvas, *bolt[start]),
                0.005,
            )
    hills(canvas, NIGHT, 0.9, 0.03, "#05060d", far=0.05)
    canvas.finish(0.3)


def _bolt(canvas: Canvas, x: float, y: float, end: float, lean: float = 0.0) -> Points:
    """Return a jagged path (25, 2) from a point down to the height `end`."""
    fall = np.linspace(y, end, 25)
    steps = [canvas.between(-0.035, 0.035) + lean * 0.014 for _ in range(24)]
    return np.stack([x + np.concatenate([[0], np.cumsum(steps)]), fall], axis=1)


def _fork(canvas: Canvas, x: float, y: float) -> Points:
    """Return a side branch from a point of the bolt."""
    return _bolt(canvas, x, y, y + canvas.between(0.2, 0.35), canvas.pick([-1, 1]))


def _strike(canvas: Canvas, path: Points, width: float) -> None:
    canvas.light(canvas.stroke(path, width * 3, 0.03) * 1.6, "#9aa8ff")
    canvas.light(canvas.stroke(path, width, 0.002), "#ffffff")


def fireworks(canvas: Canvas) -> None:
    """Paint bursts of fireworks over a dark skyline and the water below it."""
    canvas.wash(down(0, 0.9, "#03040f", canvas.pick(["#141a3d", "#24123a", "#0d2336"])))
    hues = ["#ff5a5f", "#ffd166", "#6ee7ff", "#b388ff", "#7dff9a", "#ff8ad4", "#fff3c4"]
    for _ in range(canvas.dice.randrange(3, 6)):
        _burst(
            canvas, canvas.between(0.25, 1.08), canvas.between(0.18, 0.5), canvas.between(0.2, 0.34), canvas.pick(hues)
        )
    shore = 0.86
    with canvas.ink() as ink:
        x = -0.02
        while x < ASPECT:
            wide = canvas.between(0.03, 0.08)
            ink.box((x, shore - canvas.between(0.03, 0.1)), (x + wide, shore + 0.01), "#04050c")
            ink.disc(x + wide / 2, shore - 0.01, 0.003, "#ffd98a")
            x += wide
    _mirror(canvas, shore)
    canvas.finish(0.2)


def _burst(canvas: Canvas, x: float, y: float, radius: float, hue: Colour) -> None:
    """Let one shell burst: sparks on falling arcs, brightest at their tips."""
    canvas.glow(x, y, radius * 0.9, hue, 0.4)
    with canvas.ink() as ink:
        for index in range(54):
            angle = index / 54 * 2 * math.pi + canvas.between(-0.05, 0.05)
            reach = radius * canvas.between(0.55, 1.0)
            path = [
                (x + reach * t * math.cos(angle), y + reach * t * math.sin(angle) + 0.25 * radius * t * t)
                for t in (0.12, 0.35, 0.6, 0.8, 1.0)
            ]
            spark = tinted(hue, canvas.dice, 0.08)
            ink.line(path[:3], 0.003, spark, alpha=0.6)
            ink.line(path[2:], 0.005, spark, alpha=0.95)
            ink.disc(*path[-1], 0.006, mix(spark, "#ffffff", 0.6))
    canvas.glow(x, y, radius * 0.16, "#ffffff", 0.8)


def _mirror(canvas: Canvas, shore: float) -> None:
    """Reflect what stands above `shore` in dark rippled water."""
    first = int(shore * canvas.pixels.shape[1])
    rows = np.arange(canvas.pixels.shape[1] - first)
    source = np.clip(first - 1 - rows * 5, 0, first - 1)
    ripple: Floats = 0.25 + 0.45 * canvas.noise(70, 2, 8)[first:]
    canvas.pixels[:, first:] = canvas.pixels[:, source] * ripple * ONES[first:]
