"""Outlines in scene coordinates, each an array of points (N, 2): ellipses, curves, petals, ridges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from songlens_training.generated.colour import ASPECT, Floats, X, Y

Points = NDArray[np.float64]
_HALF_PETAL = [(0.0, 0.0), (0.35, 0.32), (0.7, 0.5), (0.93, 0.28), (1.0, 0.0)]
_HEART = [(0, 0.8), (-0.75, 0.05), (-0.72, -0.5), (-0.3, -0.62), (0, -0.3), (0.3, -0.62), (0.72, -0.5), (0.75, 0.05)]
_PETAL = np.array(_HALF_PETAL + [(x, -y) for x, y in _HALF_PETAL[-2:0:-1]])

PointsLike = Points | Sequence[tuple[float, float]]


def ellipse(x: float, y: float, rx: float, ry: float | None = None, *, turn: float = 0.0, n: int = 28) -> Points:
    """Return an ellipse (a circle without `ry`), turned by `turn` radians."""
    return placed(_circle(n) * (rx, rx if ry is None else ry), x, y, turn=turn)


@cache
def _circle(n: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def arc(x: float, y: float, rx: float, ry: float, *, span: tuple[float, float], n: int = 24) -> Points:
    """Return the open arc of an ellipse over a span of angles in radians (0 is right, pi/2 is down)."""
    angle = np.linspace(*span, n)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def placed(points: PointsLike, x: float, y: float, size: float = 1.0, turn: float = 0.0) -> Points:
    """Return points drawn around the origin, scaled, turned (radians, clockwise) and moved to (x, y)."""
    cos, sin = size * math.cos(turn), size * math.sin(turn)
    turned: Points = np.asarray(points, float) @ np.array([[cos, sin], [-sin, cos]])
    turned += (x, y)
    return turned


@dataclass(frozen=True)
class Place:
    """Where a figure drawn around the origin goes: call it with points of the figure.

    With `way` -1 the figure looks the other way, its left and right exchanged before it is turned.
    """

    x: float
    y: float
    size: float
    turn: float = 0.0
    way: int = 1

    def __call__(self, points: PointsLike) -> Points:
        """Return the figure's points as points of the scene."""
        return placed(np.asarray(points, float) * (self.way, 1), self.x, self.y, self.size, self.turn)

    def grid(self) -> tuple[Floats, Floats]:
        """Return every pixel's coordinates in the figure, across and down, each (H, W)."""
        cos, sin = math.cos(self.turn) / self.size, math.sin(self.turn) / self.size
        right, low = X - np.float32(self.x), Y - np.float32(self.y)
        across, down = right * np.float32(cos) + low * np.float32(sin), low * np.float32(cos) - right * np.float32(sin)
        return across * np.float32(self.way), down


def mirrored(points: PointsLike) -> Points:
    """Return the points mirrored left to right about x = 0."""
    return np.asarray(points, float) * (-1, 1)


def symmetric(half: PointsLike) -> Points:
    """Return the closed outline whose right half is given from top to bottom; the left half mirrors it."""
    right = np.asarray(half, float)
    return np.vstack([right, mirrored(right)[::-1]])


def curve(points: PointsLike, closed: bool = True, steps: int = 8) -> Points:
    """Return a smooth Catmull-Rom curve through the points."""
    p = np.asarray(points, float)
    ahead = np.roll(p, -1, axis=0) if closed else np.vstack([p[1:], p[-1:]])
    after = np.roll(p, -2, axis=0) if closed else np.vstack([p[2:], p[-1:], p[-1:]])
    before = np.roll(p, 1, axis=0) if closed else np.vstack([p[:1], p[:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]  # (1, S, 1)
    a, b, c, d = (q[:, None, :] for q in (before, p, ahead, after))  # each (N, 1, 2)
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    smooth: Points = line.reshape(-1, 2)
    return smooth if closed else smooth[: -(steps - 1)]


def tapered(spine: PointsLike, half: Sequence[float]) -> Points:
    """Return the outline of a limb: a smooth curve through `spine`, reaching `half` to either side of each point."""
    line = curve(spine, closed=False)  # (M, 2)
    reach = curve([(wide, 0.0) for wide in half], closed=False)[:, :1]  # (M, 1)
    along = np.gradient(line, axis=0)
    aside = along[:, ::-1] * (-1, 1) / np.hypot(along[:, :1], along[:, 1:]) * reach
    outline: Points = np.vstack([line + aside, (line - aside)[::-1]])
    return outline


def lathed(half: PointsLike) -> Points:
    """Return the outline of something turned on a lathe: a smooth curve through its right side, and its mirror."""
    return symmetric(curve(half, closed=False))


def petal(x: float, y: float, length: float, width: float, turn: float) -> Points:
    """Return a petal or leaf that grows from (x, y) in the direction `turn`, widest past its middle."""
    return placed(_PETAL * (length, width), x, y, turn=turn)


def heart(x: float, y: float, size: float, turn: float = 0.0) -> Points:
    """Return a heart about one and a half `size` wide around (x, y)."""
    return placed(curve(_HEART), x, y, size, turn)


def profile(rng: np.random.Generator, y: float, height: float, roughness: float = 0.5, *, waves: float = 3) -> Points:
    """Return a skyline from the left edge to the right (161 points): fractal noise around height `y`."""
    x = np.linspace(0, ASPECT, 161)
    rise = np.zeros_like(x)
    strength, frequency = 1.0, waves
    for _ in range(6):
        knots = rng.uniform(-1, 1, int(frequency) + 3)
        at = x / ASPECT * frequency + rng.uniform(0, 1)
        cell = at.astype(int)
        ease = (1 - np.cos(np.pi * (at - cell))) / 2
        rise += strength * (knots[cell] * (1 - ease) + knots[cell + 1] * ease)
        strength, frequency = strength * roughness, frequency * 2
    return np.stack([x, y + height * rise], axis=1)


def ground(skyline: PointsLike, bottom: float = 1.05) -> Points:
    """Return the area below a skyline, down to `bottom`."""
    line = np.asarray(skyline, float)
    return np.vstack([line, [(line[-1, 0], bottom), (line[0, 0], bottom)]])
