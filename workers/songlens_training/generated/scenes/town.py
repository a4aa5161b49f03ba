"""Scenes of town and road: city, street lamp, train, bicycle, windmill, hot-air balloon."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, ONES, Colour, X, Y, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    NIGHT,
    NOON,
    Hour,
    bokeh,
    cumulus,
    grass,
    hills,
    sky,
    stars,
    tree,
    wisps,
)
from songlens_training.generated.shapes import Points, arc, curve, ellipse, placed


def city(canvas: Canvas) -> None:
    """Paint a skyline of towers, lit windows at night, a river or an avenue before it."""
    hour = canvas.pick([DAY, DUSK, NIGHT, NIGHT, DAWN])
    sky(canvas, hour, 0.85)
    stars(canvas, 50 if hour is NIGHT else 0, 0.5)
    wisps(canvas, hour, 0.4, 0.5)
    lit = {NIGHT: 0.5, DUSK: 0.35}.get(hour, 0.06)
    wall = {NIGHT: "#1a2138", DUSK: "#4a3550"}.get(hour, "#6f8396")
    shore = canvas.between(0.82, 0.9)
    for depth, low, high in ((0.65, 0.3, 0.55), (0.3, 0.25, 0.62), (0.0, 0.15, 0.5)):
        with canvas.ink() as ink:
            x = -0.05
            while x < ASPECT:
                wide = canvas.between(0.08, 0.15)
                tall = canvas.between(low, high) * (1.15 - 0.5 * abs(x - 0.66))
                tone = mix(tinted(wall, canvas.dice, 0.05), hour.haze, depth)
                _tower_block(canvas, ink, (x, shore - tall, x + wide, shore), tone, lit * (1 - depth * 0.6))
                x += wide + canvas.between(-0.015, 0.02)
    _river(canvas, shore, hour)
    canvas.finish(0.25)


def _tower_block(canvas: Canvas, ink: Ink, box: tuple[float, float, float, float], tone: Colour, lit: float) -> None:
    """Draw one tower: a lit and a shaded side, rows of windows, a spire or a roof box."""
    left, top, right, base = box
    edge = right - (right - left) * 0.28
    roof = canvas.pick(["flat", "spire", "box", "slant"])
    if roof == "spire":
        ink.line([((left + edge) / 2, top), ((left + edge) / 2, top - 0.09)], 0.006, tone)
        ink.box((left + 0.02, top - 0.03), (edge - 0.01, top), tone)
    elif roof == "box":
        ink.box((left + 0.015, top - 0.02), (edge, top), mix(tone, "#000000", 0.2))
    elif roof == "slant":
        ink.area([(left, top), (edge, top - 0.05), (edge, top)], tone)
    ink.box((left, top), (edge, base), tone)
    ink.box((edge, top), (right, base), mix(tone, "#000000", 0.3))
    glass, glow = mix(tone, "#000000", 0.3), canvas.pick(["#ffe2a0", "#ffd070", "#fff2cf"])
    step = canvas.pick([0.022, 0.026])
    for y in np.arange(top + 0.016, base - 0.01, step * 1.25):
        for x in np.arange(left + 0.008, edge - 0.012, step):
            window = glow if canvas.chance(lit) else glass
            ink.box((x, y), (x + step * 0.52, y + step * 0.62), window)


def _river(canvas: Canvas, shore: float, hour: Hour) -> None:
    """Mirror the skyline in a river before it."""
    first = int(shore * 240)
    rows = np.arange(240 - first)
    ripple = ((canvas.noise(60, 2, 10)[first:, :1] - 0.5) * 6).astype(int)[:, 0]
    source = np.clip(first - 1 - rows * 3 + ripple, 0, first - 1)
    tone = np.array(mix(hour.sky[0], "#0a1420", 0.4), np.float32)[:, None, None]
    canvas.pixels[:, first:] = canvas.pixels[:, source] * 0.6 + tone * 0.35
    canvas.light(np.clip(canvas.noise(70, 2, 10) - 0.6, 0, 1) * 1.2 * (shore < Y) * ONES, hour.sky[-1])


def street_lamp(canvas: Canvas) -> None:
    """Paint a street lamp at night, its cone of light, bare trees and a wet pavement."""
    night = canvas.pick(["#0a1024", "#140f26", "#0c1a22"])
    canvas.wash(down(0, 0.85, night, mix(night, "#46507a", 0.4)))
    bokeh(canvas, ["#ffb25a", "#ff8f5a", "#9fc0ff"], count=10, size=0.035, alpha=0.3)
    canvas.soften(0.012)
    pave = canvas.mask([(-0.1, 0.85), (1.5, 0.85), (1.5, 1.1), (-0.1, 1.1)])
    canvas.fill(pave, ramp(canvas.noise(40, 3, 4), "#0d1018", "#2a2d38", "#4a4a52"))
    x, top, side = canvas.between(0.5, 0.84), canvas.between(0.2, 0.28), canvas.pick([-1, 1])
    with canvas.ink() as ink:
        for at in (0.06, 1.26, canvas.between(0.2, 0.35)):
            _bare_tree(canvas, ink, (at, 0.86), -math.pi / 2, canvas.between(0.2, 0.26), 5)
    warm = canvas.pick(["#ffd98a", "#ffc46b", "#fff0c0"])
    if canvas.chance(0.5):
        heads = [x]
        _post(canvas, x, top + 0.07)
    else:
        reach = 0.17
        heads = [x + side * reach] if canvas.chance(0.6) else [x - reach, x + reach]
        _arms(canvas, x, top, heads)
    for head in heads:
        cone = canvas.mask(
            [(head - 0.03, top + 0.06), (head + 0.03, top + 0.06), (head + 0.3, 0.93), (head - 0.3, 0.93)], 0.02
        )
        canvas.light(cone * np.clip(1.1 - (Y - top) * 1.1, 0, 1) * 0.5, warm)
        canvas.light(canvas.disc(head, 0.92, 0.3, 0.045, soft=0.02) * 0.7, warm)
        _lamp(canvas, head, top, warm)
    canvas.finish(0.4)


def _post(canvas: Canvas, x: float, top: float) -> None:
    """Raise a straight cast-iron post."""
    with canvas.ink() as ink:
        ink.area([(x - 0.009, top), (x + 0.009, top), (x + 0.016, 0.92), (x - 0.016, 0.92)], "#15171c")
        ink.box((x - 0.04, 0.9), (x + 0.04, 0.93), "#15171c")
        ink.box((x - 0.026, 0.78), (x + 0.026, 0.8), "#22252c")
        ink.line([(x - 0.06, top + 0.08), (x + 0.06, top + 0.08)], 0.009, "#15171c")


def _arms(canvas: Canvas, x: float, top: float, heads: list[float]) -> None:
    """Raise a post with an arched arm for each head."""
    _post(canvas, x, top + 0.06)
    with canvas.ink() as ink:
        for head in heads:
            bow = arc((x + head) / 2, top + 0.02, (head - x) / 2, 0.11, span=(-math.pi, 0))
            ink.line(bow, 0.013, "#15171c")
            ink.line([(x, top + 0.02), (x, top + 0.07)], 0.015, "#15171c")


def _lamp(canvas: Canvas, x: float, y: float, warm: Colour) -> None:
    """Hang one lit lantern head."""
    with canvas.ink() as ink:
        ink.area(
            [(x - 0.045, y), (x + 0.045, y), (x + 0.03, y + 0.085), (x - 0.03, y + 0.085)], mix(warm, "#ffffff", 0.5)
        )
        for edge in (-1, 0, 1):
            ink.line([(x + edge * 0.045, y), (x + edge * 0.03, y + 0.085)], 0.006, "#15171c")
        ink.area([(x - 0.06, y + 0.004), (x, y - 0.05), (x + 0.06, y + 0.004)], "#15171c")
        ink.box((x - 0.034, y + 0.08), (x + 0.034, y + 0.093), "#15171c")
    canvas.glow(x, y + 0.04, 0.16, warm, 0.75)
    canvas.glow(x, y + 0.04, 0.05, "#ffffff", 0.9)


def _bare_tree(canvas: Canvas, ink: Ink, foot: tuple[float, float], turn: float, size: float, forks: int) -> None:
    """Draw a leafless tree, branch by branch."""
    tip = (foot[0] + size * math.cos(turn), foot[1] + size * math.sin(turn))
    ink.line([foot, tip], 0.004 * forks, "#0c0e16")
    if forks > 1:
        for side in (-1, 1):
            _bare_tree(
                canvas, ink, tip, turn + side * canvas.between(0.2, 0.6), size * canvas.between(0.6, 0.8), forks - 1
            )


def train(canvas: Canvas) -> None:
    """Paint a steam train that crosses the country, trailing smoke."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.6)
    wisps(canvas, hour, 0.5, 0.5)
    green = canvas.pick(["#6f9440", "#8a9a48", "#b09a50"])
    for index, level in enumerate((0.5, 0.58, 0.66)):
        hills(canvas, hour, level, 0.06, green, far=0.5 - 0.2 * index)
    rail, way = 0.84, canvas.pick([-1, 1])
    _track(canvas, rail)
    x, size = 0.66 + way * canvas.between(0.05, 0.22), canvas.between(0.36, 0.44)
    _smoke(canvas, x + way * size * 0.62, rail - size * 0.95, way, size)
    paint = canvas.pick(["#2b2d33", "#1f4a36", "#7a2424", "#23406e"])
    with canvas.ink() as ink:
        _locomotive(ink, x, rail, size * way, paint)
        coach = canvas.pick(["#8a2f2a", "#2f5a46", "#c9a35a", "#34507a"])
        for index in range(3):
            _coach(ink, x - way * size * (1.42 + 1.34 * index), rail, size, coach)
    canvas.light(
        canvas.mask(
            [
                (-0.1, rail - size * 0.62),
                (1.5, rail - size * 0.62),
                (1.5, rail - size * 0.5),
                (-0.1, rail - size * 0.5),
            ],
            0.02,
        )
        * 0.12,
        "#ffffff",
    )
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.1, mix(green, "#24400f", 0.3), count=160)
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    canvas.finish(0.2)


