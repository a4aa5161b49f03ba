"""The canvas on which scenes are painted: washes, masks, light and ink.

Large soft things (skies, hills, water, glow) are float32 arrays at picture size; small sharp ones (leaves,
windows, spokes) are drawn with Pillow at twice the size and reduced, which smooths their edges.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from songlens_training.generated.colour import (
    ASPECT,
    HEIGHT,
    WIDTH,
    Colour,
    Floats,
    Paint,
    X,
    Y,
    distance,
    pigment,
    rgb,
)
from songlens_training.generated.shapes import PointsLike, ellipse

T = TypeVar("T")

SCALE = 2
_PIXELS = HEIGHT * SCALE
_COARSE_CELLS = 40
"""Noise no finer than this is made at half size: nobody sees the difference, and it costs a quarter."""
_WIDE_BLUR = 3.0
"""Edges softer than this, in pixels, are blurred at half size."""
_DRAWN = (WIDTH * SCALE, HEIGHT * SCALE)


def _flat(points: PointsLike) -> list[float]:
    if isinstance(points, np.ndarray):
        flat: list[float] = (points * _PIXELS).ravel().tolist()
        return flat
    return [v * _PIXELS for point in points for v in point]


def _ink(colour: Colour, alpha: float) -> tuple[int, int, int, int]:
    r, g, b = (min(255, max(0, int(v * 255 + 0.5))) for v in rgb(colour))
    return r, g, b, int(alpha * 255 + 0.5)


class Ink:
    """A pen for small sharp shapes, in scene coordinates; `alpha` (0..1) lets what lies below shine through."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def area(self, points: PointsLike, colour: Colour, alpha: float = 1.0) -> None:
        """Fill an outline."""
        self._draw.polygon(_flat(points), fill=_ink(colour, alpha))

    def disc(
        self, x: float, y: float, rx: float, colour: Colour, *, ry: float | None = None, alpha: float = 1.0
    ) -> None:
        """Fill an upright ellipse."""
        ry = rx if ry is None else ry
        self._draw.ellipse(_flat([(x - rx, y - ry), (x + rx, y + ry)]), fill=_ink(colour, alpha))

    def line(self, points: PointsLike, width: float, colour: Colour, *, alpha: float = 1.0) -> None:
        """Draw a line of `width` through points, its corners rounded."""
        pixels = max(1, round(width * _PIXELS))
        self._draw.line(_flat(points), fill=_ink(colour, alpha), width=pixels, joint="curve")

    def box(
        self, corner: tuple[float, float], opposite: tuple[float, float], colour: Colour, *, alpha: float = 1
    ) -> None:
        """Fill an upright rectangle between its upper left and lower right corner."""
        self._draw.rectangle(_flat([corner, opposite]), fill=_ink(colour, alpha))


