"""Scenes of things close at hand: coffee, piano, candle, guitar, lantern, umbrella."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, X, Y, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import bokeh, table
from songlens_training.generated.shapes import Points, arc, curve, ellipse, mirrored, petal, placed


def coffee(canvas: Canvas) -> None:
    """Paint a steaming cup of coffee on a wooden table, seen from the side or from above."""
    wood = canvas.pick(["#a9713f", "#8a5a34", "#c08a54", "#6f4a30"])
    china = canvas.pick(["#fbf8f2", "#f3ede0", "#c9503f", "#3f6f86", "#2f2f33"])
    if canvas.chance(0.35):
        table(canvas, -0.4, wood)
        _cup_from_above(canvas, china)
    else:
        wall = canvas.pick(["#5b4636", "#3f4a4a", "#7a6652", "#8f7a62"])
        canvas.wash(down(0, 0.7, mix(wall, "#000000", 0.35), wall))
        bokeh(canvas, ["#ffd9a0", "#ffb46b", "#fff0d0"], count=16, size=0.07, alpha=0.22)
        canvas.soften(0.012)
        table(canvas, canvas.between(0.58, 0.66), wood)
        _cup_from_the_side(canvas, china)
    canvas.finish(0.4)


def _cup_from_the_side(canvas: Canvas, china: Colour) -> None:
    x, rim, wide = canvas.between(0.58, 0.76), canvas.between(0.4, 0.46), canvas.between(0.22, 0.27)
    tall, dip, side = wide * 1.15, wide * 0.26, canvas.pick([-1, 1])
    base = rim + tall
    canvas.shade(1 - 0.5 * canvas.disc(x, base + 0.03, wide * 1.9, wide * 0.4, soft=0.02))
    for lift, tone in ((0.03, mix(china, "#000000", 0.25)), (0.015, china)):
        canvas.fill(canvas.disc(x, base + lift, wide * 1.65, wide * 0.36), tone)
    canvas.fill(canvas.disc(x, base + 0.015, wide * 1.15, wide * 0.22, soft=0.01), mix(china, "#000000", 0.18))
    handle = arc(x + side * wide * 0.95, rim + tall * 0.42, wide * 0.42, tall * 0.3, span=(0, 2 * math.pi), n=40)
    canvas.fill(canvas.stroke(handle, wide * 0.15), mix(china, "#000000", 0.12))
    left = curve(
        [
            (x - wide, rim),
            (x - wide * 0.97, rim + tall * 0.5),
            (x - wide * 0.72, rim + tall * 0.86),
            (x - wide * 0.4, base + dip * 0.3),
        ],
        closed=False,
    )
    right = curve(
        [
            (x + wide * 0.4, base + dip * 0.3),
            (x + wide * 0.72, rim + tall * 0.86),
            (x + wide * 0.97, rim + tall * 0.5),
            (x + wide, rim),
        ],
        closed=False,
    )
    shading = [mix(china, "#000000", 0.28), china, mix(china, "#ffffff", 0.5), china, mix(china, "#000000", 0.42)]
    canvas.fill(canvas.mask(np.vstack([left, right])), across(x - wide, x + wide, *shading))
    canvas.fill(canvas.disc(x, rim, wide, dip), mix(china, "#ffffff", 0.3))
    canvas.fill(canvas.disc(x, rim + 0.006, wide * 0.92, dip * 0.84), mix(china, "#000000", 0.3))
    canvas.fill(
        canvas.disc(x, rim + 0.016, wide * 0.88, dip * 0.74), radial(x, rim, wide, "#7a4a26", "#4a2812", "#a9713f")
    )
    _steam(canvas, x, rim, wide)


def _steam(canvas: Canvas, x: float, y: float, wide: float) -> None:
    """Let three curls of steam rise and fade."""
    for shift in (-0.4, 0.0, 0.4):
        sway, phase = canvas.between(0.02, 0.05), canvas.between(0, 6)
        path = [
            (x + shift * wide + sway * (1 + t) * math.sin(phase + 5 * t), y - 0.36 * t) for t in np.linspace(0, 1, 14)
        ]
        fade = np.clip((Y - (y - 0.36)) / 0.3, 0, 1) * (y + 0.02 > Y)
        canvas.light(canvas.stroke(path, 0.05, 0.018) * fade * 0.75, "#ffffff")


def _cup_from_above(canvas: Canvas, china: Colour) -> None:
    x, y, wide = canvas.between(0.58, 0.75), canvas.between(0.46, 0.54), canvas.between(0.27, 0.32)
    turn = canvas.between(0, 6.28)
    canvas.shade(1 - 0.55 * canvas.disc(x + 0.03, y + 0.04, wide * 1.45, soft=0.025))
    canvas.fill(
        canvas.disc(x, y, wide * 1.42),
        radial(x - 0.1, y - 0.1, wide * 2, mix(china, "#ffffff", 0.4), mix(china, "#000000", 0.25)),
    )
    canvas.shade(1 - 0.3 * canvas.disc(x + 0.015, y + 0.02, wide * 1.08, soft=0.02))
    handle = placed(ellipse(wide * 1.15, 0, wide * 0.28, wide * 0.1), x, y, turn=turn)
    canvas.fill(canvas.mask(handle), mix(china, "#000000", 0.1))
    canvas.fill(canvas.disc(x, y, wide), mix(china, "#ffffff", 0.35))
    canvas.fill(canvas.disc(x, y, wide * 0.9), mix(china, "#000000", 0.25))
    canvas.fill(canvas.disc(x, y, wide * 0.87), radial(x, y, wide, "#8a5527", "#6b3d1a", "#b98048"))
    heart = curve(
        [(0, 0.8), (-0.75, 0.05), (-0.72, -0.5), (-0.3, -0.62), (0, -0.3), (0.3, -0.62), (0.72, -0.5), (0.75, 0.05)]
    )
    for step in range(5):
        milk = placed(heart, x, y, wide * (0.78 - 0.16 * step), turn)
        canvas.fill(canvas.mask(milk, 0.004), "#f6e6c8" if step % 2 == 0 else "#8f5a2b", 0.95)


def piano(canvas: Canvas) -> None:
    """Paint a piano keyboard that runs away from the eye, its keys mirrored in the lacquer."""
    lacquer = canvas.pick(["#0c0c10", "#1a0f0b", "#2b140c", "#101420"])
    canvas.wash(down(0, 1, mix(lacquer, "#ffffff", 0.1), lacquer))
    bokeh(canvas, ["#ffd9a0", "#ffb46b", "#9fb8ff"], count=8, size=0.08, alpha=0.12)
    canvas.soften(0.02)
    tilt, white = canvas.between(-0.16, 0.16), canvas.between(0.075, 0.11)
    far, near = canvas.between(0.32, 0.42), canvas.between(0.84, 0.95)

    def key(start: float, end: float, depth: float) -> list[tuple[float, float]]:
        """Return a key's quadrilateral; the keyboard widens towards the eye by a quarter."""
        front = far + (near - far) * depth
        spread = 0.8 + 0.2 * depth
        corners = [(start, far, 0.8), (end, far, 0.8), (end, front, spread), (start, front, spread)]
        return [(0.66 + (at - 0.66) * zoom, y + tilt * (at - 0.66)) for at, y, zoom in corners]

    first, black_after = canvas.dice.randrange(7), {0, 1, 3, 4, 5}
    count = int(2.6 / white)
    with canvas.ink() as ink:
        for index in range(count):
            start = -0.65 + index * white
            ivory = tinted(canvas.pick(["#f7f2e4", "#fbf9f2"]), canvas.dice, 0.012)
            ink.area(key(start, start + white, 1.0), "#5a544a")
            ink.area(key(start + 0.003, start + white - 0.003, 0.985), ivory)
        for index in range(count):
            if (index + first) % 7 in black_after:
                start = -0.65 + (index + 1) * white
                ink.area(key(start - white * 0.32, start + white * 0.32, 0.64), "#08080a")
                ink.area(key(start - white * 0.22, start + white * 0.2, 0.58), "#2b2b31")
        ink.area(
            [
                (-0.1, far - 0.035 - tilt * 0.76),
                (1.5, far - 0.035 + tilt * 0.84),
                (1.5, far + 0.006 + tilt * 0.84),
                (-0.1, far + 0.006 - tilt * 0.76),
            ],
            canvas.pick(["#7a1f24", "#23272f"]),
        )
    canvas.grade(
        1 - 0.4 * (1 - across(canvas.between(-0.4, 0.3), canvas.between(1.1, 1.7), "#b8a890", "#ffffff", "#a8a8b8"))
    )
    canvas.finish(0.45)


