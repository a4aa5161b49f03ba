"""Scenes of things one keeps: envelope, camera."""

from __future__ import annotations

import math

import numpy as np

from songlens_training.generated.canvas import Canvas, Ink
from songlens_training.generated.colour import Colour, X, Y, mix, radial, ramp
from songlens_training.generated.scenery import bokeh, table, wall
from songlens_training.generated.shapes import Place, arc, curve, ellipse, heart, placed, symmetric

_PAPERS = ["#f4ecd8", "#fbf8f0", "#d9b98a", "#e8c8c0", "#c8d4dc", "#e4dcc0"]


def envelope(canvas: Canvas) -> None:
    """Paint a sealed paper envelope on a table from above, often a stamped letter or another envelope under it."""
    if canvas.chance(0.65):
        table(canvas, -0.4, canvas.pick(["#8a5a34", "#5f4030", "#a9713f", "#4f4a48"]))
    else:
        wall(canvas, canvas.pick(["#4f6a5a", "#6a3a3f", "#3f4f6f", "#8f8478"]), rough=0.2)
    turn, size = canvas.between(-0.35, 0.35), canvas.between(0.3, 0.36)
    x, y = canvas.between(0.6, 0.74), canvas.between(0.46, 0.54)
    under = canvas.pick(["letter", "envelope", "nothing"])
    if under == "letter":
        size, x, y = size * 0.88, x - 0.1, y + 0.1
        _letter(canvas, Place(x + 0.22, y - 0.24, size, turn + canvas.between(-0.1, 0.3)))
    elif under == "envelope":
        _envelope(canvas, Place(x, y, size, turn + canvas.pick([-1, 1]) * canvas.between(0.25, 0.5)))
    _envelope(canvas, Place(x, y, size, turn))
    canvas.finish(0.35)


def _envelope(canvas: Canvas, at: Place) -> None:
    """Lay down an envelope, its flaps up."""
    paper = canvas.pick(_PAPERS)
    _sheet(canvas, at, paper)
    with canvas.ink() as ink:
        _flaps(canvas, ink, at, paper)


def _letter(canvas: Canvas, at: Place) -> None:
    """Lay down an envelope, its address up."""
    _sheet(canvas, at, canvas.pick(_PAPERS))
    with canvas.ink() as ink:
        _address(canvas, ink, at)


def _sheet(canvas: Canvas, at: Place, paper: Colour) -> None:
    """Lay down an envelope's blank rectangle, 3 by 2, with its shadow."""
    outline = [(-1.5, -1.0), (1.5, -1.0), (1.5, 1.0), (-1.5, 1.0)]
    shadow = Place(at.x + 0.02, at.y + 0.025, at.size, at.turn)
    canvas.shade(1 - 0.55 * canvas.mask(shadow(outline), 0.015))
    fibre = canvas.noise(80, 1, 2)
    canvas.fill(canvas.mask(at(outline)), ramp(fibre, mix(paper, "#6a5030", 0.08), paper, mix(paper, "#ffffff", 0.2)))


def _flaps(canvas: Canvas, ink: Ink, at: Place, paper: Colour) -> None:
    """Fold the four flaps over the back, and seal them with wax or a heart."""
    tip = canvas.between(0.02, 0.25)
    fold, shade = mix(paper, "#4a3018", 0.4), mix(paper, "#4a3018", 0.12)
    for side in (-1, 1):
        ink.area(at([(side * 1.5, -1.0), (0.0, 0.08), (side * 1.5, 1.0)]), shade)
    ink.area(at([(-1.5, 1.0), (-0.08, -0.08), (0.08, -0.08), (1.5, 1.0)]), mix(paper, "#ffffff", 0.2))
    ink.line(at([(-1.5, 1.0), (-0.08, -0.08), (0.08, -0.08), (1.5, 1.0)]), 0.005, fold)
    flap = np.array([(-1.5, -1.0), (-0.1, tip - 0.05), (0.0, tip), (0.1, tip - 0.05), (1.5, -1.0)])
    for drop in (0.07, 0.045, 0.02):
        ink.area(at(flap + np.array([0, drop])), "#2a1a0a", 0.12)
    ink.area(at(flap), mix(paper, "#ffffff", 0.35))
    ink.line(at(flap), 0.005, fold)
    wax = canvas.pick(["#a81c24", "#8a1a3a", "#2f4a7a", "#b8862e"])
    x, y = at([(0.0, tip - 0.06)])[0]
    seal = Place(x, y, at.size * 0.27, at.turn)
    if canvas.chance(0.65):
        _seal(canvas, ink, seal, wax)
    else:
        ink.area(heart(x, y, at.size * 0.3, at.turn), "#d8303a")


