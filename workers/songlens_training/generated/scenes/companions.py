"""Scenes of animals that live with people: horse, puppy."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, across, down, mix, radial, ramp, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, NOON, grass, hills, sky, wisps
from songlens_training.generated.shapes import Place, Points, arc, curve, ellipse, mirrored, petal, tapered

Limb = tuple[tuple[float, float], ...]

_GALLOP: tuple[Limb, ...] = (
    ((0.24, 0.02), (0.42, 0.14), (0.58, 0.2), (0.66, 0.3)),
    ((-0.3, -0.02), (-0.3, 0.22), (-0.14, 0.32), (-0.18, 0.45)),
    ((0.26, 0.04), (0.4, 0.2), (0.3, 0.33), (0.22, 0.38)),
    ((-0.33, 0.0), (-0.44, 0.18), (-0.58, 0.26), (-0.68, 0.38)),
)
_TROT: tuple[Limb, ...] = (
    ((0.24, 0.02), (0.36, 0.2), (0.3, 0.34), (0.24, 0.42)),
    ((-0.3, -0.02), (-0.24, 0.2), (-0.18, 0.36), (-0.2, 0.52)),
    ((0.25, 0.04), (0.24, 0.22), (0.22, 0.38), (0.23, 0.54)),
    ((-0.34, 0.0), (-0.42, 0.2), (-0.5, 0.34), (-0.54, 0.48)),
)
"""Legs of a horse, far ones first, fore before hind: hip or shoulder, knee, fetlock, hoof."""


def horse(canvas: Canvas) -> None:
    """Paint a horse that gallops or trots over open country, mane and tail in the wind."""
    hour = canvas.pick([DAY, NOON, DAWN, DUSK])
    horizon = canvas.between(0.56, 0.68)
    sky(canvas, hour, horizon)
    wisps(canvas, hour, 0.6, horizon)
    hills(canvas, hour, horizon - 0.03, 0.05, "#5f7a6a", far=0.5)
    land = canvas.pick(["#7a9a48", "#b09a50", "#8a8f4a", "#c2a468"])
    canvas.fill(
        canvas.below(horizon, 0.01),
        ramp(canvas.noise(24, 2, 4), mix(land, "#2a2a10", 0.3), land, mix(land, "#fff0b0", 0.3)),
    )
    coat, hair = canvas.pick(
        [
            ("#8a4a22", "#1c120c"),
            ("#a8602e", "#e8d0a0"),
            ("#2c2422", "#0e0b0a"),
            ("#ece4d8", "#cfc4b4"),
            ("#6a3a20", "#2a1810"),
        ]
    )
    way, size = canvas.pick([-1, 1]), canvas.between(0.6, 0.74)
    at = Place(0.667 + way * canvas.between(0.0, 0.12), canvas.between(0.5, 0.56), size, 0.0, way)
    canvas.shade(1 - 0.5 * canvas.disc(at.x, at.y + 0.52 * size, 0.55 * size, 0.05 * size, soft=0.02))
    _horse_body(canvas, at, coat, hair, canvas.pick([_GALLOP, _GALLOP, _TROT]))
    with canvas.ink() as ink:
        grass(canvas, ink, 1.0, 0.12, mix(land, "#2a3a10", 0.3), count=130)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _horse_body(canvas: Canvas, at: Place, coat: str, hair: str, legs: tuple[Limb, ...]) -> None:
    """Draw far legs, tail, rounded trunk with neck and head, near legs, mane."""
    dark, light = mix(coat, "#000000", 0.4), mix(coat, "#ffffff", 0.22)
    wave = canvas.between(-0.06, 0.06)
    with canvas.ink() as ink:
        for index, leg in enumerate(legs[:2]):
            _leg(ink, at, leg, index, dark)
        tail = [(-0.42, -0.12), (-0.56, -0.14), (-0.7, -0.02 + wave), (-0.86, 0.06 + wave)]
        ink.area(at(tapered(tail, (0.03, 0.06, 0.07, 0.01))), hair)
        for index, leg in enumerate(legs[2:]):
            _leg(ink, at, leg, index, mix(coat, "#000000", 0.12))
    trunk = tapered(
        [(-0.47, -0.05), (-0.42, -0.05), (-0.3, -0.03), (-0.1, 0.0), (0.12, 0.0), (0.28, -0.04)],
        (0.02, 0.11, 0.155, 0.14, 0.155, 0.13),
    )
    neck = tapered([(0.2, -0.06), (0.36, -0.22), (0.46, -0.4)], (0.15, 0.11, 0.07))
    head = tapered([(0.43, -0.44), (0.52, -0.38), (0.62, -0.27), (0.67, -0.22)], (0.06, 0.068, 0.04, 0.036))
    body = np.maximum(canvas.mask(at(trunk)), np.maximum(canvas.mask(at(neck)), canvas.mask(at(head))))
    top = at.y - 0.42 * at.size
    canvas.fill(body, down(top, top + 0.6 * at.size, coat, light, coat, dark))
    with canvas.ink() as ink:
        _horse_head(canvas, ink, at, coat, hair)


def _leg(ink: Ink, at: Place, leg: Limb, kind: int, tone: Colour) -> None:
    """Draw one leg; a hind one (`kind` 1) has the thicker thigh."""
    ink.area(at(tapered(leg, ((0.075, 0.034, 0.02, 0.024), (0.12, 0.044, 0.022, 0.024))[kind])), tone)
    hoof, fetlock = np.array(leg[-1]), np.array(leg[-2])
    along = (hoof - fetlock) / np.hypot(*(hoof - fetlock))
    ink.area(at(tapered([hoof - along * 0.01, hoof + along * 0.03], (0.024, 0.036))), "#1a1512")


def _horse_head(canvas: Canvas, ink: Ink, at: Place, coat: Colour, hair: Colour) -> None:
    """Draw ears, eye, nostril, perhaps a blaze, and the mane from brow to withers."""
    for x in (0.42, 0.46):
        ink.area(at([(x - 0.03, -0.46), (x, -0.58), (x + 0.035, -0.47)]), mix(coat, "#000000", 0.15))
    ink.area(at(ellipse(0.51, -0.415, 0.014)), "#0c0908")
    ink.area(at(ellipse(0.665, -0.225, 0.01)), "#1a100c")
    if canvas.chance(0.4):
        ink.area(at([(0.52, -0.455), (0.545, -0.44), (0.66, -0.275), (0.64, -0.27)]), "#f4efe6")
    for step in np.linspace(0, 1, 16):
        x, y = 0.46 - 0.36 * step, -0.49 + 0.36 * step + 0.05 * math.sin(math.pi * step)
        length, turn = canvas.between(0.14, 0.24), math.pi - canvas.between(-0.5, 0.25)
        ink.area(at(petal(x, y, length, 0.05, turn)), tinted(hair, canvas.dice, 0.02))
    ink.area(at(petal(0.46, -0.5, 0.12, 0.04, 1.0)), hair)


def puppy(canvas: Canvas) -> None:
    """Paint a puppy with hanging ears and its tongue out, sitting on the lawn."""
    green = canvas.pick(["#6aa544", "#86b04a", "#5a9a5a", "#9ab050"])
    canvas.wash(
        down(
            0,
            0.75,
            mix(canvas.pick(["#a8d4f0", "#f2e6c0", "#c8e8c8"]), "#ffffff", 0.3),
            mix(green, "#ffffff", 0.25),
            green,
        )
    )
    canvas.light(np.clip(canvas.noise(6, 2) - 0.45, 0, 1) * 0.9, "#f0ffc8")
    top = canvas.between(0.68, 0.76)
    lawn = ramp(canvas.noise(60, 2), mix(green, "#123008", 0.35), green, mix(green, "#f0ffb0", 0.3))
    canvas.fill(canvas.below(top, 0.02), lawn)
    fur, patch, pale = canvas.pick(
        [
            ("#e0a858", "#b0742e", "#fbefd8"),
            ("#f4efe6", "#8a5430", "#ffffff"),
            ("#f2ede4", "#2c2826", "#ffffff"),
            ("#8a5a34", "#5a361c", "#e8d0b0"),
            ("#c98a4a", "#7a4a24", "#f6e6cc"),
        ]
    )
    size = canvas.between(0.82, 1.02)
    at = Place(canvas.between(0.54, 0.8), 0.94 - 0.53 * size, size, canvas.between(-0.05, 0.05))
    canvas.shade(1 - 0.45 * canvas.disc(at.x, at.y + 0.53 * size, 0.36 * size, 0.05, soft=0.02))
    _puppy_body(canvas, at, fur, pale)
    _puppy_head(canvas, at, fur, patch, pale)
    with canvas.ink() as ink:
        grass(canvas, ink, 1.01, 0.09, mix(green, "#1e4412", 0.3), count=130)
    canvas.finish(0.25)


def _both(points: Points) -> tuple[Points, Points]:
    return points, mirrored(points)


def _puppy_body(canvas: Canvas, at: Place, fur: str, pale: str) -> None:
    """Draw tail, hind paws, chest and forelegs, and a collar."""
    dark, light = mix(fur, "#000000", 0.3), mix(fur, "#ffffff", 0.2)
    with canvas.ink() as ink:
        tail = tapered([(0.18, 0.48), (0.3, 0.4), (0.33, 0.27)], (0.05, 0.045, 0.015))
        ink.area(at(tail if canvas.chance(0.5) else mirrored(tail)), dark)
        for thigh in _both(ellipse(0.17, 0.43, 0.12, 0.12)):
            ink.area(at(thigh), mix(fur, "#000000", 0.12))
        for paw in _both(ellipse(0.19, 0.53, 0.09, 0.04)):
            ink.area(at(paw), pale)
    half = np.array([(0.1, 0.05), (0.15, 0.22), (0.17, 0.4), (0.11, 0.52)])
    trunk = canvas.mask(at(curve(np.vstack([half, mirrored(half)[::-1]]))), 0.003)
    canvas.fill(trunk, across(at.x - 0.2 * at.size, at.x + 0.2 * at.size, dark, fur, light, fur, dark))
    canvas.fill(canvas.disc(at.x, at.y + 0.24 * at.size, 0.09 * at.size, 0.14 * at.size, soft=0.012), pale, 0.9)
    collar = canvas.pick(["#d8262e", "#2f6fd0", "#f2b81f", "#1f9a72"])
    with canvas.ink() as ink:
        for leg in _both(tapered([(0.075, 0.24), (0.085, 0.4), (0.085, 0.52)], (0.055, 0.05, 0.05))):
            ink.area(at(leg), mix(fur, pale, 0.35))
        for side in (-1, 1):
            ink.area(at(ellipse(side * 0.09, 0.535, 0.068, 0.04)), pale)
            for toe in (-0.022, 0.022):
                ink.line(at([(side * 0.09 + toe, 0.53), (side * 0.09 + toe, 0.565)]), 0.004, mix(pale, "#000000", 0.4))
        ink.area(at(tapered(arc(0, 0.06, 0.13, 0.1, span=(0.3, math.pi - 0.3), n=6), (0.02,) * 6)), collar)
        ink.area(at(ellipse(0, 0.18, 0.026)), "#f0c840")


def _puppy_head(canvas: Canvas, at: Place, fur: str, patch: str, pale: str) -> None:
    """Draw the broad head: ears that hang, a blunt muzzle, nose, tongue, dark eyes."""
    half = np.array([(0, -0.22), (0.12, -0.2), (0.2, -0.09), (0.2, 0.03), (0.13, 0.12), (0, 0.16)])
    head = canvas.mask(at(curve(np.vstack([half, mirrored(half)[-2:0:-1]]))), 0.003)
    x, y, size = at.x, at.y, at.size
    canvas.fill(head, radial(x - 0.04, y - 0.08, 0.32 * size, mix(fur, "#ffffff", 0.2), fur, mix(fur, "#000000", 0.25)))
    ear = curve([(0.1, -0.2), (0.2, -0.19), (0.29, -0.06), (0.3, 0.1), (0.24, 0.16), (0.18, 0.06), (0.17, -0.06)])
    with canvas.ink() as ink:
        if canvas.chance(0.5):
            ink.area(at(curve([(0.04, -0.1), (0.12, -0.13), (0.17, -0.05), (0.15, 0.04), (0.06, 0.03)])), patch)
        ink.area(at(curve([(0, -0.21), (0.035, -0.1), (0.05, 0.05), (-0.05, 0.05), (-0.035, -0.1)])), pale, 0.85)
        for flap in _both(ear):
            ink.area(at(flap), mix(patch, "#000000", 0.25))
            ink.area(at((flap - flap.mean(axis=0)) * 0.86 + flap.mean(axis=0)), patch)
        ink.area(at(curve([(-0.035, 0.12), (0.035, 0.12), (0.032, 0.2), (0, 0.225), (-0.032, 0.2)])), "#e8707a")
        ink.line(at([(0, 0.14), (0, 0.19)]), 0.004, "#b84a58")
        for side in (-1, 1):
            ink.area(at(ellipse(side * 0.055, 0.085, 0.075, 0.058)), pale)
            ink.line(at(arc(side * 0.04, 0.1, 0.04, 0.03, span=(0, math.pi), n=8)), 0.007, "#4a302a")
            ink.area(at(ellipse(side * 0.1, -0.035, 0.036, 0.04)), "#18100c")
            ink.area(at(ellipse(side * 0.1 + 0.012, -0.05, 0.011)), "#ffffff")
            ink.area(at(ellipse(side * 0.1, -0.11, 0.026, 0.012)), mix(fur, pale, 0.7))
        ink.area(at(curve([(-0.05, 0.015), (0.05, 0.015), (0.03, 0.06), (0, 0.075), (-0.03, 0.06)])), "#1c1412")
        ink.area(at(ellipse(-0.012, 0.027, 0.014, 0.007)), "#8a8080")