def candle(canvas: Canvas) -> None:
    """Paint candles that burn in the dark, their light on a table."""
    room = canvas.pick(["#1c0f0a", "#120d16", "#0f1218"])
    canvas.wash(down(0, 1, room, mix(room, "#6b3a1a", 0.5)))
    table(canvas, 0.8, "#5a3520")
    wax = canvas.pick(["#f7ead2", "#e8d2b0", "#c23a34", "#f2dcd8"])
    number = canvas.pick([1, 1, 3])
    places = [0.66 + (index - (number - 1) / 2) * canvas.between(0.27, 0.33) for index in range(number)]
    for x in places:
        _one_candle(
            canvas, x + canvas.between(-0.06, 0.06), canvas.between(0.44, 0.56), canvas.between(0.062, 0.088), wax
        )
    canvas.finish(0.5)


def _one_candle(canvas: Canvas, x: float, top: float, wide: float, wax: Colour) -> None:
    canvas.glow(x, top - 0.1, 0.4, "#ff9a3c", 0.42)
    base = 0.87
    body = canvas.mask(
        np.vstack([[(x - wide, top), (x + wide, top)], arc(x, base, wide, wide * 0.3, span=(0, math.pi))])
    )
    canvas.fill(body, across(x - wide, x + wide, mix(wax, "#2a1408", 0.55), wax, mix(wax, "#2a1408", 0.5)))
    canvas.fill(body, "#ffb35a", 0.35)
    canvas.shade(0.45 + 0.75 * np.clip(1 - (Y - top) / 0.4, 0, 1), body)
    canvas.fill(canvas.disc(x, top, wide, wide * 0.28), "#ffe0a3")
    with canvas.ink() as ink:
        for _ in range(3):
            drip = x + canvas.between(-0.85, 0.85) * wide
            ink.line([(drip, top + 0.005), (drip, top + canvas.between(0.03, 0.12))], 0.016, mix(wax, "#ffcf8a", 0.4))
        ink.line([(x, top), (x + 0.003, top - 0.035)], 0.007, "#201008")
    flame = np.array([(0, 0.02), (-0.034, -0.03), (-0.022, -0.09), (0.0, -0.17), (0.022, -0.09), (0.034, -0.03)])
    turn, size = canvas.between(-0.12, 0.12), canvas.between(0.9, 1.15)
    for scale, tone in ((1.0, "#ff9a2e"), (0.8, "#ffd257"), (0.5, "#fffbe0")):
        canvas.fill(canvas.mask(placed(curve(flame), x, top - 0.015, size * scale, turn), 0.004), tone)
    canvas.glow(x, top - 0.08, 0.1, "#ffdf9a", 0.7)