def _track(canvas: Canvas, rail: float) -> None:
    with canvas.ink() as ink:
        ink.box((-0.1, rail + 0.012), (1.5, rail + 0.06), "#8a8178")
        for index in range(30):
            ink.box((index * 0.048 - 0.02, rail + 0.01), (index * 0.048 + 0.006, rail + 0.04), "#4a3526")
        ink.box((-0.1, rail), (1.5, rail + 0.014), "#b8bcc2")


def _smoke(canvas: Canvas, x: float, y: float, way: int, size: float) -> None:
    """Let smoke billow back from the chimney."""
    puffs = np.zeros_like(ONES)
    for step in range(12):
        px, py = x - way * step * size * 0.17, y - size * (0.04 + 0.02 * step) - canvas.between(0, 0.03)
        radius = size * (0.08 + 0.022 * step)
        np.maximum(puffs, 1 - np.hypot(X - np.float32(px), Y - np.float32(py)) / np.float32(radius), out=puffs)
    body = np.clip((puffs + (canvas.noise(16, 3) - 0.5) * 0.6) * 3, 0, 1) * (puffs > 0)
    canvas.fill(body, ramp(canvas.noise(9, 3), "#8f9298", "#e6e6e6", "#ffffff"), 0.9)


def _locomotive(ink: Ink, x: float, rail: float, size: float, paint: Colour) -> None:
    """Draw a steam locomotive; a negative `size` heads it to the left."""
    s = abs(size)

    def box(left: float, top: float, right: float, base: float, tone: Colour) -> None:
        ends = sorted((x + left * size, x + right * size))
        ink.box((ends[0], rail + top * s), (ends[1], rail + base * s), tone)

    dark, brass = mix(paint, "#000000", 0.4), "#d9a94a"
    box(-0.72, -0.24, 0.82, -0.14, "#7a1f1c")
    box(-0.3, -0.56, 0.72, -0.24, paint)
    box(-0.3, -0.56, 0.72, -0.5, mix(paint, "#ffffff", 0.3))
    box(-0.3, -0.3, 0.72, -0.24, dark)
    for band in (-0.1, 0.15, 0.4):
        box(band, -0.56, band + 0.025, -0.24, brass)
    box(0.72, -0.54, 0.78, -0.26, dark)
    box(-0.74, -0.78, -0.3, -0.2, paint)
    box(-0.8, -0.84, -0.24, -0.77, dark)
    box(-0.66, -0.7, -0.5, -0.48, "#cfe6f2")
    box(-0.46, -0.7, -0.36, -0.48, "#cfe6f2")
    box(0.54, -0.88, 0.66, -0.55, dark)
    box(0.51, -0.92, 0.69, -0.85, brass)
    box(0.18, -0.67, 0.32, -0.55, brass)
    ink.area(
        [(x + 0.76 * size, rail - 0.2 * s), (x + 0.98 * size, rail - 0.02 * s), (x + 0.72 * size, rail - 0.02 * s)],
        dark,
    )
    ink.disc(x + 0.79 * size, rail - 0.46 * s, 0.045 * s, "#fff2b8")
    for at, radius in ((-0.52, 0.17), (-0.14, 0.17), (0.22, 0.17), (0.55, 0.1)):
        _wheel(ink, x + at * size, rail - radius * s, radius * s)
    ink.line([(x - 0.52 * size, rail - 0.17 * s), (x + 0.4 * size, rail - 0.17 * s)], 0.05 * s, "#c9ccd2")