class Canvas:
    """A picture being painted; `rng` is the only source of its variety.

    `dice`, seeded from `rng`, throws single numbers: it is ten times as quick at that as a numpy generator.
    `pixels` is (3, H, W) float32, nominally 0..1, sRGB as displayed.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.dice = random.Random(int(rng.integers(2**63)))
        self.pixels: Floats = np.zeros((3, HEIGHT, WIDTH), np.float32)

    # -- chance ------------------------------------------------------------------------------------------
    def between(self, low: float, high: float) -> float:
        """Return a number drawn evenly from a range."""
        return low + (high - low) * self.dice.random()

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return self.dice.choice(choices)

    def chance(self, share: float) -> bool:
        """Return whether something happens that does so in `share` of the pictures."""
        return self.dice.random() < share

    # -- masks (H, W), 0..1 ------------------------------------------------------------------------------
    def mask(self, points: PointsLike, soft: float = 0.0) -> Floats:
        """Return the mask of an outline, its edge blurred by `soft` (in picture heights)."""
        image = Image.new("L", _DRAWN)
        ImageDraw.Draw(image).polygon(_flat(points), fill=255)
        return _reduced(image, soft)

    def stroke(self, points: PointsLike, width: float, soft: float = 0.0) -> Floats:
        """Return the mask of a line of `width` through points."""
        image = Image.new("L", _DRAWN)
        ImageDraw.Draw(image).line(_flat(points), fill=255, width=max(1, round(width * _PIXELS)), joint="curve")
        return _reduced(image, soft)

    def disc(self, x: float, y: float, rx: float, ry: float | None = None, *, soft: float = 0.0) -> Floats:
        """Return the mask of an upright ellipse."""
        return self.mask(ellipse(x, y, rx, ry, n=64), soft)

    def below(self, y: float, soft: float = 0.0) -> Floats:
        """Return the mask of everything below a height."""
        return self.mask([(-0.1, y), (ASPECT + 0.1, y), (ASPECT + 0.1, 1.1), (-0.1, 1.1)], soft)

    def noise(self, cells: float, octaves: int = 3, stretch: float = 1.0) -> Floats:
        """Return fractal noise (H, W), about 0..1, with `cells` blobs in the height, `stretch` times as wide."""
        coarse = np.zeros((HEIGHT // 2, WIDTH // 2), np.float32)
        fine, weight, whole = None, 1.0, 0.0
        for _ in range(octaves):
            grid = self.rng.random((int(cells) + 2, int(cells * ASPECT / stretch) + 2), dtype=np.float32)
            if cells <= _COARSE_CELLS:
                coarse += np.float32(weight) * _resized(grid, coarse.shape)
            else:
                fine = (_resized(coarse, (HEIGHT, WIDTH)) if fine is None else fine) + np.float32(weight) * _resized(
                    grid, (HEIGHT, WIDTH)
                )
            whole, weight, cells = whole + weight, weight / 2, cells * 2
        total = _resized(coarse, (HEIGHT, WIDTH)) if fine is None else fine
        return total / np.float32(whole)

    # -- paint -------------------------------------------------------------------------------------------
    def wash(self, paint: Paint) -> None:
        """Cover everything."""
        self.pixels[:] = pigment(paint)

    def fill(self, mask: Floats, paint: Paint, opacity: float = 1.0) -> None:
        """Cover what the mask (H, W) shows."""
        share = mask if opacity == 1.0 else mask * np.float32(opacity)
        change = pigment(paint) - self.pixels
        change *= share
        self.pixels += change

    def light(self, field: Floats, colour: Colour) -> None:
        """Add light (screen blend), so that bright places do not burn out at once."""
        room = 1 - np.minimum(self.pixels, 1)
        room *= np.clip(field, 0, 1)
        room *= pigment(colour)
        self.pixels += room

    def shade(self, field: Floats | float, mask: Floats | None = None) -> None:
        """Multiply by a field (H, W) or a number, within the mask if there is one."""
        factor: Floats = np.asarray(field, np.float32)
        if mask is not None:
            factor = 1 + (factor - 1) * mask
        self.pixels *= factor

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """Add a round light that fades to nothing at about two radii."""
        self.light(strength * np.exp(-((distance(x, y) / np.float32(radius)) ** 2)), colour)

    def grade(self, tint: Paint) -> None:
        """Multiply all by a tint: the colour of the hour."""
        self.pixels *= pigment(tint)

    def soften(self, radius: float) -> None:
        """Blur the whole picture by a radius in picture heights: what was painted so far lies out of focus."""
        self.pixels = _planes(self.image().filter(ImageFilter.GaussianBlur(radius * HEIGHT)))

    def mirror(self) -> None:
        """Turn the picture left to right."""
        self.pixels = np.ascontiguousarray(self.pixels[:, :, ::-1])

    @contextmanager
    def ink(self) -> Iterator[Ink]:
        """Lend a pen for small sharp shapes; they land on the canvas when the block ends."""
        image = self.image().resize(_DRAWN, Image.Resampling.NEAREST)
        yield Ink(ImageDraw.Draw(image, "RGBA"))
        self.pixels = _planes(image.reduce(SCALE))

    def finish(self, vignette: float = 0.25, grain: float = 0.012) -> None:
        """Darken the corners and add a film's grain, as a lens and a sensor do."""
        far = ((X - ASPECT / 2) / (ASPECT / 2)) ** 2 + ((Y - 0.5) / 0.5) ** 2
        self.shade(1 - np.float32(vignette) * (far / 2) ** 1.5)
        self.pixels += self.rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32) * np.float32(grain)

    def image(self) -> Image.Image:
        """Return the picture so far, 8 bits a channel."""
        levels = self.pixels * np.float32(255) + np.float32(0.5)
        np.clip(levels, 0, 255, out=levels)
        return Image.merge("RGB", [Image.fromarray(plane) for plane in levels.astype(np.uint8)])


def _resized(grid: Floats, shape: tuple[int, int]) -> Floats:
    return np.asarray(Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC))


def _planes(image: Image.Image) -> Floats:
    planes = np.stack([np.asarray(plane) for plane in image.split()])  # (3, H, W)
    return planes * np.float32(1 / 255)


def _reduced(image: Image.Image, soft: float) -> Floats:
    """Return a drawn mask at picture size, 0..1, its edge softened."""
    radius = soft * HEIGHT
    if radius > _WIDE_BLUR:
        quarter = image.reduce(2 * SCALE).filter(ImageFilter.GaussianBlur(radius / 2))
        small = quarter.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    else:
        small = image.reduce(SCALE)
        if radius:
            small = small.filter(ImageFilter.BoxBlur(radius * 1.73))  # as wide as a Gaussian of this radius
    return np.asarray(small) * np.float32(1 / 255)