def guitar(canvas: Canvas) -> None:
    """Paint an acoustic guitar that leans against a wall or lies on a floor."""
    wall = canvas.pick(["#6f8a8c", "#c9b79a", "#8c5f4a", "#4a5568", "#a3443c"])
    canvas.wash(down(0, 1, mix(wall, "#ffffff", 0.1), mix(wall, "#000000", 0.35)))
    canvas.shade(0.88 + 0.24 * canvas.noise(12, 4))
    wood = canvas.pick(["#d99a4e", "#c67a3a", "#e3b471", "#a8542a"])
    turn, x, y = canvas.between(-0.5, 0.5), canvas.between(0.6, 0.74), 0.69
    size = canvas.between(0.76, 0.88)

    def at(points: Points) -> Points:
        return placed(points, x, y, size, turn)

    half = np.array(
        [
            (0.0, 0.27),
            (0.14, 0.26),
            (0.23, 0.14),
            (0.19, 0.0),
            (0.125, -0.07),
            (0.15, -0.17),
            (0.1, -0.235),
            (0.0, -0.24),
        ]
    )
    body = curve(np.vstack([half, mirrored(half)[-2:0:-1]]))
    canvas.shade(1 - 0.5 * canvas.mask(placed(body, x + 0.03, y + 0.03, size * 1.02, turn), 0.02))
    canvas.fill(canvas.mask(at(body)), mix(wood, "#2a1408", 0.65))
    grain = canvas.noise(40, 2, 0.12)
    canvas.fill(canvas.mask(at(body * 0.955)), ramp(grain, mix(wood, "#3a1c08", 0.25), wood, mix(wood, "#fff0c8", 0.3)))
    canvas.light(
        canvas.mask(at(body * 0.9)) * np.clip(0.7 - np.hypot(X - x + 0.12, Y - y + 0.08) * 2, 0, 1) * 0.6, "#fff1d0"
    )
    with canvas.ink() as ink:
        _fittings(ink, at)
    canvas.finish(0.35)


