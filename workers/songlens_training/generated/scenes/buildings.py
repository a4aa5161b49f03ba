"""Scenes of great buildings: castle, church."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, mix, ramp
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
    tree,
    wisps,
)
from songlens_training.generated.shapes import arc, ground, profile


def castle(canvas: Canvas) -> None:
    """Paint a castle on its hill: battlements, round towers with pointed roofs and banners, a gate."""
    hour = canvas.pick([DAY, NOON, DUSK, DAWN, GREY])
    sky(canvas, hour, 0.8)
    wisps(canvas, hour, 0.6, 0.6)
    hills(canvas, hour, 0.74, 0.05, "#5a7a5a", far=0.55)
    green = canvas.pick(["#5f8a3c", "#6f8f4a", "#4f7a44"])
    x, base = canvas.between(0.58, 0.76), canvas.between(0.78, 0.83)
    mound = [(s, base + 0.22 * abs((s - x) / 0.75) ** 2.2) for s in np.linspace(-0.1, ASPECT + 0.1, 40)]
    stone, roof = (
        canvas.pick(["#b8b0a4", "#d8ccb4", "#9a9894", "#c8b498"]),
        canvas.pick(["#3f5f9a", "#a83a30", "#4a4a5a", "#2f7a6a"]),
    )
    _keep(canvas, x, base, stone, roof)
    canvas.fill(
        canvas.mask(ground(mound), 0.003),
        ramp(canvas.noise(40, 3), mix(green, "#12300c", 0.35), green, mix(green, "#f0f8a0", 0.25)),
    )
    with canvas.ink() as ink:
        path = _road(x, base)
        ink.area(path, mix("#c8b48a", green, 0.15))
        for side in (-1, 1):
            for _ in range(5):
                tx = x + side * canvas.between(0.36, 0.7)
                foot = base + 0.06 + 0.22 * abs((tx - x) / 0.75) ** 2.2
                tree(canvas, ink, tx, foot, canvas.between(0.1, 0.18), colour=mix(green, "#12300c", 0.25))
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    canvas.finish(0.2)


def _road(x: float, base: float) -> list[tuple[float, float]]:
    """Return the road from the gate to the lower edge."""
    return [
        (x - 0.045, base),
        (x + 0.045, base),
        (x + 0.12, base + 0.12),
        (x + 0.28, 1.05),
        (x - 0.1, 1.05),
        (x - 0.02, base + 0.12),
    ]


def _keep(canvas: Canvas, x: float, base: float, stone: str, roof: str) -> None:
    """Raise towers and walls, far and tall ones first."""
    size = canvas.between(0.9, 1.08)
    back = [(s, canvas.between(0.4, 0.5), 0.05) for s in (-0.14, 0.15)] + [
        (canvas.between(-0.03, 0.03), canvas.between(0.5, 0.55), 0.066)
    ]
    front = [(-0.34, canvas.between(0.3, 0.4), 0.062), (0.34, canvas.between(0.3, 0.4), 0.062)]
    gate = [(-0.1, 0.29, 0.05), (0.1, 0.29, 0.05)]
    flag = canvas.pick(["#d8262e", "#f2c230", "#2f6fd0"])
    with canvas.ink() as ink:
        for away, tall, wide in back:
            _tower(ink, (x + away * size, base), tall * size, wide * size, mix(stone, "#5a6478", 0.2), roof)
            _banner(canvas, ink, x + away * size, base - (tall + 3.1 * wide) * size, flag)
        _wall(ink, (x - 0.34 * size, x + 0.34 * size), base, 0.19 * size, stone)
        for away, tall, wide in (*front, *gate):
            _tower(ink, (x + away * size, base), tall * size, wide * size, stone, roof)
        for away, tall, wide in front:
            _banner(canvas, ink, x + away * size, base - (tall + 3.1 * wide) * size, flag)
        _gate(ink, x, base, size)


def _tower(ink: Ink, foot: tuple[float, float], tall: float, wide: float, stone: Colour, roof: Colour) -> None:
    """Draw one round tower: strips from light to shade, battlements, a cone with a light side, slits."""
    x, base = foot
    top = base - tall
    strips = (
        (-1.0, 0.08, "#ffffff"),
        (-0.55, 0.22, "#ffffff"),
        (-0.1, 0.0, "#000000"),
        (0.35, 0.22, "#000000"),
        (0.7, 0.4, "#000000"),
    )
    ends = [*(left for left, _, _ in strips[1:]), 1.0]
    for swell, upper, lower in ((1.0, top, base), (1.2, top - wide * 0.5, top + wide * 0.1)):
        for (left, share, shade), end in zip(strips, ends, strict=True):
            ink.box((x + left * wide * swell, upper), (x + end * wide * swell, lower), mix(stone, shade, share))
    for tooth in np.linspace(-1.05, 1.05, 5):
        ink.box(
            (x + (tooth - 0.13) * wide, top - wide * 0.75),
            (x + (tooth + 0.13) * wide, top - wide * 0.5),
            mix(stone, "#000000", 0.12),
        )
    peak = (x, top - wide * 3.1)
    ink.area(
        [(x - wide * 1.05, top - wide * 0.6), peak, (x + wide * 1.05, top - wide * 0.6)], mix(roof, "#000000", 0.25)
    )
    ink.area(
        [(x - wide * 1.05, top - wide * 0.6), peak, (x + wide * 0.1, top - wide * 0.5)], mix(roof, "#ffffff", 0.12)
    )
    for share in (0.2, 0.55):
        ink.box((x - wide * 0.12, top + tall * share), (x + wide * 0.12, top + tall * share + wide * 0.6), "#2a2624")


def _banner(canvas: Canvas, ink: Ink, x: float, y: float, hue: Colour) -> None:
    ink.line([(x, y), (x, y - 0.055)], 0.004, "#4a3a2c")
    ink.area([(x, y - 0.055), (x + 0.06, y - 0.045 + canvas.between(-0.01, 0.01)), (x, y - 0.025)], hue)


def _wall(ink: Ink, span: tuple[float, float], base: float, tall: float, stone: Colour) -> None:
    """Draw the curtain wall with its battlements and a few courses of stone."""
    top = base - tall
    ink.box((span[0], top), (span[1], base), stone)
    for x in np.arange(span[0], span[1], 0.036):
        ink.box((x, top - 0.022), (x + 0.02, top), stone)
    for row in range(6):
        for x in np.arange(span[0] + 0.02 * (row % 2), span[1] - 0.03, 0.055):
            ink.line(
                [(x, top + 0.025 + row * 0.026), (x + 0.03, top + 0.025 + row * 0.026)],
                0.003,
                mix(stone, "#000000", 0.25),
            )


def _gate(ink: Ink, x: float, base: float, size: float) -> None:
    """Open the gate: a round arch, a door of planks, a portcullis."""
    wide, tall = 0.046 * size, 0.15 * size
    head = arc(x, base - tall + wide, wide, wide, span=(math.pi, 2 * math.pi), n=14)
    ink.area(np.vstack([head, [(x + wide, base), (x - wide, base)]]), "#2c1c12")
    for share in (-0.5, 0.0, 0.5):
        ink.line([(x + share * wide, base - tall), (x + share * wide, base)], 0.004, "#6a4a2c")
    for share in (0.3, 0.6):
        ink.line([(x - wide, base - tall * share), (x + wide, base - tall * share)], 0.004, "#6a4a2c")


def church(canvas: Canvas) -> None:
    """Paint a church: a steeple with a cross, arched windows, a steep roof, trees about it."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK, GREY])
    sky(canvas, hour, 0.75)
    if canvas.chance(0.6):
        cumulus(canvas, hour, [(canvas.between(0, ASPECT), canvas.between(0.25, 0.5), canvas.between(0.15, 0.3))])
    green = canvas.pick(["#6f9f42", "#8aa848", "#5a8f48"])
    hills(canvas, hour, 0.68, 0.05, green, far=0.5)
    base = canvas.between(0.82, 0.87)
    wall, roof = canvas.pick(
        [
            ("#f4f0e8", "#5a6470"),
            ("#f0e4cc", "#a84a30"),
            ("#b8a890", "#54504c"),
            ("#b05a40", "#4a4a50"),
            ("#f4f0e8", "#a03a2c"),
        ]
    )
    side, x = canvas.pick([-1, 1]), canvas.between(0.58, 0.76)
    with canvas.ink() as ink:
        for tx in (x - 0.62, x + 0.62, x + side * 0.5):
            tree(canvas, ink, tx, base, canvas.between(0.28, 0.42), colour=mix(green, "#12300c", 0.3))
    lawn = canvas.mask(ground(profile(canvas.rng, base - 0.01, 0.008)))
    canvas.fill(lawn, ramp(canvas.noise(50, 2), mix(green, "#12300c", 0.3), green, mix(green, "#f0f8a0", 0.3)))
    with canvas.ink() as ink:
        size = canvas.between(0.84, 0.98)
        _nave(ink, x, base, size * side, wall, roof)
        _steeple(ink, x - side * 0.2 * size, base, size, wall, roof)
        tower = x - side * 0.2 * size
        ink.area([(tower - 0.04, base), (tower + 0.04, base), (tower + 0.16, 1.05), (tower - 0.16, 1.05)], "#d8c8a0")
        grass(canvas, ink, 1.0, 0.07, mix(green, "#1e4412", 0.25), count=100)
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    canvas.finish(0.2)


