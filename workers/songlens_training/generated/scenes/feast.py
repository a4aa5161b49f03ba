"""Scenes of a feast: cake, red wine."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, Floats, across, mix, ramp, tinted
from songlens_training.generated.scenery import bokeh, leaf, table, wall
from songlens_training.generated.shapes import Place, arc, curve, ellipse, lathed, petal, symmetric

_WOODS = ["#a9713f", "#8a5a34", "#c9a070", "#d9cbb4", "#6f4a30"]


def cake(canvas: Canvas) -> None:
    """Paint an iced birthday cake of one to three tiers with candles and berries, on a stand."""
    wall(canvas, canvas.pick(["#f2d0d4", "#cfe2e8", "#e8dcc0", "#d8d0e8", "#a8b8a8", "#7a6a70"]))
    bokeh(canvas, ["#ffe9b0", "#ffffff", "#ffb8c8", "#b8e0ff"], count=18, size=0.07, alpha=0.28)
    canvas.soften(0.014)
    table(canvas, canvas.between(0.76, 0.82), canvas.pick(_WOODS))
    sponge, icing = canvas.pick(
        [
            ("#fbe8ea", "#f08aa8"),
            ("#fff6e4", "#6b3a1e"),
            ("#7a4526", "#fbeedd"),
            ("#e4f4f0", "#5fc0b0"),
            ("#fdf2d0", "#f2b63a"),
            ("#f4ecff", "#a884d8"),
            ("#fffaf4", "#d83a44"),
        ]
    )
    x, base, wide = canvas.between(0.56, 0.78), canvas.between(0.82, 0.86), canvas.between(0.3, 0.36)
    _stand(canvas, x, base, wide)
    tiers = canvas.pick([1, 1, 2, 2, 3])
    for tier in range(tiers):
        radius, tall = wide * (1 - 0.27 * tier), (0.27, 0.2, 0.16)[tiers - 1]
        _tier(canvas, x, base, radius, tall, sponge, icing)
        base -= tall
    with canvas.ink() as ink:
        top = wide * (1 - 0.27 * (tiers - 1))
        _berries(canvas, ink, x, base, top)
        flames = _candles(canvas, ink, x, base, top)
    for flame in flames:
        canvas.glow(*flame, 0.05, "#ffc04a", 0.6)
    canvas.finish(0.3)


def _stand(canvas: Canvas, x: float, base: float, wide: float) -> None:
    """Set a plate on a low foot."""
    canvas.shade(1 - 0.5 * canvas.disc(x, base + 0.1, wide * 0.9, 0.035, soft=0.02))
    china = across(x - wide * 1.3, x + wide * 1.3, "#d8d4ce", "#ffffff", "#f4f2ee", "#a8a4a0")
    foot = Place(x, base, wide)(symmetric([(0.2, 0.0), (0.24, 0.18), (0.5, 0.3)]))
    for part in (canvas.mask(foot), canvas.disc(x, base, wide * 1.25, wide * 0.3)):
        canvas.fill(part, china)
    canvas.fill(canvas.disc(x, base - 0.008, wide * 1.2, wide * 0.27), "#fdfcfa")


def _tier(canvas: Canvas, x: float, base: float, radius: float, tall: float, sponge: Colour, icing: Colour) -> None:
    """Bake one tier, ice its top so that icing drips, and pipe dots around its foot."""
    flat = radius * 0.24
    front = arc(x, base, radius, flat, span=(0, math.pi))
    side = canvas.mask(np.vstack([front, [(x - radius, base - tall), (x + radius, base - tall)]]))
    dark, light = mix(sponge, "#3a1a10", 0.32), mix(sponge, "#ffffff", 0.6)
    canvas.fill(side, across(x - radius, x + radius, dark, sponge, light, sponge, dark))
    drips, steps = 7 + int(radius * 20), 9
    angle = np.linspace(math.pi, 0, drips * steps)
    lobe = np.tile(np.sin(np.linspace(0, math.pi, steps)) ** 0.6, drips)
    length = np.repeat([canvas.between(0.15, 0.55) for _ in range(drips)], steps) * tall
    low = base - tall + flat * np.sin(angle) + 0.012 + lobe * length
    edge = np.stack([x + radius * np.cos(angle), low], axis=1)
    icing_dark = mix(icing, "#000000", 0.25)
    cap = np.vstack([edge, arc(x, base - tall, radius, flat, span=(0, -math.pi))])
    canvas.fill(
        canvas.mask(cap),
        across(x - radius, x + radius, icing_dark, icing, mix(icing, "#ffffff", 0.35), icing, icing_dark),
    )
    canvas.fill(canvas.disc(x, base - tall, radius * 0.97, flat * 0.95), mix(icing, "#ffffff", 0.22))
    with canvas.ink() as ink:
        for spot in arc(x, base + 0.004, radius, flat, span=(0, math.pi), n=int(radius * 80)):
            ink.disc(spot[0], spot[1], 0.017, mix(icing, "#000000", 0.12))
            ink.disc(spot[0] - 0.003, spot[1] - 0.004, 0.012, mix(icing, "#ffffff", 0.4))


def _berries(canvas: Canvas, ink: Ink, x: float, top: float, radius: float) -> None:
    """Lay a ring of berries along the front of the top."""
    fruit = canvas.pick(["#d8262e", "#c21f3a", "#4a4aa0", "#e8702a"])
    for spot in arc(x, top, radius * 0.84, radius * 0.19, span=(-0.25, math.pi + 0.25), n=11):
        ink.disc(spot[0], spot[1] - 0.012, 0.026, mix(fruit, "#000000", 0.2))
        ink.disc(spot[0] - 0.003, spot[1] - 0.016, 0.021, fruit)
        ink.disc(spot[0] - 0.008, spot[1] - 0.023, 0.006, "#ffffff", alpha=0.8)


def _candles(canvas: Canvas, ink: Ink, x: float, top: float, radius: float) -> list[tuple[float, float]]:
    """Stand candles on the cake and light them; return where the flames are."""
    flames = []
    number, tall = canvas.dice.randrange(3, 8), canvas.between(0.1, 0.14)
    for index in range(number):
        away = (index + 0.5) / number * 2 - 1
        at, foot = x + away * radius * 0.66, top - radius * 0.06 * (-1) ** index
        wax = canvas.pick(["#f2606a", "#4fa8e0", "#f2c230", "#6ac07a", "#b07ad8"])
        ink.box((at - 0.009, foot - tall), (at + 0.009, foot), wax)
        for stripe in np.linspace(0.15, 0.8, 4):
            low = foot - tall * stripe
            ink.line([(at - 0.009, low), (at + 0.009, low - 0.01)], 0.006, "#ffffff", alpha=0.85)
        flame = at, foot - tall - 0.025
        ink.line([(at, foot - tall), flame], 0.003, "#3a2a20")
        ink.area(petal(at, foot - tall - 0.002, 0.055, 0.03, -math.pi / 2), "#ffb42e")
        ink.area(petal(at, foot - tall - 0.004, 0.035, 0.016, -math.pi / 2), "#fff6d0")
        flames.append(flame)
    return flames


def wine(canvas: Canvas) -> None:
    """Paint a glass of red wine on a table, mostly beside its bottle, sometimes with grapes."""
    room = canvas.pick(["#3a2420", "#5f4a3a", "#8f7a62", "#2a2f3a", "#b8a890", "#6f7f74", "#5a3040"])
    wall(canvas, room)
    bokeh(canvas, ["#ffd9a0", "#ffb46b", "#fff0d0"], count=14, size=0.07, alpha=0.25)
    canvas.soften(0.018)
    top = canvas.between(0.7, 0.76)
    table(canvas, top, canvas.pick(["#8a5a34", "#6f4a30", "#a9713f", "#4a3024", "#d0c0a8"]))
    side = canvas.pick([-1, 1])
    with_bottle = canvas.chance(0.75)
    if with_bottle:
        _bottle(canvas, Place(0.66 + side * canvas.between(0.2, 0.3), canvas.between(0.82, 0.86), 0.76))
    x = 0.66 - side * canvas.between(0.1, 0.22) * with_bottle
    _glass(canvas, Place(x, canvas.between(0.88, 0.92), canvas.between(0.62, 0.74)))
    if canvas.chance(0.4):
        with canvas.ink() as ink:
            _grapes(canvas, ink, 0.66 - side * canvas.between(0.34, 0.46), canvas.between(0.84, 0.9))
    canvas.finish(0.4)


def _bottle(canvas: Canvas, at: Place) -> None:
    """Stand a dark bottle with a paper label and a foiled neck."""
    glass = canvas.pick(["#16301e", "#1e1a18", "#2a3416"])
    body = lathed(
        [
            (0.052, -1.06),
            (0.052, -0.98),
            (0.046, -0.96),
            (0.05, -0.76),
            (0.09, -0.66),
            (0.135, -0.55),
            (0.14, -0.05),
            (0.12, 0.0),
        ]
    )
    canvas.shade(1 - 0.55 * canvas.disc(at.x + 0.03, at.y, at.size * 0.18, at.size * 0.035, soft=0.015))
    right, _ = at.grid()
    sheen = ramp(
        right / 0.28 + 0.5,
        mix(glass, "#000000", 0.5),
        mix(glass, "#ffffff", 0.3),
        glass,
        glass,
        mix(glass, "#000000", 0.6),
        mix(glass, "#5a7a4a", 0.3),
    )
    canvas.fill(canvas.mask(at(body)), sheen)
    foil, paper = canvas.pick(["#7a1a24", "#b8923a", "#2a2a30"]), canvas.pick(["#f4ead2", "#e4dcc8", "#2f2a2e"])
    ring = arc(0, -0.15, 0.141, 0.022, span=(0, math.pi))
    label = np.vstack([ring, arc(0, -0.46, 0.141, 0.022, span=(math.pi, 0))])
    for outline, tone in (
        (symmetric([(0.055, -1.06), (0.055, -0.98), (0.05, -0.95), (0.052, -0.82)]), foil),
        (label, paper),
    ):
        shading = ramp(
            right / 0.28 + 0.5, mix(tone, "#000000", 0.45), mix(tone, "#ffffff", 0.25), tone, mix(tone, "#000000", 0.55)
        )
        canvas.fill(canvas.mask(at(outline)), shading)
    ink_tone = "#c9a35a" if paper == "#2f2a2e" else "#7a1a24"
    with canvas.ink() as ink:
        ink.area(at(ellipse(0, -0.36, 0.045, 0.04)), ink_tone)
        for low, wide in ((-0.26, 0.09), (-0.225, 0.07), (-0.19, 0.05)):
            ink.line(at(arc(0, low, wide, 0.014, span=(math.pi, 0))), 0.007, mix(ink_tone, "#000000", 0.3))


def _glass(canvas: Canvas, at: Place) -> None:
    """Stand a stemmed glass about half full."""
    canvas.shade(1 - 0.4 * canvas.disc(at.x + 0.02, at.y + 0.005, at.size * 0.24, at.size * 0.05, soft=0.012))
    level = canvas.between(-0.74, -0.66)
    side = curve(
        [(0.17, -1.0), (0.215, -0.82), (0.225, -0.66), (0.17, -0.5), (0.05, -0.43), (0.014, -0.4)], closed=False
    )
    bowl = np.vstack([arc(0, -1.0, 0.17, 0.028, span=(math.pi, 2 * math.pi)), symmetric(side)])
    foot = symmetric(curve([(0.013, -0.42), (0.013, -0.1), (0.03, -0.05), (0.16, -0.005)], closed=False))
    for clear, share in ((bowl, 0.2), (foot, 0.5)):
        canvas.fill(canvas.mask(at(clear)), "#eef4f6", share)
    canvas.light(canvas.mask(at(ellipse(0, 0, 0.19, 0.04))) * 0.4, "#f4f8fa")
    right, low = at.grid()
    below = side[side[:, 1] > level] * (0.96, 1.0) + (0, -0.006)
    rim = float(np.interp(level, side[:, 1], side[:, 0])) * 0.96
    pool = np.vstack([arc(0, level, rim, 0.03, span=(math.pi, 2 * math.pi)), symmetric(below)])
    red = canvas.pick(["#7a0f22", "#8f1426", "#5f0c20"])
    depth: Floats = np.abs(right) / 0.23 + (low - level) * 0.5
    canvas.fill(canvas.mask(at(pool)), ramp(depth, mix(red, "#e8304a", 0.35), red, mix(red, "#000000", 0.45)), 0.96)
    canvas.fill(canvas.mask(at(ellipse(0, level, rim, 0.03))), mix(red, "#ff6a7a", 0.35), 0.9)
    with canvas.ink() as ink:
        for edge in (side, side * (-1, 1)):
            ink.line(at(edge), 0.005, "#ffffff", alpha=0.65)
        lip = ellipse(0, -1.0, 0.17, 0.028, n=40)
        ink.line(at(np.vstack([lip, lip[:1]])), 0.005, "#ffffff", alpha=0.85)
        ink.line(at(ellipse(0, 0, 0.19, 0.04, n=40)), 0.005, "#ffffff", alpha=0.7)
        ink.line(at([(-0.006, -0.4), (-0.006, -0.08)]), 0.006, "#ffffff", alpha=0.6)
        shine = curve([(-0.13, -0.94), (-0.17, -0.8), (-0.175, -0.66), (-0.13, -0.55)], closed=False)
        ink.line(at(shine), 0.016, "#ffffff", alpha=0.45)


def _grapes(canvas: Canvas, ink: Ink, x: float, y: float) -> None:
    """Lay a bunch of grapes."""
    skin = canvas.pick(["#4a2a5f", "#5f1f3a", "#8fae4a"])
    leaf(ink, x - 0.05, y - 0.09, 0.13, -2.4, colour="#4f7a34", narrow=0.8)
    for row, count in enumerate((3, 5, 6, 5, 3)):
        for index in range(count):
            at = x + (index - (count - 1) / 2) * 0.042 + canvas.between(-0.006, 0.006), y - 0.1 + row * 0.034
            grape = tinted(skin, canvas.dice, 0.03)
            ink.disc(*at, 0.027, mix(grape, "#000000", 0.35))
            ink.disc(at[0] - 0.003, at[1] - 0.004, 0.022, grape)
            ink.disc(at[0] - 0.009, at[1] - 0.01, 0.006, "#ffffff", alpha=0.7)
