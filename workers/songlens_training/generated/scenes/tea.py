"""Scenes of tea: teapot."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, Y, across, mix, ramp
from songlens_training.generated.scenery import bokeh, table, wall
from songlens_training.generated.shapes import Place, arc, curve, ellipse, lathed, petal

_POTS = [
    ("#7a3f2a", "clay"),
    ("#5a2f24", "clay"),
    ("#f6f4ee", "porcelain"),
    ("#eef2f4", "porcelain"),
    ("#8fb8a0", "celadon"),
    ("#2f3338", "iron"),
    ("#c8862e", "celadon"),
]


def teapot(canvas: Canvas) -> None:
    """Paint a teapot with spout, handle and lid, and small cups: clay, porcelain, celadon or iron."""
    wall(canvas, canvas.pick(["#8f9a84", "#c9b79a", "#6f5a4a", "#a8b4b4", "#d8c8b8", "#4f5f5a"]))
    bokeh(canvas, ["#ffffff", "#f7e8c0", "#c8d8b0"], count=10, size=0.09, alpha=0.22)
    canvas.soften(0.02)
    table(canvas, canvas.between(0.58, 0.66), canvas.pick(["#a9713f", "#6f4a30", "#8a5a34", "#3f2f28", "#c9a878"]))
    glaze, kind = canvas.pick(_POTS)
    place = Place(canvas.between(0.58, 0.74), canvas.between(0.76, 0.82), canvas.between(0.42, 0.5))
    canvas.shade(1 - 0.5 * canvas.disc(place.x + 0.02, place.y, place.size * 0.7, place.size * 0.12, soft=0.02))
    _pot(canvas, place, glaze, kind)
    for shift in canvas.pick([(0.78,), (0.66, 1.02), (-0.7, 0.78)]):
        _teacup(canvas, Place(place.x + shift * place.size, place.y + canvas.between(0.06, 0.1), place.size), glaze)
    _steam(canvas, place)
    if canvas.chance(0.5):
        canvas.mirror()
    canvas.finish(0.35)


def _pot(canvas: Canvas, at: Place, glaze: Colour, kind: str) -> None:
    """Draw the pot, its spout to the right: rounded by light, patterned if it is porcelain."""
    squat = canvas.between(0.85, 1.1)
    spout = [
        (0.36, -0.28),
        (0.56, -0.34),
        (0.66, -0.6),
        (0.8, -0.74),
        (0.85, -0.68),
        (0.76, -0.5),
        (0.68, -0.2),
        (0.36, -0.08),
    ]
    body = lathed([(0.26, -0.7 * squat), (0.42, -0.6 * squat), (0.53, -0.34 * squat), (0.44, -0.08), (0.26, 0.0)])
    dark, light = mix(glaze, "#0a0605", 0.5), mix(glaze, "#ffffff", 0.5)
    handle = arc(-0.5, -0.36 * squat, 0.28, 0.26, span=(math.pi * 0.42, math.pi * 1.62), n=30)
    canvas.fill(canvas.stroke(at(handle), 0.085 * at.size), mix(glaze, "#000000", 0.28))
    canvas.light(canvas.stroke(at(handle - 0.012), 0.025 * at.size, 0.004) * 0.35, "#ffffff")
    right, low = at.grid()
    canvas.fill(canvas.mask(at(curve(spout))), ramp((low - right * 0.6 + 1.25) / 0.7, light, glaze, dark))
    ball = np.hypot(right + 0.16, (low + 0.5 * squat) * 1.1) / 0.78
    mask = canvas.mask(at(body))
    canvas.fill(mask, ramp(ball, light, glaze, mix(glaze, "#000000", 0.15), dark))
    if kind == "porcelain":
        with canvas.ink() as ink:
            _pattern(canvas, ink, at, squat)
    elif kind == "iron":
        canvas.light(mask * np.clip(np.sin(right * 60) * np.sin(low * 60), 0, 1) * 0.25, "#b8c0c8")
    _lid(canvas, Place(at.x, at.y - 0.68 * squat * at.size, at.size), glaze)
    canvas.light(mask * np.clip(1 - np.hypot((right + 0.22) / 0.1, (low + 0.5 * squat) / 0.13), 0, 1) * 0.7, "#ffffff")


def _lid(canvas: Canvas, at: Place, glaze: Colour) -> None:
    shades = [mix(glaze, "#0a0605", 0.45), glaze, mix(glaze, "#ffffff", 0.45), glaze, mix(glaze, "#0a0605", 0.5)]
    lid = lathed([(0.06, -0.13), (0.2, -0.08), (0.3, 0.0), (0.28, 0.035)])
    wide = 0.3 * at.size
    for part in (ellipse(0, 0.02, 0.31, 0.04), lid, ellipse(0, -0.18, 0.065, 0.055)):
        canvas.fill(canvas.mask(at(part)), across(at.x - wide, at.x + wide, *shades))
    with canvas.ink() as ink:
        ink.line(at(arc(0, 0.02, 0.3, 0.035, span=(0.1, math.pi - 0.1))), 0.005, shades[0])


def _pattern(canvas: Canvas, ink: Ink, at: Place, squat: float) -> None:
    """Paint blue bands and a spray of flowers on white porcelain."""
    blue = canvas.pick(["#2a4f9a", "#3a5fa8", "#a83a3a"])
    for low, wide in ((-0.62, 0.38), (-0.06, 0.4)):
        ink.line(at(arc(0, low * squat, wide, 0.06, span=(0.15, math.pi - 0.15))), 0.008, blue, alpha=0.8)
    stem = curve([(-0.3, -0.16), (-0.1, -0.3), (0.1, -0.28), (0.3, -0.42)], closed=False) * (1, squat)
    ink.line(at(stem), 0.006, blue)
    for x, y in stem[3::5]:
        for side in (-1, 1):
            ink.area(at(petal(x, y, 0.08, 0.05, side * 1.2 - 0.5)), mix(blue, "#ffffff", 0.2))
    for x, y in (stem[4], stem[12], stem[20]):
        for angle in np.linspace(0, 2 * math.pi, 6)[1:]:
            ink.area(at(ellipse(x + 0.035 * math.cos(angle), y + 0.035 * math.sin(angle), 0.025)), blue, 0.85)
        ink.area(at(ellipse(x, y, 0.016)), "#f2d88a")


def _teacup(canvas: Canvas, at: Place, glaze: Colour) -> None:
    """Set down a small cup of tea without a handle."""
    canvas.shade(1 - 0.5 * canvas.disc(at.x + 0.01, at.y, at.size * 0.17, at.size * 0.035, soft=0.01))
    wide = 0.19 * at.size
    shades = [mix(glaze, "#0a0605", 0.45), glaze, mix(glaze, "#ffffff", 0.5), glaze, mix(glaze, "#0a0605", 0.5)]
    cup = lathed([(0.19, -0.2), (0.17, -0.08), (0.1, -0.02), (0.09, 0.01)])
    canvas.fill(canvas.mask(at(cup)), across(at.x - wide, at.x + wide, *shades))
    with canvas.ink() as ink:
        ink.area(at(ellipse(0, -0.2, 0.19, 0.042)), mix(glaze, "#ffffff", 0.45))
        ink.area(at(ellipse(0, -0.196, 0.165, 0.033)), "#a8702a")
        ink.area(at(ellipse(-0.03, -0.2, 0.08, 0.012)), "#d8a85a")


def _steam(canvas: Canvas, at: Place) -> None:
    """Let a thin curl of steam leave the spout."""
    sway, phase = canvas.between(0.015, 0.03), canvas.between(0, 6)
    x, y = at([(0.82, -0.76)])[0]
    path = [(x + sway * (1 + t) * math.sin(phase + 5 * t), y - 0.3 * t) for t in np.linspace(0, 1, 12)]
    fade = np.clip((Y - (y - 0.3)) / 0.2, 0, 1)
    canvas.light(canvas.stroke(path, 0.035, 0.016) * fade * 0.6, "#ffffff")