def _arched(ink: Ink, x: float, foot: float, wide: float, tall: float, tone: Colour) -> None:
    """Draw one round-headed window or door."""
    head = arc(x, foot - tall + wide, wide, wide, span=(math.pi, 2 * math.pi), n=10)
    ink.area(np.vstack([head, [(x + wide, foot), (x - wide, foot)]]), tone)


def _nave(ink: Ink, x: float, base: float, size: float, wall: str, roof: str) -> None:
    """Draw the long side of the church; a negative `size` runs it to the left of the steeple."""
    s = abs(size)
    left, right, eaves = x - 0.2 * size, x + 0.42 * size, base - 0.24 * s
    ink.area([(left, eaves), (right, eaves), (right, base), (left, base)], mix(wall, "#404860", 0.14))
    ink.area(
        [
            (left, eaves - 0.2 * s),
            (right - 0.05 * size, eaves - 0.2 * s),
            (right + 0.02 * size, eaves + 0.01),
            (left, eaves + 0.01),
        ],
        roof,
    )
    for row in range(1, 6):
        y = eaves - 0.2 * s + row * 0.035 * s
        ink.line([(left, y), (right - 0.05 * size + row * 0.012 * size, y)], 0.003, mix(roof, "#000000", 0.25))
    for index in range(4):
        cx = x + (0.0 + 0.105 * index) * size
        _arched(ink, cx, base - 0.06 * s, 0.03 * s, 0.15 * s, mix(wall, "#ffffff", 0.5))
        _arched(ink, cx, base - 0.065 * s, 0.022 * s, 0.135 * s, ("#3a5a8a", "#7a3a5a", "#3a6a6a", "#8a6a2a")[index])


