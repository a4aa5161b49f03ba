"""Scenes by the water: sea, lighthouse, sailing boat."""

from __future__ import annotations

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, X, Y, across, mix, ramp
from songlens_training.generated.scenery import (
    DAWN,
    DAY,
    DUSK,
    GREY,
    NIGHT,
    NOON,
    cumulus,
    hills,
    sky,
    stars,
    water,
    wisps,
)
from songlens_training.generated.shapes import curve, ellipse, ground, placed, profile


def sea(canvas: Canvas) -> None:
    """Paint the open sea: a straight horizon, swell, and surf that runs up a beach."""
    hour = canvas.pick([DAY, NOON, GREY, DAWN])
    deep, shallow = canvas.pick([("#0d4f86", "#3fb0c4"), ("#0b5d78", "#52c2b8"), ("#1f4f74", "#5a9fb8")])
    horizon = canvas.between(0.28, 0.4)
    sky(canvas, hour, horizon)
    wisps(canvas, hour, 0.7, horizon)
    water(canvas, horizon, shallow, mix(deep, hour.haze, 0.15), 1.1)
    for level in (0.5, 0.6, 0.72):
        _breaker(canvas, horizon + (1 - horizon) * (level - 0.28), 0.012 + 0.035 * (level - 0.4), shallow)
    if canvas.chance(0.75):
        _beach(canvas, canvas.between(0.82, 0.9))
    with canvas.ink() as ink:
        for _ in range(canvas.dice.randrange(0, 5)):
            _gull(ink, canvas.between(0.15, 1.2), canvas.between(0.06, horizon - 0.04), canvas.between(0.02, 0.04))
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.15)


def _breaker(canvas: Canvas, y: float, height: float, shallow: Colour) -> None:
    """Roll one wave in: a lit green face under a crest of foam."""
    crest = profile(canvas.rng, y, height * 0.6, 0.4, waves=2)
    face = canvas.mask(np.vstack([crest, placed(crest[::-1], 0, height * 2.2)]), 0.004)
    canvas.fill(face, mix(shallow, "#e8fff5", 0.25), 0.7)
    foam = canvas.mask(
        np.vstack([placed(crest, 0, -height * 0.5), placed(crest[::-1], 0, height * 0.8)]), height * 0.25
    )
    canvas.fill(foam * np.clip((canvas.noise(50, 3, 2.5) - 0.3) * 4, 0, 1), "#ffffff", 0.95)


def _beach(canvas: Canvas, y: float) -> None:
    """Lay wet and dry sand in front, edged with lace of foam."""
    edge = profile(canvas.rng, y, 0.03, 0.35, waves=1.5)
    lace = np.clip((canvas.noise(34, 3, 2) - 0.25) * 3, 0, 1)
    canvas.fill(canvas.mask(ground(placed(edge, 0, -0.05)), 0.01) * lace, "#ffffff", 0.95)
    sand = canvas.pick(["#dcbf8c", "#e6d0a4", "#cfb07c"])
    canvas.fill(canvas.mask(ground(edge)), mix(sand, "#6d5130", 0.35))
    dry = ramp(canvas.noise(80, 2), mix(sand, "#8a6b40", 0.2), sand, mix(sand, "#ffffff", 0.2))
    canvas.fill(canvas.mask(ground(placed(edge, 0, 0.03)), 0.012), dry)


def _gull(ink: Ink, x: float, y: float, size: float) -> None:
    """Draw a gull far off: two bent strokes."""
    for side in (-1, 1):
        wing = curve(
            [(x, y), (x + side * size * 0.5, y - size * 0.45), (x + side * size, y - size * 0.15)], closed=False
        )
        ink.line(wing, 0.005, "#41505c")


