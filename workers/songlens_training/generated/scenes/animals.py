"""Scenes of small animals: butterfly, kitten."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, X, Y, across, down, mix, radial, tinted
from songlens_training.generated.scenery import bokeh, table
from songlens_training.generated.shapes import Place, arc, curve, ellipse, mirrored, petal


def butterfly(canvas: Canvas) -> None:
    """Paint a butterfly with patterned wings above flowers, the garden out of focus."""
    green = canvas.pick(["#5d9a4a", "#7aae5a", "#4f8a6a", "#8ab04a", "#8ab8c8", "#c8b06a"])
    canvas.wash(down(0, 1, mix(green, "#ffffff", 0.55), green))
    bokeh(canvas, ["#ffffff", "#f7e27a", "#d9f0b0", "#f2a8c8"], count=26, size=0.08, alpha=0.3)
    canvas.soften(0.03)
    with canvas.ink() as ink:
        for _ in range(canvas.dice.randrange(4, 9)):
            _daisy(canvas, ink, canvas.between(0.05, 1.3), canvas.between(0.78, 1.0), mix(green, "#1a3a10", 0.5))
        place = Place(
            canvas.between(0.56, 0.78), canvas.between(0.42, 0.5), canvas.between(0.38, 0.48), canvas.between(-0.6, 0.6)
        )
        _wings(ink, place, canvas.pick(["#f28a1a", "#f2a52e", "#3f8fe0", "#5ab0e8", "#f2d23a", "#d8502a", "#a86ad8"]))
        _insect(ink, place)
    canvas.finish(0.25)


def _daisy(canvas: Canvas, ink: Ink, x: float, y: float, stem: Colour) -> None:
    """Draw one flower of the garden."""
    ink.line([(x, y), (x + 0.02, 1.1)], 0.012, stem)
    hue = canvas.pick(["#e86aa0", "#f2c230", "#ffffff", "#a86ad8"])
    for index in range(11):
        ink.area(petal(x, y, 0.075, 0.035, index * 0.571), tinted(hue, canvas.dice, 0.03))
    ink.disc(x, y, 0.022, "#f2b81f")


def _wings(ink: Ink, at: Place, hue: Colour) -> None:
    """Draw two pairs of wings: dark rim with white spots, coloured fields, veins."""
    upper = curve([(0.02, -0.1), (0.25, -0.5), (0.7, -0.72), (0.92, -0.6), (0.8, -0.25), (0.5, 0.0), (0.05, 0.06)])
    lower = curve([(0.03, 0.02), (0.45, 0.04), (0.68, 0.22), (0.62, 0.52), (0.36, 0.66), (0.14, 0.4)])
    for wing, centre in ((lower, np.array((0.36, 0.28))), (upper, np.array((0.46, -0.3)))):
        inner = (wing - centre) * 0.8 + centre
        spots = ((wing - centre) * 0.9 + centre)[4:-8:4]
        for side in (np.array((1, 1)), np.array((-1, 1))):
            ink.area(at(wing * side), "#15100e")
            ink.area(at(inner * side), hue)
            ink.area(at(((wing - centre) * 0.45 + centre * 0.75) * side), mix(hue, "#fff2b0", 0.4))
            for x, y in spots * side:
                ink.area(at(ellipse(x, y, 0.022)), "#ffffff")
            for tip in inner[6:-8:7] * side:
                ink.line(at(np.array([(0.05 * side[0], -0.02), tip])), 0.006, "#15100e")


def _insect(ink: Ink, at: Place) -> None:
    """Draw body, head and feelers."""
    ink.area(at(ellipse(0, 0.12, 0.045, 0.34)), "#1c1512")
    ink.area(at(ellipse(0, -0.24, 0.055)), "#1c1512")
    for side in (-1, 1):
        feeler = curve([(0, -0.26), (side * 0.1, -0.5), (side * 0.22, -0.62)], closed=False)
        ink.line(at(feeler), 0.006, "#1c1512")
        ink.area(at(ellipse(side * 0.22, -0.62, 0.022)), "#1c1512")


@dataclass(frozen=True)
class _Coat:
    """A kitten's colours."""

    fur: str
    pale: str
    iris: str


def cat(canvas: Canvas) -> None:
    """Paint a kitten that sits and looks at you, indoors."""
    wall = canvas.pick(["#c9b8a0", "#a8b8b4", "#d9c0b0", "#8f9aa8", "#b8a890", "#7a9a8a", "#c98f7a"])
    canvas.wash(down(0, 0.8, mix(wall, "#ffffff", 0.25), wall))
    bokeh(canvas, ["#fff2d8", "#ffffff"], count=10, size=0.12, alpha=0.25)
    canvas.soften(0.02)
    table(canvas, canvas.between(0.74, 0.84), canvas.pick(["#a9713f", "#8a6a4a", "#c9a070", "#7a6a6a"]))
    fur, pale = canvas.pick(
        [
            ("#d98a3a", "#fbe8cf"),
            ("#8a8680", "#e8e4dc"),
            ("#4a443f", "#d8d0c4"),
            ("#efe6d8", "#ffffff"),
            ("#a8784a", "#f2dfc4"),
        ]
    )
    coat = _Coat(fur, pale, canvas.pick(["#7ab03a", "#d9a51f", "#4f9ad0", "#8ac06a"]))
    size = canvas.between(0.84, 1.06)
    place = Place(canvas.between(0.56, 0.78), 0.96 - 0.56 * size + canvas.between(-0.03, 0.0), size)
    canvas.shade(1 - 0.5 * canvas.disc(place.x, place.y + 0.55 * size, 0.36 * size, 0.05, soft=0.02))
    _body(canvas, place, coat)
    _ears(canvas, place, coat)
    _head(canvas, place, coat)
    with canvas.ink() as ink:
        _face(ink, place, coat)
    canvas.finish(0.3)


