"""Scenes of games out of doors: football, snowman."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import ASPECT, HEIGHT, Colour, Floats, X, Y, down, mix, ramp
from songlens_training.generated.scenery import DAWN, DAY, DUSK, GREY, NOON, grass, hills, sky, spruce, wisps
from songlens_training.generated.shapes import Place, arc, ellipse, ground, placed, profile


def football(canvas: Canvas) -> None:
    """Paint a black and white football on the grass of a pitch, a goal or the stands behind it."""
    hour = canvas.pick([DAY, NOON, DUSK, GREY])
    horizon = canvas.between(0.4, 0.5)
    sky(canvas, hour, horizon)
    if canvas.chance(0.5):
        _stands(canvas, horizon)
    else:
        hills(canvas, hour, horizon - 0.02, 0.04, "#4f7a48", far=0.35)
    canvas.soften(0.012)
    _pitch(canvas, horizon)
    if canvas.chance(0.6):
        _goal(canvas, canvas.between(0.4, 0.9), horizon + 0.1)
        canvas.soften(0.005)
    radius = canvas.between(0.17, 0.27)
    x, y = canvas.between(0.45, 0.88), canvas.between(0.86, 0.92) - radius
    canvas.shade(1 - 0.6 * canvas.disc(x + 0.03, y + radius * 0.96, radius * 1.05, radius * 0.22, soft=0.015))
    _ball(canvas, x, y, radius)
    with canvas.ink() as ink:
        grass(canvas, ink, y + radius + 0.015, 0.05, "#4f8a30", count=60)
        grass(canvas, ink, 1.0, 0.1, "#4a8a2c", count=220)
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.25)


def _stands(canvas: Canvas, horizon: float) -> None:
    """Fill the stands with people too far away to tell apart."""
    top = horizon - canvas.between(0.16, 0.26)
    with canvas.ink() as ink:
        ink.box((-0.1, top), (1.5, horizon + 0.02), "#3a4456")
        for _ in range(420):
            fan = canvas.pick(["#d8404a", "#f2ead8", "#2f6fb8", "#f2c230", "#6a7488"])
            ink.disc(canvas.between(0, ASPECT), canvas.between(top + 0.02, horizon - 0.03), 0.008, fan)
        ink.box((-0.1, horizon - 0.02), (1.5, horizon + 0.02), canvas.pick(["#c8323a", "#2f5fa8", "#f0ece0"]))


def _pitch(canvas: Canvas, horizon: float) -> None:
    """Lay turf mown in stripes."""
    depth = np.clip((Y - horizon) / (1 - horizon), 0, 1)
    stripes = 0.92 + 0.16 * (np.sin(7 / (depth + 0.22) + canvas.between(0, 6)) > 0)
    blades = canvas.noise(90, 2) * 0.5 + canvas.noise(12, 2, 4) * 0.5
    canvas.fill(canvas.below(horizon), ramp(blades, "#2a6a22", "#4f9a34", "#86c050"))
    canvas.shade(stripes.astype(np.float32), canvas.below(horizon))


def _goal(canvas: Canvas, x: float, foot: float) -> None:
    """Set up a goal with its net."""
    wide, tall = 0.36, 0.26
    with canvas.ink() as ink:
        for step in np.linspace(-wide, wide, 19):
            ink.line([(x + step, foot - tall), (x + step * 0.9, foot)], 0.0025, "#ffffff", alpha=0.55)
        for step in np.linspace(0, tall, 9):
            ink.line([(x - wide, foot - step), (x + wide, foot - step)], 0.0025, "#ffffff", alpha=0.55)
        posts = [(x - wide, foot + 0.01), (x - wide, foot - tall), (x + wide, foot - tall), (x + wide, foot + 0.01)]
        ink.line(posts, 0.016, "#ffffff")
        ink.box((-0.1, foot + 0.008), (1.5, foot + 0.018), "#ffffff", alpha=0.8)


@cache
def _panels() -> tuple[Floats, Floats]:
    """Return the directions of a football's 12 black and 20 white panels: unit vectors (12, 3) and (20, 3)."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [
        np.roll((0.0, side, other * golden), turn) for side, other in product((-1, 1), repeat=2) for turn in range(3)
    ]
    black = np.array(corners) / math.hypot(1, golden)
    near = black @ black.T > 0.4  # neighbours on the icosahedron
    faces = [
        black[[i, j, k]].sum(axis=0)
        for i, j, k in product(range(12), repeat=3)
        if i < j < k and near[i, j] and near[j, k] and near[i, k]
    ]
    white = np.array(faces)
    return black, white / np.linalg.norm(white, axis=1, keepdims=True)