def lighthouse(canvas: Canvas) -> None:
    """Paint a banded lighthouse on a rocky head; at night it throws its beam."""
    hour = canvas.pick([DAY, NOON, DUSK, NIGHT, DAWN])
    sky(canvas, hour, 0.75)
    stars(canvas, 90 if hour is NIGHT else 0, 0.7)
    wisps(canvas, hour, 0.5, 0.6)
    water(canvas, 0.76, mix("#1d5c86", hour.tint, 0.2), mix(hour.sky[-1], "#7fb4cc", 0.4), 1.0)
    x, top = canvas.between(0.5, 0.85), canvas.between(0.14, 0.2)
    _headland(canvas, x)
    canvas.grade(mix(hour.tint, "#ffffff", 0.45))
    if hour in (NIGHT, DUSK):
        _beam(canvas, x, top - 0.035)
    _tower(canvas, x, top, 0.83, 0.4 if hour is NIGHT else 0.85 if hour is DUSK else 1.0)
    canvas.glow(x, top - 0.03, 0.06, "#fff2b8", 1.0 if hour in (NIGHT, DUSK) else 0.35)
    canvas.finish(0.2)


def _headland(canvas: Canvas, x: float) -> None:
    """Pile rocks under the tower, foam at their feet."""
    canvas.fill(canvas.disc(x, 0.95, 0.62, 0.05, soft=0.015) * canvas.noise(40, 2, 3), "#ffffff", 0.9)
    mound = curve(
        [
            (x - 0.55, 1.0),
            (x - 0.38, 0.88),
            (x - 0.15, 0.82),
            (x + 0.15, 0.81),
            (x + 0.36, 0.87),
            (x + 0.55, 1.0),
            (x, 1.1),
        ]
    )
    canvas.fill(canvas.mask(mound), ramp((canvas.noise(26, 3) * 1.6 - 0.3), "#2b2a2c", "#6a655f", "#a49a8c"))
    grass = canvas.mask(
        np.array([(x - 0.3, 0.86), (x - 0.12, 0.815), (x + 0.15, 0.805), (x + 0.3, 0.85), (x, 0.88)]), 0.008
    )
    canvas.fill(grass, ramp(canvas.noise(60, 2), "#39572c", "#7a9a4a"))


def _tower(canvas: Canvas, x: float, top: float, base: float, brightness: float) -> None:
    """Raise the tower: bands of colour on a tapering round shaft, gallery, lantern, roof."""
    band, wide = canvas.pick(["#c8322e", "#c8322e", "#1f3f6e", "#22252a"]), canvas.between(0.075, 0.1)
    shaft = canvas.mask([(x - wide * 0.6, top), (x + wide * 0.6, top), (x + wide, base), (x - wide, base)])
    striped = (np.floor((Y - top) / (base - top) * canvas.pick([5, 7])) % 2 == 1).astype(np.float32)
    canvas.fill(shaft, "#f4f1ea")
    canvas.fill(shaft * striped, band)
    canvas.grade(1 - (1 - across(x - wide, x + wide, "#c4c4cc", "#ffffff", "#dcdce0", "#5a5c6a")) * shaft)
    with canvas.ink() as ink:
        ink.box((x - wide * 0.85, top - 0.015), (x + wide * 0.85, top + 0.008), "#26282c")
        ink.box((x - wide * 0.42, top - 0.07), (x + wide * 0.42, top - 0.015), "#ffedaa")
        for bar in (-0.42, -0.14, 0.14, 0.42):
            ink.line([(x + wide * bar, top - 0.07), (x + wide * bar, top - 0.015)], 0.006, "#26282c")
        ink.area(
            [(x - wide * 0.55, top - 0.07), (x, top - 0.13), (x + wide * 0.55, top - 0.07)], mix(band, "#000000", 0.15)
        )
        for share in (0.3, 0.62):
            ink.box((x - 0.012, top + (base - top) * share), (x + 0.012, top + (base - top) * share + 0.04), "#2b3440")
        ink.box((x - 0.022, base - 0.07), (x + 0.022, base), "#4a2f22")
    canvas.shade(
        brightness,
        canvas.mask([(x - wide, top - 0.13), (x + wide, top - 0.13), (x + wide, base), (x - wide, base)]) * shaft,
    )


