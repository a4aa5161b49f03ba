"""Scenes of the road: car."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, down, mix, ramp
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NOON, Hour, grass, hills, sky, tree, water, wisps
from songlens_training.generated.shapes import Place, PointsLike, curve, ellipse


@dataclass(frozen=True)
class _Make:
    """A make of car, its nose to the right: the outline of its body, its panes, and its wheels."""

    body: PointsLike
    panes: tuple[PointsLike, ...]
    wheels: tuple[float, float]
    radius: float


_SALOON = _Make(
    [
        (1.0, -0.2),
        (0.99, -0.34),
        (0.9, -0.42),
        (0.66, -0.47),
        (0.44, -0.5),
        (0.14, -0.74),
        (-0.08, -0.78),
        (-0.34, -0.75),
        (-0.66, -0.53),
        (-0.9, -0.49),
        (-0.99, -0.42),
        (-1.0, -0.2),
        (-0.9, -0.13),
        (0.0, -0.12),
        (0.9, -0.13),
    ],
    (
        [(0.36, -0.5), (0.12, -0.69), (0.01, -0.715), (0.01, -0.5)],
        [(-0.04, -0.5), (-0.04, -0.72), (-0.3, -0.7), (-0.52, -0.53), (-0.5, -0.5)],
    ),
    (0.62, -0.62),
    0.19,
)


_BEETLE = _Make(
    [
        (0.9, -0.2),
        (0.94, -0.34),
        (0.82, -0.5),
        (0.6, -0.58),
        (0.42, -0.6),
        (0.24, -0.86),
        (-0.02, -0.94),
        (-0.34, -0.9),
        (-0.62, -0.7),
        (-0.84, -0.46),
        (-0.94, -0.22),
        (-0.84, -0.14),
        (0.0, -0.12),
        (0.8, -0.14),
    ],
    (
        [(0.33, -0.6), (0.19, -0.82), (0.07, -0.86), (0.07, -0.6)],
        [(0.0, -0.6), (0.0, -0.87), (-0.2, -0.86), (-0.4, -0.78), (-0.52, -0.6)],
    ),
    (0.56, -0.56),
    0.21,
)


_ESTATE = _Make(
    [
        (0.98, -0.2),
        (0.98, -0.42),
        (0.9, -0.52),
        (0.46, -0.57),
        (0.26, -0.88),
        (0.1, -0.93),
        (-0.8, -0.93),
        (-0.93, -0.84),
        (-0.98, -0.5),
        (-0.98, -0.2),
        (-0.9, -0.14),
        (0.0, -0.13),
        (0.9, -0.14),
    ],
    (
        [(0.36, -0.58), (0.19, -0.84), (0.06, -0.84), (0.06, -0.58)],
        [(0.0, -0.58), (0.0, -0.84), (-0.4, -0.84), (-0.4, -0.58)],
        [(-0.46, -0.58), (-0.46, -0.84), (-0.76, -0.84), (-0.84, -0.58)],
    ),
    (0.6, -0.6),
    0.22,
)


def car(canvas: Canvas) -> None:
    """Paint a car on a country road, by the sea or before hills, seen from the side."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    sky(canvas, hour, 0.6)
    wisps(canvas, hour, 0.5, 0.5)
    if canvas.chance(0.35):
        water(canvas, canvas.between(0.5, 0.58), "#2a6f96", mix(hour.sky[-1], "#ffffff", 0.2))
    else:
        _countryside(canvas, hour)
    kerb = canvas.between(0.64, 0.7)
    _road(canvas, kerb)
    make, size = canvas.pick([_SALOON, _BEETLE, _ESTATE]), canvas.between(0.44, 0.54)
    place = Place(canvas.between(0.6, 0.74), canvas.between(0.82, 0.9), size)
    canvas.shade(1 - 0.6 * canvas.disc(place.x, place.y + 0.005, size * 1.05, 0.03, soft=0.012))
    _coachwork(canvas, place, make, canvas.pick(["#c8262c", "#f0b51e", "#2f78b8", "#3d9a78", "#e9e4d6", "#7a3fa0"]))
    with canvas.ink() as ink:
        for wheel in make.wheels:
            _tyre(ink, place, wheel, make.radius)
    if canvas.chance(0.5):
        canvas.mirror()
    canvas.grade(mix(hour.tint, "#ffffff", 0.55))
    canvas.finish(0.2)


