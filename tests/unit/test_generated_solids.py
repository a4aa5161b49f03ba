"""Figures land where they are put, and boxes are seen as a camera would see them."""

from __future__ import annotations

import numpy as np
import pytest

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.colour import HEIGHT, WIDTH, X, Y
from songlens_training.generated.shapes import Place
from songlens_training.generated.solids import Box, Eye, draw

RED, BLUE = "#ff0000", "#0000ff"


def _seen(boxes: list[Box], yaw: float) -> np.ndarray:
    """Return the colour (3,) at the middle of a picture of the boxes."""
    canvas = Canvas(np.random.default_rng(1))
    with canvas.ink() as ink:
        draw(ink, Eye(0.667, 0.5, 0.3, yaw, 0.0), boxes)
    return canvas.pixels[:, HEIGHT // 2, WIDTH // 2]


def test_a_place_and_its_grid_undo_each_other() -> None:
    """A pixel's coordinates in a figure, put in place again, are the pixel's own coordinates in the scene."""
    place = Place(0.6, 0.4, 0.5, 0.3)
    right, low = place.grid()
    back = place(np.stack([right.ravel(), low.ravel()], axis=1)).reshape(HEIGHT, WIDTH, 2)
    assert back[..., 0] == pytest.approx(np.broadcast_to(X, (HEIGHT, WIDTH)), abs=1e-5)
    assert back[..., 1] == pytest.approx(np.broadcast_to(Y, (HEIGHT, WIDTH)), abs=1e-5)


@pytest.mark.parametrize(("yaw", "near"), [(0.0, 0), (np.pi, 2)])
def test_the_nearer_box_hides_the_one_behind_it(yaw: float, near: int) -> None:
    """Whatever the order they are given in, the box in front is seen; turned about, it is the other one."""
    front = Box((-0.5, -0.5, 0.5), (0.5, 0.5, 1.0), RED)
    rear = Box((-0.5, -0.5, -1.0), (0.5, 0.5, -0.5), BLUE)
    for boxes in ([front, rear], [rear, front]):
        assert int(_seen(boxes, yaw).argmax()) == near


def test_a_nearer_edge_looks_longer() -> None:
    """Of two edges of the same length, the one nearer to the eye spans more of the picture."""
    eye = Eye(0.667, 0.5, 0.3, 0.0, 0.0)
    near, far = (np.ptp(eye.seen(np.array([(-1, 0, z), (1, 0, z)], float))[:, 0]) for z in (1, -1))
    assert near > 0.6 > far
