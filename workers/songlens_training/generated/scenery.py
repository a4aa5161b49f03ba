"""What many scenes share: the hour of the day, skies, clouds, hills, water, trees and grass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    HEIGHT,
    ONES,
    Colour,
    Floats,
    X,
    Y,
    across,
    down,
    mix,
    ramp,
    rgb,
    tinted,
)
from songlens_training.generated.shapes import Points, ellipse, ground, petal, profile


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The light of one hour: the sky from zenith to horizon, the tint on the land, and the colour of far haze."""

    sky: tuple[str, ...]
    tint: str
    haze: str
    cloud: str = "#ffffff"
    cloud_shadow: str = "#a9b8c9"


DAY = Hour(sky=("#2f7fd0", "#6cb0e8", "#cfe6f5"), tint="#ffffff", haze="#bcd6ea")
NOON = Hour(sky=("#1c66c4", "#4fa0e6", "#a8d5f3"), tint="#fffdf4", haze="#a9cde8")
DAWN = Hour(
    sky=("#5a7fb8", "#b9b4d0", "#f7cfae"), tint="#fff0dc", haze="#e6cbbd", cloud="#fff0e2", cloud_shadow="#b79db0"
)
DUSK = Hour(
    sky=("#3d3f77", "#b0597c", "#f79a56"), tint="#e8b8a2", haze="#d98f78", cloud="#ffc49a", cloud_shadow="#7d4b73"
)
GREY = Hour(
    sky=("#77848f", "#9eabb5", "#ced6da"), tint="#d8dee2", haze="#bfc9cf", cloud="#e3e8eb", cloud_shadow="#808c97"
)
NIGHT = Hour(
    sky=("#060a1e", "#101a3c", "#26365f"), tint="#3c4a78", haze="#26325a", cloud="#47557f", cloud_shadow="#141c3a"
)


def sky(canvas: Canvas, hour: Hour, horizon: float = 0.7) -> None:
    """Paint the sky down to the horizon."""
    canvas.wash(down(0.0, horizon, *hour.sky))


def stars(canvas: Canvas, count: int, below: float = 1.0) -> None:
    """Sprinkle stars of unlike brightness over the sky above `below`."""
    with canvas.ink() as ink:
        for _ in range(count):
            size = 0.0012 + 0.0035 * canvas.dice.random() ** 4
            x, y = canvas.between(0, ASPECT), canvas.between(0, below)
            ink.disc(x, y, size, canvas.pick(["#ffffff", "#dfe8ff", "#fff3d6"]), alpha=canvas.between(0.4, 1))


def wisps(canvas: Canvas, hour: Hour, amount: float = 0.5, below: float = 0.7) -> None:
    """Draw thin stretched clouds over the sky above `below`."""
    veil = np.clip((canvas.noise(5, 4, stretch=4) - 0.5) * 4, 0, 1) * np.clip((below - Y) / 0.25, 0, 1)
    canvas.fill(veil.astype(np.float32), hour.cloud, amount)


def cumulus(canvas: Canvas, hour: Hour, places: Sequence[tuple[float, float, float]]) -> None:
    """Heap clouds (x, y, size), each on a flat base at height `y`: lit on top, in shadow below."""
    ragged, relief = canvas.noise(14, 4) - 0.5, canvas.noise(10, 3) - 0.5
    for x, y, size in places:
        body = _heap(canvas, x, y, size) + ragged * 0.7
        shape = np.clip(body * 4, 0, 1) * np.clip((y + 0.02 * size - Y) / (0.16 * size) + 0.4, 0, 1)
        lit = (y - Y) / np.float32(size * 0.6) + relief * 1.3
        canvas.fill(shape, ramp(lit, hour.cloud_shadow, hour.cloud, hour.cloud))