def _wheel(ink: Ink, x: float, y: float, radius: float) -> None:
    """Draw a spoked iron wheel."""
    ink.disc(x, y, radius, "#1a1a1d")
    ink.disc(x, y, radius * 0.82, "#8a2a24")
    for spoke in range(4):
        dx, dy = radius * 0.8 * math.cos(spoke * 0.785), radius * 0.8 * math.sin(spoke * 0.785)
        ink.line([(x - dx, y - dy), (x + dx, y + dy)], radius * 0.14, "#1a1a1d")
    ink.disc(x, y, radius * 0.22, "#d0d0d0")


def _coach(ink: Ink, x: float, rail: float, size: float, paint: Colour) -> None:
    """Draw one passenger coach."""
    left, right = x - size * 0.63, x + size * 0.63
    ink.box((left, rail - size * 0.74), (right, rail - size * 0.68), "#3a3a3e")
    ink.box((left, rail - size * 0.68), (right, rail - size * 0.14), paint)
    ink.box((left, rail - size * 0.36), (right, rail - size * 0.33), "#f0e2bc")
    for index in range(5):
        at = left + size * (0.1 + 0.23 * index)
        ink.box((at, rail - size * 0.61), (at + size * 0.15, rail - size * 0.42), "#fdf0c4")
    for at in (-0.42, -0.2, 0.2, 0.42):
        _wheel(ink, x + at * size, rail - size * 0.08, size * 0.08)


