"""Colours and colour fields: hex names, mixes and gradients, channels in 0..1, sRGB as displayed."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""float32 wherever whole pictures are concerned."""
Channels = tuple[float, float, float]
Colour = str | Channels
"""One colour: `"#rrggbb"` or three channels."""
Paint = Colour | Floats
"""One colour, or a colour for every pixel: an array that broadcasts to (3, H, W).

Channels come first because a mask (H, W) then multiplies whole rows at a time, three times as quick.
"""

WIDTH, HEIGHT = 320, 240
ASPECT = WIDTH / HEIGHT
"""Scene coordinates: y runs down from 0 to 1, x runs right from 0 to ASPECT, so circles stay round."""

X: Floats = ((np.arange(WIDTH) + 0.5) / HEIGHT).astype(np.float32)[None, :]  # (1, W)
Y: Floats = ((np.arange(HEIGHT) + 0.5) / HEIGHT).astype(np.float32)[:, None]  # (H, 1)
ONES: Floats = np.ones((HEIGHT, WIDTH), np.float32)

_STEPS = 512


@lru_cache(maxsize=1024)
def _hex(text: str) -> Channels:
    return int(text[1:3], 16) / 255, int(text[3:5], 16) / 255, int(text[5:7], 16) / 255


def rgb(colour: Colour) -> Channels:
    """Return the three channels of a colour."""
    return _hex(colour) if isinstance(colour, str) else colour


def pigment(paint: Paint) -> Floats:
    """Return a paint as an array that broadcasts to (3, H, W)."""
    return paint if isinstance(paint, np.ndarray) else np.array(rgb(paint), np.float32)[:, None, None]


def mix(first: Colour, second: Colour, share: float) -> Channels:
    """Return `first` with `share` (0..1) of `second` stirred in."""
    (r, g, b), (s, h, c) = rgb(first), rgb(second)
    return r + (s - r) * share, g + (h - g) * share, b + (c - b) * share


def tinted(colour: Colour, dice: random.Random, spread: float = 0.06) -> Channels:
    """Return the colour, a little lighter or darker and a little off its hue: no two leaves are alike."""
    r, g, b = rgb(colour)
    shift, hue = dice.gauss(0, spread), dice.gauss(0, spread / 2)
    return r + shift + hue, g + shift, b + shift - hue


def ramp(where: Floats, *colours: Colour) -> Floats:
    """Return evenly spaced `colours` looked up at `where` (h, w), clipped to 0..1: (3, h, w)."""
    at = np.linspace(0, 1, _STEPS)
    knots = np.linspace(0, 1, len(colours))
    channels = [np.interp(at, knots, channel) for channel in zip(*map(rgb, colours), strict=True)]
    table = np.array(channels, np.float32)  # (3, STEPS)
    rows = np.clip(where * np.float32(_STEPS - 1) + np.float32(0.5), 0, _STEPS - 1).astype(np.int32)
    looked_up: Floats = table.take(rows, axis=1)
    return looked_up


def down(top: float, bottom: float, *colours: Colour) -> Floats:
    """Return a vertical gradient (3, H, 1) between two heights."""
    return ramp((Y - np.float32(top)) / np.float32(bottom - top), *colours)


def across(left: float, right: float, *colours: Colour) -> Floats:
    """Return a horizontal gradient (3, 1, W); with dark ends it makes a flat shape a round pillar."""
    return ramp((X - np.float32(left)) / np.float32(right - left), *colours)


def radial(x: float, y: float, radius: float, *colours: Colour) -> Floats:
    """Return a round gradient (3, H, W), the first colour at its centre; it makes a disc a ball."""
    return ramp(distance(x, y) / np.float32(radius), *colours)


def distance(x: float, y: float, stretch: float = 1.0) -> Floats:
    """Return each pixel's distance (H, W) to a point; `stretch` > 1 widens the rings sideways."""
    rings: Floats = np.hypot((X - np.float32(x)) / np.float32(stretch), Y - np.float32(y))
    return rings