def _heap(canvas: Canvas, x: float, y: float, size: float) -> Floats:
    """Return how deep (H, W) each pixel lies in a heap of round puffs; -1 is well outside."""
    body = -ONES
    rows = slice(max(0, int((y - size) * HEIGHT)), max(0, int((y + size * 0.5) * HEIGHT)))
    columns = slice(max(0, int((x - size * 1.4) * HEIGHT)), max(0, int((x + size * 1.4) * HEIGHT)))
    for _ in range(9):
        away = canvas.between(-1, 1)
        radius = size * canvas.between(0.22, 0.42) * (1.15 - abs(away) * 0.7)
        lift = size * (0.1 + (0.42 - 0.3 * abs(away)) * canvas.between(0.3, 1))
        sideways = (X[:, columns] - np.float32(x + away * size * 0.85)) / np.float32(1.15)
        puff = 1 - np.hypot(sideways, Y[rows] - np.float32(y - lift)) / np.float32(radius)
        np.maximum(body[rows, columns], puff, out=body[rows, columns])
    return body


def hills(
    canvas: Canvas, hour: Hour, y: float, height: float, colour: Colour, *, far: float, rough: float = 0.4
) -> Points:
    """Paint one range of hills, hazier the further (`far` 0..1) it is; return its skyline."""
    skyline = profile(canvas.rng, y, height, rough)
    shade = mix(colour, hour.haze, far)
    canvas.fill(
        canvas.mask(ground(skyline)),
        down(y - height, y + 0.35, mix(shade, "#ffffff", 0.08), mix(shade, hour.haze, far / 2)),
    )
    return skyline


def water(canvas: Canvas, top: float, near: Colour, away: Colour, chop: float = 1.0) -> None:
    """Paint water from the horizon at `top` to the bottom: waves grow broader towards the eye."""
    depth = np.clip((Y - top) / (1.02 - top), 0, 1)  # (H, 1)
    rows = (np.log(0.04 + depth) / np.log(0.04 / 1.04) * -1.0 + 1.0) * 239
    waves = canvas.noise(46, 2, stretch=9)[np.clip(rows, 0, 239).astype(int)[:, 0]]
    crest = (waves - 0.5) * np.float32(chop)
    body = ramp((depth + crest * 0.7).astype(np.float32), away, near, mix(near, "#000820", 0.25))
    surface = (depth > 0).astype(np.float32) * ONES
    canvas.fill(surface, body)
    canvas.light(surface * np.clip(crest * 3.2 - 0.45, 0, 0.6), away)


def glitter(canvas: Canvas, x: float, top: float, width: float, colour: Colour, *, strength: float = 0.9) -> None:
    """Lay the broken path of a low sun or moon on water."""
    depth = np.clip((Y - top) / (1 - top), 0, 1)
    path = np.exp(-(((X - x) / (width * (0.35 + depth))) ** 2)) * (depth > 0)
    broken = np.clip((canvas.noise(60, 2, stretch=7) - 0.38) * 4, 0, 1)
    canvas.light((path * broken * strength).astype(np.float32), colour)


def spruce(
    canvas: Canvas, ink: Ink, x: float, base: float, height: float, *, colour: Colour, snow: float = 0.0
) -> None:
    """Draw a spruce, tier on tier; `snow` (0..1) lies on its branches."""
    ink.box((x - height * 0.02, base - height * 0.12), (x + height * 0.02, base), "#3a2a20")
    tiers = min(7, 4 + int(height * 10))
    for tier in range(tiers):
        low = base - height * (0.08 + 0.875 / tiers * tier)
        wide, tall = height * 0.25 * (1 - tier / (tiers + 0.6)), height * 1.7 / tiers
        edge = (-1, -0.67, -0.33, 0, 0.33, 0.67, 1)
        sag = [low + height * (0.035 * abs(e) + canvas.between(-0.012, 0.02)) for e in edge]
        fringe = [(x + wide * e, s) for e, s in zip(edge, sag, strict=True)]
        ink.area([(x, low - tall), *reversed(fringe)], tinted(colour, canvas.dice, 0.025))
        if snow:
            tip, left, right = (x, low - tall), fringe[1], fringe[-2]
            lap = [
                (x + wide * e * 0.8, s - height * (0.035 + 0.02 * (i % 2)))
                for i, (e, s) in enumerate(zip(edge, sag, strict=True))
            ]
            ink.area(
                [tip, (right[0], right[1] - height * 0.02), *reversed(lap), (left[0], left[1] - height * 0.02)],
                mix("#dfe9f4", "#ffffff", canvas.between(0, 1)),
                snow,
            )