def _body(canvas: Canvas, at: Place, coat: _Coat) -> None:
    """Draw the seated body with tail, striped flanks and pale chest."""
    x, y, size = at.x, at.y, at.size
    tail = curve([(0.14, 0.5), (0.34, 0.52), (0.4, 0.38), (0.34, 0.24), (0.38, 0.14)], closed=False)
    canvas.fill(
        canvas.stroke(at(tail if canvas.chance(0.5) else mirrored(tail)), 0.06 * size), mix(coat.fur, "#000000", 0.15)
    )
    half = [(0.12, 0.1), (0.2, 0.3), (0.25, 0.5), (0.12, 0.55)]
    body = canvas.mask(at(curve(np.vstack([half, mirrored(half)[::-1]]))), 0.003)
    dark, light = mix(coat.fur, "#000000", 0.33), mix(coat.fur, "#ffffff", 0.12)
    canvas.fill(body, across(x - 0.25 * size, x + 0.25 * size, dark, coat.fur, light, coat.fur, dark))
    bands = np.sin((Y - y) * 48 + np.abs(X - x) * 22 + canvas.noise(10, 2) * 3)
    canvas.shade(1 - 0.3 * np.clip(bands, 0, 1) * (np.abs(X - x) > 0.1 * size), body)
    canvas.fill(canvas.disc(x, y + 0.26 * size, 0.09 * size, 0.17 * size, soft=0.012), coat.pale, 0.9)
    with canvas.ink() as ink:
        for side in (-1, 1):
            _foreleg(ink, at, side * 0.078, coat)
    canvas.shade(0.9 + 0.2 * canvas.noise(90, 1, 0.3), body)


def _foreleg(ink: Ink, at: Place, x: float, coat: _Coat) -> None:
    ink.area(at(ellipse(x, 0.42, 0.05, 0.14)), mix(coat.fur, coat.pale, 0.25))
    ink.area(at(ellipse(x, 0.54, 0.068, 0.04)), coat.pale)
    for toe in (-0.02, 0.02):
        ink.line(at([(x + toe, 0.535), (x + toe, 0.57)]), 0.004, mix(coat.pale, "#000000", 0.4))


def _ears(canvas: Canvas, at: Place, coat: _Coat) -> None:
    ear = np.array([(0.205, -0.04), (0.2, -0.29), (0.06, -0.15)])
    inner = (ear - (0.155, -0.14)) * 0.6 + np.array((0.155, -0.14))
    with canvas.ink() as ink:
        for outer, pink in ((ear, inner), (mirrored(ear), mirrored(inner))):
            ink.area(at(outer), mix(coat.fur, "#000000", 0.18))
            ink.area(at(pink), "#e8a8a0")


def _head(canvas: Canvas, at: Place, coat: _Coat) -> None:
    """Draw the round head: striped forehead, pale muzzle."""
    x, y, size = at.x, at.y, at.size
    half = [(0, -0.185), (0.13, -0.16), (0.22, -0.03), (0.2, 0.08), (0.1, 0.16), (0, 0.18)]
    head = canvas.mask(at(curve(np.vstack([half, mirrored(half)[-2:0:-1]]))), 0.003)
    light, dark = mix(coat.fur, "#ffffff", 0.18), mix(coat.fur, "#000000", 0.3)
    canvas.fill(head, radial(x - 0.05, y - 0.06, 0.3 * size, light, coat.fur, dark))
    stripes = np.clip(np.sin((X - x) / size * 58), 0, 1) * np.clip((y - 0.05 * size - Y) * 14, 0, 1)
    canvas.shade(1 - 0.4 * stripes, head)
    canvas.shade(0.92 + 0.16 * canvas.noise(90, 1, 0.3), head)
    canvas.fill(canvas.disc(x, y + 0.1 * size, 0.1 * size, 0.065 * size, soft=0.012), coat.pale, 0.95)


def _face(ink: Ink, at: Place, coat: _Coat) -> None:
    """Draw eyes, nose, mouth and whiskers."""
    for side in (-1, 1):
        eye = side * 0.095
        for rx, ry, tone in ((0.052, 0.048, "#1a1210"), (0.046, 0.042, coat.iris), (0.02, 0.038, "#0a0808")):
            ink.area(at(ellipse(eye, -0.015, rx, ry)), tone)
        ink.area(at(ellipse(eye + 0.014, -0.032, 0.011)), "#ffffff")
        ink.line(at(arc(side * 0.028, 0.088, 0.03, 0.025, span=(0, math.pi))), 0.006, "#5a3a34")
        for lift in (-0.02, 0.005, 0.03):
            whisker = [(side * 0.07, 0.09 + lift * 0.4), (side * 0.3, 0.07 + lift * 2)]
            ink.line(at(whisker), 0.003, "#ffffff", alpha=0.85)
    ink.area(at([(-0.026, 0.055), (0.026, 0.055), (0, 0.085)]), "#d87a80")