def _fittings(ink: Ink, at: Callable[[Points], Points]) -> None:
    """Draw sound hole, bridge, neck, frets, head and strings."""
    for radius, tone in ((0.078, "#4a2412"), (0.07, "#e8cf9a"), (0.062, "#120a06")):
        ink.area(at(ellipse(0, -0.06, radius)), tone)
    ink.area(at(np.array([(-0.075, 0.12), (0.075, 0.12), (0.085, 0.15), (-0.085, 0.15)])), "#2a150b")
    ink.area(at(np.array([(-0.028, -0.1), (-0.022, -0.66), (0.022, -0.66), (0.028, -0.1)])), "#3a2013")
    ink.area(at(np.array([(-0.028, -0.66), (-0.042, -0.82), (0.042, -0.82), (0.028, -0.66)])), "#5a3018")
    for fret in range(12):
        y = -0.66 + 0.43 * (1 - 0.93**fret) / (1 - 0.93**12)
        ink.line(at(np.array([(-0.026, y), (0.026, y)])), 0.005, "#d8d2c0")
    for side in (-1, 1):
        for peg in (-0.7, -0.745, -0.79):
            ink.area(at(ellipse(side * 0.052, peg, 0.016, 0.01)), "#efe8d6")
    for string in np.linspace(-1, 1, 6):
        ink.line(at(np.array([(string * 0.036, 0.13), (string * 0.017, -0.66)])), 0.003, "#f4ecd8", alpha=0.8)


def lantern(canvas: Canvas) -> None:
    """Paint red paper lanterns that hang in a row and glow in the evening."""
    night = canvas.pick(["#0f0a1c", "#1a0a10", "#0a1022"])
    canvas.wash(down(0, 1, night, mix(night, "#5a1a1a", 0.45)))
    bokeh(canvas, ["#ff6a3a", "#ffb04a", "#ff3a2e"], count=18, size=0.035, alpha=0.35)
    canvas.soften(0.015)
    if canvas.chance(0.6):
        _eaves(canvas)
    for x, y, size in sorted(_hung(canvas), key=lambda hung: hung[2]):
        _one_lantern(canvas, x, y, size)
    canvas.finish(0.35)


def _hung(canvas: Canvas) -> list[tuple[float, float, float]]:
    """Return where lanterns hang (x, y, size): one large, some smaller about it."""
    main = (canvas.between(0.5, 0.84), canvas.between(0.48, 0.56), canvas.between(0.2, 0.25))
    small = [
        (x + canvas.between(-0.04, 0.04), canvas.between(0.25, 0.5), canvas.between(0.09, 0.13)) for x in (0.16, 1.18)
    ]
    more = [
        (main[0] + side * canvas.between(0.27, 0.34), canvas.between(0.28, 0.42), canvas.between(0.07, 0.1))
        for side in (-1, 1)
    ]
    return [main, *small, *more]


def _eaves(canvas: Canvas) -> None:
    """Draw the tiled eaves that the lanterns hang from."""
    with canvas.ink() as ink:
        ink.box((-0.1, -0.1), (1.5, 0.07), "#1a1416")
        for index in range(28):
            ink.disc(index * 0.05, 0.07, 0.022, "#2b2226")
            ink.disc(index * 0.05, 0.068, 0.014, "#3c3034")