def bicycle(canvas: Canvas) -> None:
    """Paint a bicycle that leans against a painted wall or stands in a park."""
    if canvas.chance(0.5):
        wall = canvas.pick(["#d9b38c", "#9fb8b0", "#c97a5f", "#e3d7bc", "#8fa3bf"])
        canvas.wash(down(0, 0.85, mix(wall, "#ffffff", 0.2), wall))
        canvas.shade(0.85 + 0.3 * canvas.noise(14, 4))
        street = canvas.mask([(-0.1, 0.84), (1.5, 0.84), (1.5, 1.1), (-0.1, 1.1)])
        canvas.fill(street, ramp(canvas.noise(50, 3, 2), "#5d5a57", "#8a8580", "#a8a29a"))
    else:
        sky(canvas, DAY, 0.6)
        hills(canvas, DAY, 0.55, 0.05, "#5d8f4a", far=0.4)
        with canvas.ink() as ink:
            for x in np.linspace(0, ASPECT, 8):
                tree(canvas, ink, float(x), 0.68, canvas.between(0.2, 0.34), colour="#4f8a3a")
        canvas.soften(0.012)
        lawn = canvas.mask([(-0.1, 0.64), (1.5, 0.66), (1.5, 1.1), (-0.1, 1.1)], 0.01)
        canvas.fill(lawn, ramp(canvas.noise(60, 3, 2), "#4a7a2c", "#7fae48", "#a3c862"))
    x, y, size = canvas.between(0.58, 0.76), canvas.between(0.64, 0.7), canvas.between(0.4, 0.46)
    canvas.shade(1 - 0.45 * canvas.disc(x, y + size * 0.57, size * 1.35, 0.035, soft=0.015))
    with canvas.ink() as ink:
        _frame(canvas, ink, x, y, size * canvas.pick([-1, 1]))
    canvas.finish(0.25)