def _sunlit(colour: Colour) -> Colour:
    r, g, b = rgb(colour)
    return r * 1.35 + 0.01, g * 1.25 + 0.01, b * 1.1


def tree(canvas: Canvas, ink: Ink, x: float, base: float, height: float, *, colour: Colour) -> None:
    """Draw a broad-leaved tree: a trunk and a crown of leaf clumps, lit from the upper left."""
    ink.area(
        [
            (x - height * 0.04, base),
            (x - height * 0.02, base - height * 0.5),
            (x + height * 0.02, base - height * 0.5),
            (x + height * 0.04, base),
        ],
        mix("#4d3826", colour, 0.4),
    )
    for layer, shift in ((mix(colour, "#000000", 0.4), 0.0), (colour, 0.03), (_sunlit(colour), 0.07)):
        for _ in range(8 + int(50 * height)):
            angle, reach = canvas.between(0, 6.283), height * 0.28 * canvas.dice.random() ** 0.5
            cx = x + np.cos(angle) * reach - shift * height
            cy = base - height * 0.66 + np.sin(angle) * reach * 0.9 - shift * height
            ink.disc(
                float(cx),
                float(cy),
                height * canvas.between(0.03, 0.09) * (1 - shift * 5),
                tinted(layer, canvas.dice, 0.03),
            )


def grass(canvas: Canvas, ink: Ink, base: float, height: float, colour: Colour, *, count: int = 220) -> None:
    """Draw blades of grass that stand on the line `base`."""
    for _ in range(count):
        x, y = canvas.between(-0.02, ASPECT + 0.02), base + canvas.between(-0.02, 0.06)
        tall, lean = height * canvas.between(0.4, 1.0), canvas.between(-0.3, 0.3)
        tip = (x + tall * lean, y - tall)
        half = 0.0035 + tall * 0.015
        ink.area([(x - half, y), tip, (x + half, y)], tinted(colour, canvas.dice, 0.06))


def leaf(ink: Ink, x: float, y: float, size: float, turn: float, *, colour: Colour, narrow: float = 0.4) -> None:
    """Draw one simple leaf."""
    ink.area(petal(x, y, size, size * narrow, turn), colour)


def bokeh(canvas: Canvas, colours: Sequence[str], *, count: int = 22, size: float = 0.06, alpha: float = 0.25) -> None:
    """Scatter out-of-focus lights."""
    with canvas.ink() as ink:
        for _ in range(count):
            radius = size * canvas.between(0.4, 1.3)
            x, y = canvas.between(0, ASPECT), canvas.between(0, 1)
            ink.area(ellipse(x, y, radius), canvas.pick(colours), alpha * canvas.between(0.4, 1))


def wall(canvas: Canvas, colour: Colour, *, rough: float = 0.12) -> None:
    """Paint a plastered wall, lit from a window on the left."""
    light, dark = mix(colour, "#ffffff", 0.35), mix(colour, "#000000", 0.3)
    canvas.wash(across(canvas.between(-0.6, 0.2), canvas.between(1.2, 1.9), light, colour, dark))
    canvas.shade(1 - rough / 2 + rough * canvas.noise(18, 3))


def table(canvas: Canvas, top: float, wood: Colour) -> None:
    """Lay a wooden table from `top` to the bottom, planks running across, grain stretched."""
    depth = np.clip((Y - top) / (1 - top), 0, 1)
    grain = canvas.noise(40, 3, stretch=14)
    planks: Floats = np.where(((depth**0.7) * 3.5) % 1 < 0.04, 0.7, 1.0).astype(np.float32)
    surface = (depth > 0).astype(np.float32) * ONES
    canvas.fill(
        surface,
        ramp((grain * 1.4 - 0.2).astype(np.float32), mix(wood, "#1a0d05", 0.45), wood, mix(wood, "#ffe9c8", 0.3)),
    )
    canvas.shade(planks * (0.75 + 0.35 * depth.astype(np.float32)), surface)
