"""Scenes of music: violin."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, X, Y, mix, ramp, tinted
from songlens_training.generated.scenery import table
from songlens_training.generated.shapes import Place, curve, ellipse, symmetric

_HALF_VIOLIN = [
    (0.04, -0.3),
    (0.13, -0.295),
    (0.185, -0.22),
    (0.175, -0.13),
    (0.165, -0.105),
    (0.18, -0.09),
    (0.125, -0.04),
    (0.12, 0.03),
    (0.165, 0.09),
    (0.2, 0.1),
    (0.19, 0.125),
    (0.225, 0.22),
    (0.2, 0.32),
    (0.1, 0.365),
    (0.03, 0.37),
]


def violin(canvas: Canvas) -> None:
    """Paint a violin and its bow on velvet or on sheets of music."""
    if canvas.chance(0.5):
        _music(canvas)
    else:
        velvet = canvas.pick(["#5a1420", "#1f3a2c", "#22284f", "#3a2a4a"])
        folds = 0.5 + 0.5 * np.sin(canvas.noise(2, 2, 0.5) * 16 + X * 5 + Y * 2)
        canvas.wash(ramp(folds, mix(velvet, "#000000", 0.5), velvet, mix(velvet, "#ffffff", 0.16)))
    turn, size = canvas.pick([-1, 1]) * canvas.between(0.4, 1.1), canvas.between(0.78, 0.88)
    x, y = canvas.between(0.6, 0.72), canvas.between(0.48, 0.54)
    place = Place(x - 0.22 * size * math.sin(turn), y + 0.22 * size * math.cos(turn), size, turn)
    wood = canvas.pick(["#a8481c", "#8f3a18", "#b8622a", "#7a2f18"])
    body = curve(symmetric(_HALF_VIOLIN), steps=4)
    canvas.shade(1 - 0.55 * canvas.mask(Place(place.x + 0.03, place.y + 0.035, place.size, turn)(body), 0.018))
    canvas.fill(canvas.mask(place(body)), mix(wood, "#1a0803", 0.6))
    right, low = place.grid()
    grain = np.sin(right * 230 + canvas.noise(6, 2) * 5) * 0.1 + canvas.noise(14, 3) * 0.3
    arch = ramp(
        np.hypot(right, (low - 0.06) * 0.55) * 2.8 + grain,
        mix(wood, "#ffd890", 0.5),
        mix(wood, "#ffb050", 0.2),
        wood,
        mix(wood, "#1a0803", 0.45),
    )
    canvas.fill(canvas.mask(place(body * (0.94, 0.965) + (0, 0.001))), arch)
    with canvas.ink() as ink:
        _neck(ink, place, wood)
        _strings(ink, place)
    canvas.light(canvas.mask(place(ellipse(-0.1, 0.24, 0.05, 0.08)), 0.02) * 0.35, "#fff0d0")
    side = canvas.pick([-1, 1])
    with canvas.ink() as ink:
        _bow(
            ink,
            Place(
                place.x + side * 0.3 * math.cos(turn),
                place.y + side * 0.3 * math.sin(turn),
                place.size,
                turn + side * 0.1,
            ),
        )
    canvas.finish(0.35)


def _music(canvas: Canvas) -> None:
    """Spread sheets of music over a table."""
    table(canvas, -0.4, canvas.pick(["#5f4030", "#8a5a34", "#3f3430"]))
    for x, y in ((0.3, 0.4), (1.0, 0.55)):
        sheet = Place(x + canvas.between(-0.06, 0.06), y, 1.0, canvas.between(-0.4, 0.4))
        page = [(-0.38, -0.52), (0.38, -0.52), (0.38, 0.52), (-0.38, 0.52)]
        canvas.shade(1 - 0.45 * canvas.mask(sheet(np.array(page) + 0.015), 0.012))
        canvas.fill(canvas.mask(sheet(page)), tinted("#f2ead4", canvas.dice, 0.02))
        with canvas.ink() as ink:
            for staff in np.arange(-0.42, 0.45, 0.14):
                for row in range(5):
                    ink.line(sheet([(-0.33, staff + row * 0.014), (0.33, staff + row * 0.014)]), 0.002, "#4a443c")
                for step in range(12):
                    at, head = -0.28 + step * 0.052, staff + canvas.dice.randrange(8) * 0.007
                    ink.area(sheet(ellipse(at, head, 0.011, 0.008, n=10)), "#26221e")
                    ink.line(sheet([(at + 0.01, head), (at + 0.01, head - 0.045)]), 0.003, "#26221e")


def _neck(ink: Ink, at: Place, wood: Colour) -> None:
    """Draw neck, fingerboard, pegs and scroll, tailpiece and chin rest."""
    ebony = "#17130f"
    ink.area(at([(-0.024, -0.28), (-0.018, -0.72), (0.018, -0.72), (0.024, -0.28)]), mix(wood, "#1a0803", 0.3))
    for side in (-1, 1):
        for peg in (-0.735, -0.775):
            shift = 0.02 if side > 0 else 0.0
            ink.line(at([(0, peg - shift), (side * 0.06, peg - shift)]), 0.01, ebony)
            ink.area(at(ellipse(side * 0.07, peg - shift, 0.018, 0.013)), ebony)
    ink.area(at([(-0.017, -0.7), (-0.024, -0.8), (0.024, -0.8), (0.017, -0.7)]), mix(wood, "#1a0803", 0.2))
    for radius, tone in ((0.036, mix(wood, "#1a0803", 0.45)), (0.026, wood), (0.013, mix(wood, "#1a0803", 0.55))):
        ink.area(at(ellipse(0, -0.82, radius)), tone)
    ink.area(at([(-0.018, -0.71), (0.018, -0.71), (0.03, -0.06), (-0.03, -0.06)]), ebony)
    ink.area(at([(-0.028, 0.17), (0.028, 0.17), (0.018, 0.345), (-0.018, 0.345)]), ebony)
    ink.area(at(ellipse(-0.1, 0.31, 0.075, 0.052, turn=0.3)), ebony)
    ink.area(at(ellipse(-0.105, 0.305, 0.055, 0.034, turn=0.3)), "#3a322a")


def _strings(ink: Ink, at: Place) -> None:
    """Cut the f-holes, set the bridge and stretch four strings."""
    for side in (-1, 1):
        hole = curve(
            [(0.072, -0.055), (0.085, -0.04), (0.078, -0.01), (0.09, 0.05), (0.108, 0.1), (0.1, 0.125), (0.086, 0.115)],
            closed=False,
        )
        ink.line(at(hole * (side, 1)), 0.012 * at.size, "#160a05")
        for x, y in ((0.074, -0.05), (0.092, 0.112)):
            ink.area(at(ellipse(side * x, y, 0.012)), "#160a05")
    ink.area(at([(-0.05, 0.045), (-0.042, 0.022), (0.042, 0.022), (0.05, 0.045)]), "#e8c890")
    for string in (-1.5, -0.5, 0.5, 1.5):
        ink.line(
            at([(string * 0.008, -0.71), (string * 0.018, 0.03), (string * 0.012, 0.18)]), 0.0025, "#f4f0e4", alpha=0.9
        )


def _bow(ink: Ink, at: Place) -> None:
    """Lay down a bow: stick, hair, frog and tip."""
    ink.line(at([(0.03, 0.42), (0.026, -0.72)]), 0.01, "#160a05", alpha=0.35)
    ink.line(at([(-0.012, 0.38), (-0.012, -0.7)]), 0.009, "#f2ead4")
    ink.line(at(curve([(0.012, 0.42), (0.004, -0.1), (0.012, -0.72)], closed=False)), 0.012, "#5a2414")
    ink.area(at([(-0.02, 0.38), (0.012, 0.38), (0.012, 0.3), (-0.018, 0.31)]), "#17130f")
    ink.area(at([(-0.018, -0.69), (0.014, -0.73), (0.014, -0.66)]), "#f2ead4")
    ink.line(at([(0.012, 0.4), (0.012, 0.44)]), 0.014, "#c8ccd0")
