"""Boxes in perspective, for furniture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from songlens_training.generated.canvas import Ink
from songlens_training.generated.colour import Colour, mix
from songlens_training.generated.shapes import Points

_LIGHT = np.array([-0.45, 0.8, 0.4]) / math.sqrt(0.45**2 + 0.8**2 + 0.4**2)
"""Where the light comes from, as the eye sees it: from the left, above and a little from the front."""


@dataclass(frozen=True)
class Box:
    """A box of a piece of furniture: `low` and `high` corner (x right, y up, z towards the eye), and its colour."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour


@dataclass(frozen=True)
class Eye:
    """Where a piece of furniture stands in the picture and how it is looked at.

    The origin of its coordinates appears at (x, y), one unit there is `size` long; it is turned by `yaw` about the
    vertical and seen from above by `pitch` (radians), from `away` units off.
    """

    x: float
    y: float
    size: float
    yaw: float
    pitch: float
    away: float = 4.5

    def turned(self, points: Points) -> Points:
        """Return points (..., 3) as the eye sees them: right, up, towards the eye."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        tip, dip = math.cos(self.pitch), math.sin(self.pitch)
        about = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
        over = np.array([[1, 0, 0], [0, tip, -dip], [0, dip, tip]])
        turned: Points = points @ (over @ about).T
        return turned

    def seen(self, points: Points) -> Points:
        """Return points (N, 3) as points of the scene (N, 2)."""
        right, up, near = self.turned(points).T
        zoom = self.size * self.away / (self.away - near)
        return np.stack([self.x + right * zoom, self.y - up * zoom], axis=1)


def draw(ink: Ink, eye: Eye, boxes: Iterable[Box]) -> None:
    """Draw boxes, the furthest first, each face as light as it is turned to the light."""
    for box in sorted(boxes, key=lambda box: _nearness(eye, box)):
        _draw_box(ink, eye, box)


def _nearness(eye: Eye, box: Box) -> float:
    return float(eye.turned((np.array(box.low) + np.array(box.high)) / 2)[2])


def _draw_box(ink: Ink, eye: Eye, box: Box) -> None:
    ends = np.array([box.low, box.high], float)
    middle = ends.mean(axis=0)
    for axis, side in product(range(3), (0, 1)):
        normal = np.zeros(3)
        normal[axis] = 2 * side - 1
        centre = middle.copy()
        centre[axis] = ends[side, axis]
        facing = eye.turned(normal)
        if facing @ (np.array([0, 0, eye.away]) - eye.turned(centre)) <= 0:
            continue
        first, second = (other for other in range(3) if other != axis)
        corners = np.repeat(centre[None], 4, axis=0)
        corners[:, first] = ends[[0, 1, 1, 0], first]
        corners[:, second] = ends[[0, 0, 1, 1], second]
        light = 0.5 + 0.75 * float(facing @ _LIGHT)
        tone = mix(box.colour, "#120a06", 1 - light) if light < 1 else mix(box.colour, "#fff4e0", light - 1)
        ink.area(eye.seen(corners), tone)