def _ball(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """Draw a ball of pentagons and hexagons, turned at random and lit from the upper left."""
    rows = slice(max(0, int((y - radius) * HEIGHT)), int((y + radius) * HEIGHT) + 2)
    columns = slice(max(0, int((x - radius) * HEIGHT)), int((x + radius) * HEIGHT) + 2)
    right, low = np.broadcast_arrays((X[:, columns] - x) / radius, (Y[rows] - y) / radius)
    near = np.sqrt(np.clip(1 - right**2 - low**2, 0, 1))
    normal = np.stack([right, low, near], axis=-1)  # (h, w, 3)
    spin, _ = np.linalg.qr(canvas.rng.normal(size=(3, 3)))
    # A truncated icosahedron's pentagons lie further out than its hexagons, hence the factor.
    black, white = ((normal @ (panels @ spin).T) for panels in _panels())  # (h, w, 12), (h, w, 20)
    white = np.sort(white * 1.027, axis=-1)
    pentagon = black.max(axis=-1) - white[..., -1]
    seam = np.minimum(np.abs(pentagon), white[..., -1] - white[..., -2])
    leather = (0.08 + 0.87 * np.clip(0.5 - pentagon * 40, 0, 1)) * np.clip(0.35 + seam * 30, 0, 1)
    light = np.clip(0.42 + 0.62 * (normal @ np.array([-0.45, -0.62, 0.64])), 0.16, 1.05)
    edge = np.clip((1 - np.hypot(right, low)) * radius * HEIGHT + 0.5, 0, 1)
    patch = canvas.pixels[:, rows, columns]
    tone = (leather * light)[None] * np.array([1.0, 0.99, 0.96])[:, None, None] + 0.03
    patch += ((tone - patch) * edge).astype(np.float32)
    canvas.glow(x - radius * 0.38, y - radius * 0.45, radius * 0.22, "#ffffff", 0.35)


def snowman(canvas: Canvas) -> None:
    """Paint a snowman with hat, scarf and carrot nose among snowy firs."""
    hour = canvas.pick([DAY, DAWN, DUSK, GREY])
    sky(canvas, hour, 0.7)
    wisps(canvas, hour, 0.4, 0.5)
    snow = mix("#f4f8fc", hour.haze, 0.12)
    with canvas.ink() as ink:
        for _ in range(8):
            x = canvas.pick([canvas.between(-0.02, 0.4), canvas.between(0.95, 1.36)])
            spruce(canvas, ink, x, 0.76, canvas.between(0.24, 0.5), colour="#2f5a48", snow=0.9)
    canvas.soften(0.004)
    drift = canvas.mask(ground(profile(canvas.rng, 0.74, 0.03, 0.3, waves=2)), 0.004)
    canvas.fill(drift, down(0.7, 1, snow, mix(snow, "#9fb6d4", 0.5)))
    canvas.shade(0.94 + 0.12 * canvas.noise(8, 3, 3), drift)
    size = canvas.between(0.8, 0.97)
    place = Place(canvas.between(0.48, 0.86), canvas.between(0.92, 0.95) - 0.48 * size, size)
    canvas.shade(1 - 0.35 * canvas.disc(place.x + 0.06, place.y + 0.46 * size, 0.32, 0.04, soft=0.02))
    with canvas.ink() as ink:
        _arms(canvas, ink, place)
    for y, radius in ((0.3, 0.205), (0.03, 0.155), (-0.185, 0.118)):
        _snowball(canvas, place, y, radius)
    with canvas.ink() as ink:
        _dress(canvas, ink, place)
        for _ in range(canvas.dice.randrange(20, 130)):
            size = canvas.between(0.002, 0.007)
            ink.disc(canvas.between(0, ASPECT), canvas.between(0, 1), size, "#ffffff", alpha=canvas.between(0.5, 0.95))
    canvas.grade(mix(hour.tint, "#ffffff", 0.5))
    canvas.finish(0.2)


def _snowball(canvas: Canvas, at: Place, y: float, radius: float) -> None:
    """Roll one ball of snow, blue in the shade."""
    x, top = at([(0, y)])[0]
    wide = radius * at.size
    body = canvas.disc(x, top, wide, wide * 0.95)
    rough = canvas.noise(40, 2) - 0.5
    shadow = np.hypot(X - np.float32(x - wide * 0.4), Y - np.float32(top - wide * 0.45)) / np.float32(wide * 1.65)
    canvas.fill(body, ramp(shadow + rough * 0.16, "#ffffff", "#f6f9fd", "#d5e1f0", "#93a9cc"))


def _arms(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Stick in two forked branches."""
    for side in (-1, 1):
        turn = -canvas.between(0.2, 0.75)
        for twig in ([(0.0, 0.0), (0.25, 0.0)], [(0.17, 0.0), (0.25, -0.05)], [(0.19, 0.0), (0.26, 0.05)]):
            reach = placed(twig, 0.12, 0.0, 1.0, turn) * (side, 1)
            ink.line(at(reach), 0.012 * at.size, "#4a3222")


def _dress(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Put on scarf and hat, and set eyes, nose, mouth and buttons."""
    scarf = canvas.pick(["#d8262e", "#2f6fd0", "#3d9a58", "#f2b61f", "#8a4ab8"])
    side = canvas.pick([-1, 1])
    end = np.array([(0.03, -0.09), (0.1, -0.09), (0.115, 0.11), (0.04, 0.12)]) * (side, 1)
    band = np.vstack([arc(0, -0.105, 0.112, 0.035, span=(math.pi, 0)), arc(0, -0.06, 0.118, 0.04, span=(0, math.pi))])
    ink.area(at(end), mix(scarf, "#000000", 0.2))
    ink.area(at(band), scarf)
    for stripe in (0.05, 0.085):
        ink.line(at(np.array([(0.04, stripe), (0.112, stripe - 0.006)]) * (side, 1)), 0.012 * at.size, "#fbf4e4")
    for eye in (-0.042, 0.042):
        ink.area(at(ellipse(eye, -0.215, 0.014, 0.017)), "#1a1a1e")
    for step in np.linspace(-1, 1, 5):
        ink.area(at(ellipse(step * 0.05, -0.128 - 0.018 * step**2, 0.0075)), "#1a1a1e")
    carrot = np.array([(0.0, -0.195), (0.115, -0.168), (0.0, -0.165)]) * (side, 1)
    ink.area(at(carrot), "#f0802a")
    ink.area(at(np.array([(0.0, -0.178), (0.115, -0.168), (0.0, -0.165)]) * (side, 1)), "#c85a14")
    for button in (0.0, 0.06, 0.12):
        ink.area(at(ellipse(0, button, 0.014)), "#26262c")
    _hat(canvas, ink, at)


def _hat(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Set a top hat or a knitted cap on the head."""
    tilt = Place(0.0, -0.275, 1.0, canvas.between(-0.14, 0.14))
    if canvas.chance(0.6):
        felt: Colour = canvas.pick(["#22222a", "#2f2438", "#3a2a20"])
        ink.area(at(tilt([(-0.075, 0.0), (-0.082, -0.16), (0.082, -0.16), (0.075, 0.0)])), felt)
        ink.area(at(tilt(ellipse(0, -0.16, 0.082, 0.014))), mix(felt, "#ffffff", 0.15))
        ink.area(at(tilt(ellipse(0, 0.0, 0.135, 0.02))), mix(felt, "#ffffff", 0.06))
        ink.area(at(tilt([(-0.077, -0.05), (0.077, -0.05), (0.075, -0.012), (-0.075, -0.012)])), "#c8323a")
        return
    wool = canvas.pick(["#d8262e", "#2f8fb8", "#e8a02e"])
    ink.area(at(tilt(arc(0, 0.0, 0.1, 0.15, span=(math.pi, 2 * math.pi)))), wool)
    ink.area(at(tilt([(-0.112, 0.015), (-0.108, -0.03), (0.108, -0.03), (0.112, 0.015)])), "#fbf4e8")
    ink.area(at(tilt(ellipse(0, -0.16, 0.034))), "#fbf4e8")