def _seal(canvas: Canvas, ink: Ink, at: Place, wax: Colour) -> None:
    """Press a seal into a ragged drop of wax."""
    angle = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    edge = np.array([1 + canvas.between(-0.1, 0.12) for _ in angle])
    drop = curve(np.stack([np.cos(angle) * edge, np.sin(angle) * edge], axis=1))
    ink.area(at(drop + 0.06), "#1a0a05", 0.4)
    ink.area(at(drop), mix(wax, "#000000", 0.25))
    ink.area(at(drop * 0.93 - 0.03), wax)
    for radius, tone in ((0.72, mix(wax, "#000000", 0.35)), (0.67, mix(wax, "#ffffff", 0.08))):
        ink.area(at(ellipse(0, 0, radius)), tone)
    for turn in np.linspace(0, 2 * math.pi, 6)[1:]:
        lobe = placed(ellipse(0.28, 0, 0.22, 0.11), 0, 0, 1.0, float(turn))
        ink.area(at(lobe), mix(wax, "#000000", 0.35))
    ink.line(at(arc(0, 0, 0.85, 0.85, span=(math.pi, 1.5 * math.pi))), 0.008, mix(wax, "#ffffff", 0.5), alpha=0.8)


def _address(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Write an address, stick a stamp, cancel it, and mostly border the letter for air mail."""
    if canvas.chance(0.7):
        _border(ink, at, canvas.pick([("#c8323a", "#2f5fa8"), ("#c8323a", "#3f7a4a")]))
    pen = canvas.pick(["#1f2f5a", "#2a2420", "#4a2a5a"])
    for row in range(canvas.pick([3, 4])):
        y, end = 0.0 + 0.23 * row, canvas.between(0.5, 1.1)
        x = np.arange(-0.55, end, 0.022)
        lift = np.array([canvas.between(-0.06, 0.06) for _ in x]) * (np.sin(x * 9 + row) > -0.75)
        ink.line(at(curve(np.stack([x, y + lift], axis=1), closed=False, steps=3)), 0.006, pen)
    _stamp(canvas, ink, at)


def _border(ink: Ink, at: Place, hues: tuple[str, str]) -> None:
    """Print slanted stripes of two colours along the four edges."""
    flat = np.array([(0.05, 0.0), (0.13, 0.0), (0.09, 0.08), (0.01, 0.08)])
    for index, step in enumerate(np.arange(20) * 0.15):
        for top in (-1.0, 0.92):
            ink.area(at(flat + np.array([step - 1.5, top])), hues[index % 2])
        for left in (-1.5, 1.42) if index < 13 else ():
            ink.area(at(flat[:, ::-1] + np.array([left, step - 1.0])), hues[index % 2])


def _stamp(canvas: Canvas, ink: Ink, at: Place) -> None:
    """Stick a perforated stamp with a little landscape in the corner and cancel it."""
    left, top, right, low = 0.86, -0.84, 1.34, -0.26
    ink.area(at([(left, top), (right, top), (right, low), (left, low)]), "#fffdf6")
    holes = [(x, y) for x in np.linspace(left, right, 8) for y in (top, low)]
    holes += [(x, y) for y in np.linspace(top, low, 9) for x in (left, right)]
    for x, y in holes:
        ink.area(at(ellipse(x, y, 0.022)), "#a89878")
    inner = (left + 0.06, top + 0.06, right - 0.06, low - 0.06)
    sky_tone, land = canvas.pick([("#8fc4e0", "#3f7a4a"), ("#f2b87a", "#7a3f4a"), ("#c8d8a8", "#4f6a9a")])
    ink.area(at([inner[:2], (inner[2], inner[1]), inner[2:], (inner[0], inner[3])]), sky_tone)
    ink.area(at([(inner[0], inner[3]), (1.02, -0.6), (1.12, -0.48), (1.2, -0.55), (inner[2], inner[3])]), land)
    ink.area(at(ellipse(1.2, -0.68, 0.045)), "#fff4c8")
    for radius in (0.27, 0.19):
        ring = ellipse(0.72, -0.5, radius, n=40)
        ink.line(at(np.vstack([ring, ring[:1]])), 0.006, "#3a3a44", alpha=0.65)
    for row in range(4):
        wave = np.linspace(0.2, 1.1, 24)
        ink.line(
            at(np.stack([wave, -0.62 + 0.08 * row + 0.02 * np.sin(wave * 24)], axis=1)), 0.005, "#3a3a44", alpha=0.5
        )


def camera(canvas: Canvas) -> None:
    """Paint a camera from the front on a table: black with a prism hump, or silver with leather."""
    wall(canvas, canvas.pick(["#7a8a94", "#b8a48c", "#4f5a60", "#8a6a5a", "#a8b8a8", "#5a4f5f"]))
    bokeh(canvas, ["#ffd9a0", "#ffffff", "#9fc0ff"], count=14, size=0.08, alpha=0.22)
    canvas.soften(0.02)
    table(canvas, canvas.between(0.62, 0.7), canvas.pick(["#a9713f", "#6f4a30", "#8a5a34", "#c9b090", "#4a4240"]))
    place = Place(canvas.between(0.58, 0.75), canvas.between(0.56, 0.6), canvas.between(0.4, 0.47))
    canvas.shade(1 - 0.6 * canvas.disc(place.x + 0.02, place.y + place.size * 0.57, place.size * 1.1, 0.045, soft=0.02))
    leather, metal = canvas.pick(
        [
            ("#1c1c20", "#2a2b30"),
            ("#1f1f22", "#c4c8cc"),
            ("#7a4426", "#c8ccd0"),
            ("#2f4a44", "#d0ccc0"),
            ("#6a2a2c", "#c4c8cc"),
        ]
    )
    if canvas.chance(0.5):
        _strap(canvas, place)
    _case(canvas, place, leather, metal)
    _lens(canvas, Place(place.x, place.y + 0.06 * place.size, place.size * canvas.between(0.4, 0.46)), metal)
    canvas.finish(0.35)


def _strap(canvas: Canvas, at: Place) -> None:
    """Let a strap hang from both lugs on to the table."""
    tone = canvas.pick(["#3a2418", "#1f1f24", "#7a3a2a"])
    for side in (-1, 1):
        path = curve(
            [(side * 1.0, -0.38), (side * 1.22, -0.3), (side * 1.3, 0.2), (side * 1.12, 0.62), (side * 0.5, 0.74)],
            closed=False,
        )
        canvas.fill(canvas.stroke(at(path), 0.05 * at.size), tone)


def _case(canvas: Canvas, at: Place, leather: Colour, metal: Colour) -> None:
    """Draw the body: grained leather between metal plates, finder, flash, dials."""
    right, low = at.grid()
    dark, light = mix(metal, "#000000", 0.45), mix(metal, "#ffffff", 0.5)
    plate = ramp((low + 0.62) / 1.2, light, metal, metal, dark)
    hump = [(-0.34, -0.42), (-0.22, -0.66), (0.22, -0.66), (0.34, -0.42)]
    top = symmetric([(0.9, -0.44), (0.98, -0.4), (1.0, -0.2)])
    with canvas.ink() as ink:
        for x, wide, tall in ((-0.72, 0.15, 0.1), (0.62, 0.12, 0.09), (0.84, 0.07, 0.06)):
            ink.area(
                at([(x - wide, -0.42), (x - wide, -0.44 - tall), (x + wide, -0.44 - tall), (x + wide, -0.42)]), dark
            )
            for groove in np.linspace(-wide, wide, 9):
                ink.line(at([(x + groove, -0.44), (x + groove, -0.44 - tall)]), 0.003, light)
    if canvas.chance(0.6):
        canvas.fill(canvas.mask(at(hump)), plate)
        canvas.fill(canvas.mask(at([(-0.14, -0.54), (0.14, -0.54), (0.16, -0.49), (-0.16, -0.49)])), dark)
    body = np.vstack([top, [(-1.0, 0.5), (-0.94, 0.56), (0.94, 0.56), (1.0, 0.5)]])
    canvas.fill(canvas.mask(at(body)), plate)
    grain = canvas.noise(160, 1)
    skin = ramp(grain * 0.4 + (low + 0.2) * 0.4, mix(leather, "#ffffff", 0.22), leather, mix(leather, "#000000", 0.4))
    canvas.fill(canvas.mask(at([(-1.0, -0.2), (1.0, -0.2), (1.0, 0.44), (-1.0, 0.44)])), skin)
    shading = np.clip(1.12 - np.abs(right + 0.2) * 0.4, 0.6, 1.1)
    canvas.shade(shading, canvas.mask(at(body)))
    with canvas.ink() as ink:
        for x, wide in ((0.6, 0.17), (-0.56, 0.12)):
            for grow, tone in ((0.03, "#1a1a1e"), (0.0, "#5a6a78")):
                ink.area(
                    at(
                        [
                            (x - wide - grow, -0.38 - grow),
                            (x + wide + grow, -0.38 - grow),
                            (x + wide + grow, -0.25 + grow),
                            (x - wide - grow, -0.25 + grow),
                        ]
                    ),
                    tone,
                )
            ink.area(
                at([(x - wide, -0.38), (x + wide * 0.2, -0.38), (x - wide * 0.5, -0.25), (x - wide, -0.25)]), "#b8ccd8"
            )
        ink.area(at(ellipse(0.84, -0.06, 0.035)), "#d8303a")


def _lens(canvas: Canvas, at: Place, metal: Colour) -> None:
    """Draw the lens, ring in ring, with coloured reflections in its glass."""
    x, y, size = at.x, at.y, at.size
    canvas.shade(1 - 0.5 * canvas.disc(x + 0.015, y + 0.02, size * 1.08, soft=0.012))
    slope = (X - x + (Y - y) * 1.4) / (3.2 * size) + 0.5
    for share, colours in (
        (1.05, (mix(metal, "#ffffff", 0.5), mix(metal, "#000000", 0.2), mix(metal, "#000000", 0.6))),
        (0.97, ("#4a4b50", "#1c1c20", "#0c0c0e")),
    ):
        canvas.fill(canvas.disc(x, y, size * share), ramp(slope, *colours))
    with canvas.ink() as ink:
        for share, tone in ((0.8, "#0a0a0c"), (0.78, "#35363c"), (0.71, "#17171b")):
            ink.disc(x, y, size * share, tone)
        for turn in np.linspace(0, 2 * math.pi, 48):
            spoke = Place(x, y, size, float(turn))
            ink.line(spoke([(0.83, 0), (0.95, 0)]), 0.004, "#5a5c62")
    coat = canvas.pick([("#7a4ac0", "#1a2a6a"), ("#2f8a8a", "#12304a"), ("#a8542a", "#3a1a3a")])
    glass = canvas.disc(x, y, size * 0.6)
    canvas.fill(glass, radial(x + size * 0.1, y + size * 0.12, size * 0.72, "#050508", "#0a0a14", coat[1], coat[0]))
    canvas.light(canvas.disc(x - size * 0.2, y - size * 0.24, size * 0.24, size * 0.15, soft=0.008) * 0.75, "#f4f8ff")
    canvas.light(canvas.disc(x + size * 0.2, y + size * 0.24, size * 0.1, soft=0.008) * 0.5, coat[0])