def _frame(canvas: Canvas, ink: Ink, x: float, y: float, size: float) -> None:
    """Draw wheels, frame, saddle, bars and pedals; a negative `size` faces it to the left."""
    s = abs(size)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + px * size, y + py * s) for px, py in points]

    rear, front, crank, seat, head = (-0.78, 0.1), (0.78, 0.1), (-0.12, 0.14), (-0.32, -0.52), (0.52, -0.55)
    paint = canvas.pick(["#c8322e", "#1f6f8b", "#2f2f34", "#e0a526", "#3f8f5a", "#e8e4da"])
    for hub in (rear, front):
        cx, cy = at(hub)[0]
        for spoke in np.linspace(0, math.pi, 11)[:-1]:
            dx, dy = 0.44 * s * math.cos(spoke), 0.44 * s * math.sin(spoke)
            ink.line([(cx - dx, cy - dy), (cx + dx, cy + dy)], 0.002, "#d0d4da", alpha=0.9)
        rim = ellipse(cx, cy, 0.45 * s, n=48)
        ink.line(np.vstack([rim, rim[:2]]), 0.02, "#17181b")
        ink.disc(cx, cy, 0.035 * s, "#9a9ea6")
    for tube in ((crank, seat), (seat, head), (crank, head), (rear, crank), (rear, seat), (head, front)):
        ink.line(at(*tube), 0.022, mix(paint, "#000000", 0.25))
        ink.line([(px, py - 0.004) for px, py in at(*tube)], 0.009, mix(paint, "#ffffff", 0.35))
    ink.line(at(seat, (-0.37, -0.68)), 0.014, "#9a9ea6")
    ink.area(at((-0.56, -0.73), (-0.4, -0.74), (-0.18, -0.7), (-0.34, -0.655), (-0.52, -0.66)), "#3a2418")
    ink.line(at(head, (0.48, -0.74), (0.62, -0.8), (0.7, -0.72), (0.6, -0.66)), 0.016, "#2b2b2e")
    ink.disc(*at(crank)[0], 0.11 * s, "#3a3c40")
    ink.disc(*at(crank)[0], 0.06 * s, "#8a8e96")
    ink.line(at((-0.2, 0.3), (-0.04, -0.02)), 0.014, "#55585e")
    for pedal in ((-0.2, 0.3), (-0.04, -0.02)):
        ink.line(at((pedal[0] - 0.07, pedal[1]), (pedal[0] + 0.07, pedal[1])), 0.018, "#17181b")


