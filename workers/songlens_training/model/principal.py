"""Principal components of image features."""

from __future__ import annotations

import numpy as np

from songlens_workers.vision.backbone import Features


def principal_axes(centred: Features, count: int) -> Features:
    """Return the `count` axes of most variance, orthonormal float32 (count, D), of centred float32 (N, D)."""
    covariance = centred.T @ centred
    _, axes = np.linalg.eigh(covariance.astype(np.float64))  # ascending
    principal: Features = np.ascontiguousarray(axes[:, ::-1][:, :count].T, np.float32)
    return principal