def _countryside(canvas: Canvas, hour: Hour) -> None:
    green = canvas.pick(["#6f9440", "#8a9a48", "#4f8550"])
    for index, level in enumerate((0.46, 0.56)):
        hills(canvas, hour, level, 0.06, green, far=0.5 - 0.25 * index)
    with canvas.ink() as ink:
        for _ in range(6):
            x, tall = canvas.between(0, ASPECT), canvas.between(0.1, 0.24)
            tree(canvas, ink, x, 0.66, tall, colour=mix(green, "#1f4a20", 0.4))


def _road(canvas: Canvas, kerb: float) -> None:
    """Lay tarmac from `kerb` down, a verge behind it and a broken line before."""
    with canvas.ink() as ink:
        grass(canvas, ink, kerb, 0.06, "#6a8a3c", count=120)
    canvas.fill(canvas.below(kerb), down(kerb, 1, "#7a7b7e", "#4c4d52"))
    canvas.shade(0.9 + 0.2 * canvas.noise(80, 1), canvas.below(kerb))
    with canvas.ink() as ink:
        ink.box((-0.1, kerb), (1.5, kerb + 0.014), "#d8d4c8")
        shift = canvas.between(0, 0.3)
        for dash in range(6):
            left = dash * 0.3 - shift
            ink.area([(left, 0.955), (left + 0.17, 0.955), (left + 0.165, 0.975), (left - 0.005, 0.975)], "#f2eedc")


def _coachwork(canvas: Canvas, at: Place, make: _Make, paint: Colour) -> None:
    """Draw the body, shining along its shoulder, with panes, doors, lamps and bumpers."""
    body = canvas.mask(at(curve(make.body)))
    _, low = at.grid()
    dark, light = mix(paint, "#0a0a14", 0.5), mix(paint, "#ffffff", 0.55)
    canvas.fill(body, ramp((low + 0.95) / 0.85, light, paint, mix(paint, "#ffffff", 0.2), light, paint, paint, dark))
    with canvas.ink() as ink:
        for pane in make.panes:
            ink.area(at(pane), "#22303c")
            glass = np.asarray(pane, float)
            middle = glass.mean(axis=0)
            ink.area(at((glass - middle) * 0.88 + middle), "#9fc4d8")
            ink.area(at((glass - middle) * (0.5, 0.88) + middle + (0.05, 0)), "#d5eaf2")
        for wheel in make.wheels:
            ink.area(at(ellipse(wheel, -make.radius, make.radius * 1.22)), "#141416")
        ink.area(at([(-1.02, -0.12), (-0.4, -0.06), (0.4, -0.06), (1.02, -0.12), (1.0, -0.18), (-1.0, -0.18)]), dark)
        for end in (0.965, -0.965):
            ink.line(at([(end * 0.93, -0.21), (end * 1.06, -0.21)]), 0.05 * at.size, "#c8ccd2")
        ink.area(at(ellipse(0.86, -0.36, 0.05, 0.045)), "#fff6cf")
        ink.area(at(ellipse(-0.84, -0.36, 0.035, 0.05)), "#e8352a")
        for seam in (0.03, 0.38, -0.42):
            ink.line(at([(seam, -0.53), (seam - 0.01, -0.18)]), 0.004, dark, alpha=0.7)
        for handle in (0.08, -0.34):
            ink.line(at([(handle, -0.44), (handle + 0.08, -0.44)]), 0.01, "#f2f2f0")


def _tyre(ink: Ink, at: Place, x: float, radius: float) -> None:
    """Draw a wheel: tyre, hub cap, bolts."""
    for share, tone in ((1.0, "#17171a"), (0.66, "#8d9299"), (0.58, "#d9dce0"), (0.3, "#7d8289"), (0.2, "#e6e8ea")):
        ink.area(at(ellipse(x, -radius, radius * share)), tone)
    for angle in np.linspace(0, 2 * math.pi, 7)[:-1]:
        hole = ellipse(x + 0.45 * radius * math.cos(angle), -radius + 0.45 * radius * math.sin(angle), 0.07 * radius)
        ink.area(at(hole), "#4a4d52")