def windmill(canvas: Canvas) -> None:
    """Paint an old windmill above rows of tulips."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.68)
    wisps(canvas, hour, 0.6, 0.6)
    hills(canvas, hour, 0.7, 0.01, "#6a9a48", far=0.2)
    _tulips(canvas, 0.74)
    x, top, size = canvas.between(0.52, 0.82), canvas.between(0.3, 0.36), canvas.between(0.95, 1.1)
    brick = canvas.pick(["#8a5a40", "#a8a094", "#6a4a3a", "#e8e2d4"])
    tower = canvas.mask(
        [(x - 0.075 * size, top), (x + 0.075 * size, top), (x + 0.14 * size, 0.8), (x - 0.14 * size, 0.8)]
    )
    canvas.fill(tower, across(x - 0.14, x + 0.14, mix(brick, "#ffffff", 0.25), brick, mix(brick, "#000000", 0.5)))
    with canvas.ink() as ink:
        ink.area(
            curve(
                [
                    (x - 0.09 * size, top + 0.01),
                    (x - 0.06 * size, top - 0.07),
                    (x + 0.06 * size, top - 0.07),
                    (x + 0.09 * size, top + 0.01),
                ]
            ),
            "#3a2c24",
        )
        ink.box((x - 0.17 * size, 0.6), (x + 0.17 * size, 0.615), "#4a3526")
        for wx, wy in ((-0.03, 0.42), (0.02, 0.52), (-0.05, 0.68)):
            ink.box((x + wx, wy), (x + wx + 0.03, wy + 0.045), "#f4f0e4")
        ink.box((x + 0.0, 0.71), (x + 0.045, 0.8), "#3f6a4a")
        turn = canvas.between(0, math.pi / 2)
        for arm in range(4):
            _sail(ink, (x, top - 0.01), turn + arm * math.pi / 2, 0.33 * size)
        ink.disc(x, top - 0.01, 0.016, "#2b2018")
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _sail(ink: Ink, hub: tuple[float, float], turn: float, reach: float) -> None:
    """Draw one latticed sail."""

    def at(points: Points) -> Points:
        return placed(points, *hub, reach, turn)

    ink.area(at(np.array([(0.2, 0.02), (1.0, 0.02), (1.0, 0.24), (0.2, 0.24)])), "#f6efdd", 0.9)
    for step in np.linspace(0.2, 1.0, 8):
        ink.line(at(np.array([(step, 0.02), (step, 0.24)])), 0.004, "#5a4030")
    for side in (0.02, 0.13, 0.24):
        ink.line(at(np.array([(0.2, side), (1.0, side)])), 0.004, "#5a4030")
    ink.line(at(np.array([(0, 0), (1.02, 0)])), 0.013, "#3a2c20")


def _tulips(canvas: Canvas, horizon: float) -> None:
    """Plant stripes of tulips that run towards the windmill."""
    canvas.fill(canvas.mask([(-0.1, horizon), (1.5, horizon), (1.5, 1.1), (-0.1, 1.1)]), "#5d8f3c")
    hues = ["#e0343c", "#f2c230", "#e86aa8", "#f4f0ea", "#8a4ac0", "#f28a2e"]
    centre, first = canvas.between(0.4, 0.9), canvas.dice.randrange(6)
    with canvas.ink() as ink:
        for row in range(-9, 10):
            hue = hues[(row + first) % 6]
            for depth in np.linspace(0, 1, 24) ** 1.6:
                x = centre + row * (0.03 + 0.16 * depth) + canvas.between(-1, 1) * (0.006 + 0.03 * depth)
                if -0.1 < x < ASPECT + 0.1:
                    size = 0.005 + 0.017 * depth
                    ink.disc(x, horizon + 0.012 + 0.27 * depth, size, tinted(hue, canvas.dice), ry=size * 1.25)


def balloon(canvas: Canvas) -> None:
    """Paint hot-air balloons, one near and some far, adrift over hills."""
    hour = canvas.pick([DAY, DAWN, NOON, DUSK])
    sky(canvas, hour, 0.9)
    cumulus(
        canvas,
        hour,
        [(canvas.between(0, ASPECT), canvas.between(0.4, 0.75), canvas.between(0.15, 0.3)) for _ in range(2)],
    )
    for index, level in enumerate((0.86, 0.93)):
        hills(canvas, hour, level, 0.05, canvas.pick(["#5f8a4a", "#8a8a50", "#4f7a5a"]), far=0.45 - 0.25 * index)
    for x in (canvas.between(0.1, 0.3), canvas.between(1.0, 1.25)):
        _one_balloon(canvas, x, canvas.between(0.2, 0.6), canvas.between(0.06, 0.11))
    _one_balloon(canvas, canvas.between(0.55, 0.8), canvas.between(0.36, 0.42), canvas.between(0.25, 0.3))
    canvas.grade(mix(hour.tint, "#ffffff", 0.55))
    canvas.finish(0.15)


def _one_balloon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw one balloon: coloured gores that narrow to the mouth, ropes, a basket."""
    hues = canvas.pick(
        [
            ("#e0343c", "#f7d23a"),
            ("#2f6fd0", "#f4f1ea"),
            ("#e8702a", "#7a2f8a"),
            ("#1f9a72", "#f7d23a"),
            ("#e0559a", "#4fb8e0"),
            ("#d8262e", "#f4f1ea"),
        ]
    )
    angle = np.linspace(-math.pi / 2, math.pi * 0.32, 18)
    wide, tall = np.cos(angle) * size, y + np.sin(angle) * size * 1.02
    wide, tall = np.append(wide, size * 0.17), np.append(tall, y + size * 1.32)
    edges = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 9))
    with canvas.ink() as ink:
        for index, (start, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            left, right = np.stack([x + start * wide, tall], 1), np.stack([x + end * wide, tall], 1)
            ink.area(np.vstack([left, right[::-1]]), hues[index % 2])
        mouth, basket = y + size * 1.32, y + size * 1.55
        for side in (-1, 1):
            ink.line(
                [(x + side * size * 0.16, mouth), (x + side * size * 0.1, basket)], max(0.003, size * 0.012), "#4a3a2c"
            )
        ink.box((x - size * 0.12, basket), (x + size * 0.12, basket + size * 0.17), "#8a5a30")
        ink.box((x - size * 0.13, basket), (x + size * 0.13, basket + size * 0.04), "#5a3a1e")
    outline = np.vstack([np.stack([x - wide, tall], 1), np.stack([x + wide, tall], 1)[::-1]])
    skin = canvas.mask(outline)
    canvas.grade(1 - (1 - radial(x - size * 0.35, y - size * 0.35, size * 1.7, "#ffffff", "#f2f2f2", "#6a6470")) * skin)
    canvas.light(
        skin * np.clip(1 - np.hypot(X - x + size * 0.4, Y - y + size * 0.45) / (size * 0.5), 0, 1) * 0.5, "#ffffff"
    )