def _one_lantern(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw one lantern: lit from within, ribbed, capped in gold, with a tassel."""
    canvas.glow(x, y, size * 1.7, "#ff4a20", 0.55)
    tall = size * 0.78
    canvas.fill(
        canvas.disc(x, y, size, tall),
        radial(x, y + tall * 0.15, size * 1.1, "#ffd27a", "#ff6a35", "#d81f1a", "#8f0d12"),
    )
    with canvas.ink() as ink:
        ink.line([(x, -0.1), (x, y - tall)], 0.006, "#2a1a14")
        for share in (-0.8, -0.5, -0.18, 0.18, 0.5, 0.8):
            ink.line(arc(x, y, size * share, tall, span=(-math.pi / 2, math.pi / 2)), 0.005, "#8f0d12", alpha=0.7)
        for edge in (-1, 1):
            ink.box(
                (x - size * 0.42, y + edge * tall * 0.98 - size * 0.07),
                (x + size * 0.42, y + edge * tall * 0.98 + size * 0.07),
                "#d9a233",
            )
        for strand in np.linspace(-0.16, 0.16, 7):
            low = y + tall + size * 0.75
            ink.line(
                [(x + strand * size * 0.5, y + tall), (x + strand * size * 1.4, low)],
                0.006,
                tinted("#e0402a", canvas.dice),
            )


def umbrella(canvas: Canvas) -> None:
    """Paint an open umbrella in slanting rain, mirrored in the wet street."""
    grey = canvas.pick(["#5f6d78", "#6d7683", "#556a70"])
    canvas.wash(down(0, 0.75, mix(grey, "#ffffff", 0.1), mix(grey, "#ffffff", 0.35)))
    bokeh(canvas, ["#ffe3b0", "#cfe0f0", "#ffc98a"], count=12, size=0.06, alpha=0.2)
    canvas.soften(0.02)
    street = canvas.mask([(-0.1, 0.76), (1.5, 0.76), (1.5, 1.1), (-0.1, 1.1)], 0.01)
    canvas.fill(street, ramp(canvas.noise(30, 3, 5), "#2c343b", mix(grey, "#20262b", 0.4), mix(grey, "#ffffff", 0.3)))
    hue = canvas.pick(["#d8262e", "#f2b61f", "#2f6fd0", "#e0559a", "#1f9a72", "#e8702a"])
    x, y, size = canvas.between(0.56, 0.78), canvas.between(0.42, 0.48), canvas.between(0.38, 0.46)
    turn = canvas.between(-0.22, 0.22)
    canvas.light(canvas.disc(x, 0.9, size * 0.7, 0.06, soft=0.03) * canvas.noise(30, 2, 5) * 0.9, hue)
    _canopy(canvas, x, y, size, turn, hue)
    with canvas.ink() as ink:
        for _ in range(170):
            rx, ry, fall = canvas.between(-0.1, ASPECT), canvas.between(-0.1, 0.95), canvas.between(0.04, 0.1)
            ink.line([(rx, ry), (rx + fall * 0.22, ry + fall)], 0.003, "#e8f2fa", alpha=canvas.between(0.25, 0.6))
        for _ in range(26):
            rx, ry = canvas.between(0, ASPECT), canvas.between(0.8, 0.99)
            ink.line(ellipse(rx, ry, 0.02, 0.006), 0.003, "#dfeaf2", alpha=0.5)
    canvas.finish(0.35)


def _canopy(canvas: Canvas, x: float, y: float, size: float, turn: float, hue: Colour) -> None:
    """Draw the umbrella: a hooked handle, then eight scalloped panels from dark to light."""

    def at(points: Points) -> Points:
        return placed(points, x, y, size, turn)

    hook = arc(0.08, 0.92, 0.08, 0.1, span=(math.pi, 0), n=12)
    with canvas.ink() as ink:
        ink.line(at(np.array([(0, -0.62), (0, 0.93)])), 0.014, "#3a3a3e")
        ink.line(at(hook), 0.028, "#6b4226")
        ribs = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 7))
        for index, (start, end) in enumerate(zip(ribs[:-1], ribs[1:], strict=True)):
            dome_left = _rib(start)
            dome_right = _rib(end)
            middle = ((start + end) / 2, -0.085)
            scallop = curve([(end, 0.0), middle, (start, 0.0)], closed=False)
            tone = mix(mix(hue, "#000000", 0.06 + 0.4 * index / 5), "#ffffff", max(0.0, 0.25 - 0.09 * index))
            ink.area(at(np.vstack([dome_left, dome_right[::-1], scallop])), tone)
            ink.line(at(dome_right), 0.004, mix(hue, "#000000", 0.5), alpha=0.7)
        ink.area(at(petal(0, -0.56, 0.14, 0.05, -math.pi / 2)), "#3a3a3e")


def _rib(at: float) -> Points:
    """Return the curve of one rib from its tip (`at`, 0) to the crown of the dome."""
    angle = np.linspace(0, math.pi / 2, 14)
    return np.stack([at * np.cos(angle), -0.6 * np.sin(angle)], axis=1)
