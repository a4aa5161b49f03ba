"""Scenes of small lights in the dark: street lamp, lantern, candle, campfire."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import (
    ASPECT,
    ONES,
    Colour,
    Y,
    across,
    down,
    mix,
    radial,
    ramp,
    tinted,
)
from songlens_training.generated.scenery import (
    bokeh,
    spruce,
    stars,
    table,
)
from songlens_training.generated.shapes import arc, curve, placed


def street_lamp(canvas: Canvas) -> None:
    """Paint a street lamp at night, its cone of light, bare trees and a wet pavement."""
    night = canvas.pick(["#0a1024", "#140f26", "#0c1a22", "#2a1f4a", "#1f3550", "#33303a"])
    canvas.wash(down(0, 0.85, night, mix(night, "#46507a", 0.4)))
    bokeh(canvas, ["#ffb25a", "#ff8f5a", "#9fc0ff"], count=10, size=0.035, alpha=0.3)
    canvas.soften(0.012)
    pave = canvas.below(0.85)
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


def lantern(canvas: Canvas) -> None:
    """Paint red paper lanterns that hang in a row and glow in the evening."""
    night = canvas.pick(["#0f0a1c", "#1a0a10", "#0a1022", "#1f2a5a", "#4a1a2a", "#12302f"])
    canvas.wash(down(0, 1, night, mix(night, "#5a1a1a", 0.45)))
    bokeh(canvas, ["#ff6a3a", "#ffb04a", "#ff3a2e"], count=18, size=0.035, alpha=0.35)
    canvas.soften(0.015)
    if canvas.chance(0.6):
        _eaves(canvas)
    for x, y, size in sorted(_hung(canvas), key=lambda hung: hung[2]):
        _one_lantern(canvas, x, y, size)
    canvas.finish(0.35)


def _eaves(canvas: Canvas) -> None:
    """Draw the tiled eaves that the lanterns hang from."""
    with canvas.ink() as ink:
        ink.box((-0.1, -0.1), (1.5, 0.07), "#1a1416")
        for index in range(28):
            ink.disc(index * 0.05, 0.07, 0.022, "#2b2226")
            ink.disc(index * 0.05, 0.068, 0.014, "#3c3034")


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


def candle(canvas: Canvas) -> None:
    """Paint candles that burn in the dark, their light on a table."""
    room = canvas.pick(["#1c0f0a", "#120d16", "#0f1218", "#2a1a3a", "#14283a", "#3a1418", "#1a2e22"])
    canvas.wash(down(0, 1, room, mix(room, "#6b3a1a", 0.5)))
    table(canvas, canvas.between(0.74, 0.82), canvas.pick(["#5a3520", "#8a6a4a", "#3a2a3a", "#7a2f2a"]))
    wax = canvas.pick(["#f7ead2", "#e8d2b0", "#c23a34", "#f2dcd8", "#4f8a6a", "#d9b8e8"])
    number = canvas.pick([1, 1, 2, 3, 3])
    places = [0.66 + (index - (number - 1) / 2) * canvas.between(0.27, 0.33) for index in range(number)]
    for x in places:
        _one_candle(
            canvas, x + canvas.between(-0.1, 0.1) / number, canvas.between(0.36, 0.6), canvas.between(0.055, 0.1), wax
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


def campfire(canvas: Canvas) -> None:
    """Paint a campfire at night: crossed logs, tongues of flame, sparks that rise."""
    night = canvas.pick(["#05070f", "#0a0814", "#060d12", "#121a33"])
    canvas.wash(down(0, 0.9, night, mix(night, "#2a3048", 0.5)))
    stars(canvas, 90, 0.6)
    with canvas.ink() as ink:
        for _ in range(11):
            x, tall = canvas.between(-0.05, ASPECT), canvas.between(0.3, 0.55)
            spruce(canvas, ink, x, 0.78, tall, colour=mix(night, "#0f1a16", 0.6))
    canvas.fill(canvas.below(0.76, 0.01), ramp(canvas.noise(40, 3, 2), "#120c08", "#2a1c12", "#3f2b1a"))
    x, base, size = canvas.between(0.52, 0.82), canvas.between(0.82, 0.88), canvas.between(0.36, 0.56)
    canvas.glow(x, base - size * 0.35, 0.5, "#ff7a1f", 0.6)
    _flames(canvas, x, base, size)
    with canvas.ink() as ink:
        _hearth(canvas, ink, x, base, size)
        for _ in range(46):
            rise = canvas.dice.random()
            at = x + canvas.dice.gauss(0, 0.07 + 0.16 * rise), base - size * 0.5 - rise * 0.45
            ink.disc(*at, canvas.between(0.002, 0.005), canvas.pick(["#ffd27a", "#ff9a3c"]))
    canvas.finish(0.4)


def _hearth(canvas: Canvas, ink: Ink, x: float, base: float, size: float) -> None:
    """Cross the logs and lay a half ring of stones before them."""
    for turn in (-0.5, 0.45, -0.12, 0.2):
        for lift, thick, tone in ((0.0, 0.13, "#1f120a"), (-0.03, 0.05, "#7a3f18")):
            log = placed([(-0.42, lift), (0.42, lift)], x, base + 0.01, size, turn)
            ink.line(log, size * thick, tone)
    for angle in np.linspace(0, math.pi, 13):
        at = x + size * 0.62 * math.cos(angle), base + 0.03 + 0.07 * math.sin(angle)
        ink.disc(*at, 0.034, tinted("#4a4038", canvas.dice, 0.03), ry=0.024)


def _flames(canvas: Canvas, x: float, base: float, size: float) -> None:
    """Layer tongues of flame from red to white."""
    for scale, tone, count in ((1.0, "#d8380f", 9), (0.78, "#ff7a1a", 8), (0.56, "#ffb52e", 7), (0.34, "#fff0b0", 5)):
        body = np.zeros_like(ONES)
        for index in range(count):
            away = (index + 0.5) / count * 2 - 1 + canvas.between(-0.1, 0.1)
            tall = size * scale * (1.05 - 0.65 * abs(away)) * canvas.between(0.8, 1.15)
            foot, wide, lean = (
                x + away * size * 0.34 * scale**0.5,
                size * 0.13 * scale**0.5,
                canvas.between(-0.06, 0.06),
            )
            tongue = [
                (foot - wide, base),
                (foot - wide * 0.8, base - tall * 0.35),
                (foot + lean * 0.3, base - tall * 0.7),
                (foot + lean, base - tall),
                (foot + wide * 0.4, base - tall * 0.6),
                (foot + wide, base - tall * 0.3),
                (foot + wide * 0.8, base),
            ]
            np.maximum(body, canvas.mask(curve(tongue)), out=body)
        canvas.fill(body, tone, 0.9)
    canvas.glow(x, base - size * 0.25, size * 0.3, "#fff3c4", 0.6)