def _steeple(ink: Ink, x: float, base: float, size: float, wall: str, roof: str) -> None:
    """Draw the tower: door, rose window, belfry, spire and cross."""
    wide, top = 0.115 * size, base - 0.46 * size
    ink.box((x - wide, top), (x + wide, base), wall)
    ink.box((x + wide * 0.45, top), (x + wide, base), mix(wall, "#303848", 0.18))
    for y in (top, base - 0.26 * size):
        ink.box((x - wide * 1.08, y - 0.012), (x + wide * 1.08, y + 0.006), mix(wall, "#6a5a4a", 0.35))
    peak = (x, top - 0.28 * size)
    ink.area([(x - wide * 1.15, top - 0.01), peak, (x + wide * 1.15, top - 0.01)], roof)
    ink.area([(x + wide * 0.3, top - 0.01), peak, (x + wide * 1.15, top - 0.01)], mix(roof, "#000000", 0.3))
    gold, arm = "#d8b050", peak[1] - 0.055 * size
    ink.line([(x, peak[1] + 0.01), (x, peak[1] - 0.09 * size)], 0.011, gold)
    ink.line([(x - 0.034 * size, arm), (x + 0.034 * size, arm)], 0.011, gold)
    for away in (-0.045, 0.045):
        _arched(ink, x + away * size, top + 0.14 * size, 0.026 * size, 0.1 * size, "#2a2c34")
    ink.disc(x, base - 0.255 * size + 0.05 * size, 0.042 * size, mix(wall, "#ffffff", 0.5))
    ink.disc(x, base - 0.205 * size, 0.034 * size, "#3f5f9a")
    for turn in np.linspace(0, math.pi, 5):
        dx, dy = 0.034 * size * math.cos(turn), 0.034 * size * math.sin(turn)
        ink.line(
            [(x - dx, base - 0.205 * size - dy), (x + dx, base - 0.205 * size + dy)], 0.004, mix(wall, "#ffffff", 0.5)
        )
    _arched(ink, x, base, 0.05 * size, 0.14 * size, mix(wall, "#6a5a4a", 0.4))
    _arched(ink, x, base, 0.04 * size, 0.128 * size, "#5a3420")
