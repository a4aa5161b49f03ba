"""Codes: what stands for the vectors where they are compared first, of one or two bytes a number.

A vector x less a mean is z along some axes (all of its own, or fewer) and e across them. Its code z' is z in bfloat16,
or in 8 bits with a scale of the vector's own. What the code leaves out is kept as lengths, so that a product of codes
bounds the product of the vectors (Cauchy-Schwarz):

    q.x  <=  q'.z' + |q_z| |z - z'| + |q_z - q'| |z'| + |q_e| |e|
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from songlens_shared.errors import ModelDamaged
from songlens_workers.models.manifest import IMAGE_CODE_AXES, IMAGE_CODE_TERMS, IMAGE_CODES
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.rows import Vectors

Numbers = npt.NDArray[np.integer[Any]]
"""int8, or the upper 16 bits of a float32: bfloat16."""

Terms = npt.NDArray[np.float32]
TERMS = HALF_SQUARE, SCALE, LENGTH, ROUNDED, ACROSS = range(5)
"""Rows of the terms: |x - mean|^2 / 2, the scale of the numbers, max(|z|, |z'|), |z - z'| and |e|."""


@dataclass(frozen=True, eq=False)
class Coding:
    """How vectors of D dimensions become codes of D' numbers."""

    dtype: np.dtype[np.integer[Any]]
    mean: npt.NDArray[np.float32]
    """(D,)"""
    axes: npt.NDArray[np.float32] | None = None
    """Orthonormal (D', D); None for the vectors' own, D' = D."""

    def encode(self, vectors: Vectors) -> tuple[Numbers, Terms]:
        """Return numbers (N, D') and terms float32 (5, N) of float32 (N, D)."""
        centred = np.asarray(vectors, np.float32) - self.mean
        along: Features = centred if self.axes is None else np.matmul(centred, self.axes.T, dtype=np.float32)  # (N, D')
        numbers, scales = _bytes(along) if self.dtype == np.int8 else _bfloat16(along)
        coded: Features = decoded(numbers) * scales[:, None]
        squares, kept = _squares(centred), _squares(along)
        terms = np.empty((len(TERMS), len(centred)), np.float32)
        terms[HALF_SQUARE] = squares / 2
        terms[SCALE] = scales
        terms[LENGTH] = np.sqrt(np.maximum(kept, _squares(coded)))
        terms[ROUNDED] = np.sqrt(_squares(along - coded))
        terms[ACROSS] = 0 if self.axes is None else np.sqrt(np.maximum(0, squares - kept))
        return numbers, terms

    def save(self, folder: Path) -> None:
        """Write mean and axes. Raises `OSError`."""
        np.save(folder / IMAGE_CODE_AXES, self.mean[None] if self.axes is None else np.vstack([self.mean, self.axes]))


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of N vectors."""

    coding: Coding
    numbers: Numbers
    """(N, D')"""
    terms: Terms
    """(5, N)"""

    @classmethod
    def open(cls, folder: Path) -> Codes:
        """Map the files of a version: workers on one machine share their pages. Raises `ModelDamaged`."""
        numbers, terms, basis = (_mapped(folder / name) for name in (IMAGE_CODES, IMAGE_CODE_TERMS, IMAGE_CODE_AXES))
        axes = basis[1:] if len(basis) > 1 else None
        fits = (
            numbers.dtype in (np.int8, np.uint16)
            and terms.shape == (len(TERMS), len(numbers))
            and numbers.shape[1:] == (basis.shape[1:] if axes is None else (len(axes),))
            and terms.dtype == basis.dtype == np.float32
        )
        if not fits or not np.isfinite(terms).all() or not np.isfinite(basis).all():
            raise ModelDamaged(f"{IMAGE_CODES} in {folder} does not go with its terms and axes; build the model again.")
        return cls(Coding(numbers.dtype, np.array(basis[0]), axes), numbers, terms)

    def __len__(self) -> int:
        """N."""
        return len(self.numbers)


def decoded(numbers: Numbers) -> Features:
    """Return the numbers as float32, without their scale."""
    if numbers.dtype == np.int8:
        return numbers.astype(np.float32)
    return (numbers.astype(np.uint32) << 16).view(np.float32)


def _bytes(values: Features) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    scales = np.abs(values).max(axis=1, initial=0.0) / np.float32(127)
    scales[scales == 0] = 1
    return np.rint(values / scales[:, None]).astype(np.int8), scales


def _bfloat16(values: Features) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float32]]:
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))  # to nearest, ties to even
    return (rounded >> np.uint32(16)).astype(np.uint16), np.ones(len(values), np.float32)


def _squares(vectors: Features) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    return squares


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        # Copy on write, because torch takes no read-only memory; nobody writes, so that all pages stay shared.
        found: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelDamaged(f"{path} is missing or damaged; publish the model version again.") from error
    if found.ndim != 2 or not found.flags.c_contiguous:
        raise ModelDamaged(f"{path} is no matrix by rows; build the model again.")
    return found