def _beam(canvas: Canvas, x: float, y: float) -> None:
    """Sweep the beam of light to both sides."""
    for side in (-1, 1):
        tilt = canvas.between(-0.12, 0.05)
        cone = canvas.mask(
            [(x, y - 0.008), (x + side * 1.2, y - 0.12 + tilt), (x + side * 1.2, y + 0.12 + tilt), (x, y + 0.008)],
            0.008,
        )
        canvas.light(cone * np.clip(1 - np.abs(X - x) * 0.9, 0, 1) * 0.8, "#fff3bf")


def sailboat(canvas: Canvas) -> None:
    """Paint a sailing boat, heeling a little, on open water."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    horizon = canvas.between(0.55, 0.66)
    sky(canvas, hour, horizon)
    places = [
        (canvas.between(0, ASPECT), horizon - canvas.between(0.05, 0.3), canvas.between(0.14, 0.26)) for _ in range(2)
    ]
    cumulus(canvas, hour, places)
    hills(canvas, hour, horizon - 0.01, 0.02, "#5d7f86", far=0.6)
    water(canvas, horizon, canvas.pick(["#17608f", "#1c7a8c", "#2a5f86"]), mix(hour.sky[-1], "#6fb3cf", 0.5), 1.0)
    x, y, size = canvas.between(0.5, 0.85), horizon + canvas.between(0.12, 0.2), canvas.between(0.5, 0.68)
    _reflection(canvas, x, y, size)
    _boat(canvas, x, y, size)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.15)


def _reflection(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Break the reflection of the sails on the waves."""
    image = canvas.mask([(x - size * 0.3, y), (x + size * 0.35, y), (x + size * 0.05, y + size * 0.55)], 0.01)
    canvas.light(image * np.clip((canvas.noise(60, 2, 6) - 0.4) * 4, 0, 1) * 0.55, "#ffffff")


def _boat(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw hull, mast, mainsail and jib; the sails are shaded as the wind fills them."""
    turn, way = canvas.between(-0.12, 0.12), canvas.pick([-1, 1])

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(float(a), float(b)) for a, b in placed(np.array(points) * (way, 1), x, y, size, turn)]

    cloth = canvas.pick(["#fdfcf6", "#fdfcf6", "#f7ead0", "#d9503c"])
    main = curve(at((0.02, -0.98), (0.22, -0.6), (0.45, -0.17)), closed=False)
    jib = curve(at((-0.02, -0.9), (-0.2, -0.5), (-0.4, -0.1)), closed=False)
    sails = canvas.mask(np.vstack([main, at((0.02, -0.13))]))
    canvas.fill(
        sails, across(x - size * 0.1, x + size * 0.5, mix(cloth, "#7f8ea3", 0.35), cloth, mix(cloth, "#8f9bb0", 0.2))
    )
    front = canvas.mask(np.vstack([jib, at((-0.04, -0.14))]))
    canvas.fill(front, across(x - size * 0.4, x + size * 0.1, mix(cloth, "#ffffff", 0.3), mix(cloth, "#7f8ea3", 0.3)))
    hull = curve(at((-0.46, -0.09), (-0.3, 0.04), (0.0, 0.08), (0.3, 0.06), (0.4, -0.06)), closed=False)
    paint = canvas.pick(["#8a4b2a", "#f3f1ea", "#27476e", "#a83232"])
    with canvas.ink() as ink:
        ink.line(at((0.0, -1.02), (0.0, -0.05)), 0.012, "#6b4a2e")
        ink.line(at((0.0, -0.13), (0.47, -0.15)), 0.009, "#6b4a2e")
        ink.area(hull, paint)
        ink.line(at((-0.46, -0.085), (0.4, -0.055)), 0.012, mix(paint, "#ffffff", 0.6))
        ink.area(at((0.0, -1.02), (0.1, -0.99), (0.0, -0.96)), "#d23b3b")
    canvas.shade(0.6 + 0.4 * np.clip((y + 0.02 - Y) / 0.08, 0, 1), canvas.mask(hull))
    foam = canvas.mask(ellipse(x, y + size * 0.07, size * 0.45, 0.012), 0.006)
    canvas.fill(foam * canvas.noise(40, 2, 3), "#ffffff", 0.9)
