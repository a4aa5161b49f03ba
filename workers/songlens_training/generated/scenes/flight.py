"""Scenes of what flies: swallow, aeroplane."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, Colour, down, mix, tinted
from songlens_training.generated.scenery import DAWN, DAY, DUSK, GREY, NOON, bokeh, cumulus, leaf, sky, wisps
from songlens_training.generated.shapes import Place, curve, ellipse, tapered

_WING = curve(
    [(0.04, -0.16), (0.22, -0.24), (0.46, -0.2), (0.8, 0.12), (0.98, 0.42), (0.62, 0.16), (0.3, 0.04), (0.06, 0.08)]
)
_TAIL = curve([(0.0, 0.2), (0.07, 0.26), (0.2, 0.6), (0.24, 0.9), (0.12, 0.6), (0.0, 0.38)])


def swallow(canvas: Canvas) -> None:
    """Paint swallows with forked tails, one near, gliding through a spring sky past willow twigs."""
    above, below = canvas.pick(
        [("#7ab4e6", "#e4f1f8"), ("#a8c8e0", "#f8eed8"), ("#9ccfd8", "#e8f6e0"), ("#b0b8d8", "#f6e2d4")]
    )
    canvas.wash(down(0, 1, above, below))
    bokeh(canvas, ["#ffffff", "#d8f0c0", "#c0e4a0"], count=14, size=0.09, alpha=0.3)
    canvas.soften(0.02)
    with canvas.ink() as ink:
        side = canvas.pick([-1, 1])
        for index in range(canvas.dice.randrange(3, 6)):
            _willow_twig(canvas, ink, 0.667 + side * (0.64 - 0.11 * index + canvas.between(-0.03, 0.03)))
        for _ in range(canvas.dice.randrange(4)):
            x, y = canvas.between(0.1, 1.2), canvas.pick([canvas.between(0.08, 0.2), canvas.between(0.8, 0.9)])
            _bird(ink, Place(x, y, canvas.between(0.07, 0.12), canvas.between(-1.4, 1.4)), "#2a3450")
    x, y = 0.667 - side * canvas.between(0.0, 0.14), canvas.between(0.46, 0.56)
    with canvas.ink() as ink:
        _bird(
            ink,
            Place(x, y, canvas.between(0.42, 0.54), canvas.between(-0.9, 0.9)),
            canvas.pick(["#1a2344", "#141c38", "#22305a"]),
        )
    canvas.finish(0.15)


def _willow_twig(canvas: Canvas, ink: Ink, x: float) -> None:
    """Hang one willow twig from the upper edge."""
    length, sway = canvas.between(0.4, 0.85), canvas.between(-0.08, 0.08)
    path = curve([(x, -0.05), (x + sway * 0.3, length * 0.5), (x + sway, length)], closed=False, steps=9)
    ink.line(path, 0.005, "#6a7a3a")
    green = canvas.pick(["#7ab648", "#93c45a", "#68a83c"])
    for index, (px, py) in enumerate(path[1:]):
        turn = math.pi / 2 + (0.6 if index % 2 else -0.6) + canvas.between(-0.2, 0.2)
        leaf(ink, px, py, canvas.between(0.06, 0.1), turn, colour=tinted(green, canvas.dice), narrow=0.2)


def _bird(ink: Ink, at: Place, back: Colour) -> None:
    """Draw one swallow from below: sickle wings, forked tail, cream belly, rust throat."""
    sheen = mix(back, "#5a7ac8", 0.35)
    for flip in (np.array((1, 1)), np.array((-1, 1))):
        ink.area(at(_TAIL * flip), back)
        ink.area(at(_WING * flip), back)
        for share in (0.35, 0.55, 0.75):
            tip = np.array((0.06 + 0.9 * share, 0.38 * share**1.4 + 0.02)) * flip
            ink.line(at([np.array((0.1, -0.08)) * flip + tip * 0.35, tip]), 0.008 * at.size, sheen)
    ink.area(at(tapered([(0, -0.4), (0, -0.26), (0, -0.05), (0, 0.15), (0, 0.3)], (0.05, 0.1, 0.13, 0.1, 0.04))), back)
    ink.area(at(tapered([(0, -0.22), (0, -0.05), (0, 0.15), (0, 0.28)], (0.06, 0.095, 0.075, 0.02))), "#f4e9d6")
    ink.area(at(ellipse(0, -0.38, 0.085, 0.1)), back)
    ink.area(at(ellipse(0, -0.32, 0.062, 0.07)), "#b04a22")
    ink.area(at([(-0.03, -0.46), (0.03, -0.46), (0, -0.55)]), "#20201f")
    for side in (-1, 1):
        ink.area(at(ellipse(0.055 * side, -0.42, 0.014)), "#f8f8f8")


def aeroplane(canvas: Canvas) -> None:
    """Paint an airliner in flight above the clouds."""
    hour = canvas.pick([DAY, NOON, NOON, DAWN, DUSK, GREY])
    sky(canvas, hour, 1.0)
    wisps(canvas, hour, 0.6, canvas.between(0.4, 1.0))
    if canvas.chance(0.6):
        cumulus(canvas, hour, [(canvas.between(0, ASPECT), canvas.between(0.85, 1.0), canvas.between(0.2, 0.34))])
    way, x, y = canvas.pick([-1, 1]), 0.667 + canvas.between(-0.06, 0.06), canvas.between(0.42, 0.54)
    at = Place(x, y, canvas.between(0.95, 1.15), -way * canvas.between(-0.08, 0.3), way)
    livery = canvas.pick(["#d8262e", "#1f4fa0", "#f08a1c", "#0f8a72", "#5a2f8a", "#e0b020"])
    with canvas.ink() as ink:
        _far_side(ink, at, livery)
    _fuselage(canvas, at, livery)
    with canvas.ink() as ink:
        _near_side(ink, at, livery)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.15)


def _far_side(ink: Ink, at: Place, livery: Colour) -> None:
    """Draw what the fuselage hides in part: far wing, far tailplane, fin."""
    ink.area(at([(0.1, -0.04), (-0.06, -0.2), (-0.12, -0.205), (-0.08, -0.04)]), "#8f98a4")
    ink.area(at([(-0.4, -0.04), (-0.48, -0.11), (-0.53, -0.11), (-0.49, -0.03)]), "#8f98a4")
    ink.area(at(curve([(-0.3, -0.055), (-0.4, -0.14), (-0.5, -0.27), (-0.56, -0.27), (-0.52, -0.03)])[:-4]), livery)
    ink.line(at([(-0.52, -0.25), (-0.48, -0.08)]), 0.012 * at.size, mix(livery, "#ffffff", 0.6))


def _fuselage(canvas: Canvas, at: Place, livery: Colour) -> None:
    """Draw the round hull with its stripe, windows and cockpit."""
    spine = [(-0.56, -0.035), (-0.4, -0.012), (-0.2, 0.0), (0.15, 0.0), (0.38, 0.0), (0.48, 0.008), (0.52, 0.014)]
    hull = canvas.mask(at(tapered(spine, (0.008, 0.04, 0.062, 0.066, 0.062, 0.036, 0.006))))
    top = at.y - 0.1 * at.size
    canvas.fill(hull, down(top, top + 0.22 * at.size, "#ffffff", "#f4f6f8", "#c4cad2", "#7f8894"))
    with canvas.ink() as ink:
        ink.line(at([(-0.5, 0.006), (-0.2, 0.018), (0.47, 0.022)]), 0.014 * at.size, livery)
        for index in range(22):
            ink.area(at(ellipse(-0.3 + index * 0.03, -0.012, 0.0065)), "#2f3a48")
        ink.area(at([(0.42, -0.04), (0.46, -0.032), (0.485, -0.012), (0.44, -0.012)]), "#1c2530")
        for door in (-0.35, 0.385):
            ink.line(at([(door, -0.03), (door, 0.035)]), 0.004 * at.size, "#8a929c")


def _near_side(ink: Ink, at: Place, livery: Colour) -> None:
    """Draw the near wing with its engine, and the near tailplane."""
    ink.area(at(ellipse(0.06, 0.115, 0.085, 0.034)), "#c9ced6")
    ink.area(at(ellipse(0.135, 0.115, 0.014, 0.032)), "#22262c")
    ink.area(at(ellipse(0.02, 0.115, 0.03, 0.032)), livery)
    ink.area(at([(0.14, 0.035), (-0.2, 0.28), (-0.27, 0.285), (-0.12, 0.04)]), "#dfe4ea")
    ink.area(at([(-0.04, 0.04), (-0.24, 0.284), (-0.27, 0.285), (-0.12, 0.04)]), "#aab2bd")
    ink.area(at([(-0.2, 0.28), (-0.27, 0.285), (-0.31, 0.24), (-0.285, 0.24)]), livery)
    ink.area(at([(-0.4, -0.02), (-0.52, 0.06), (-0.57, 0.06), (-0.51, -0.015)]), "#ccd2da")
