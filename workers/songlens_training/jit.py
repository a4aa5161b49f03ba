"""Just-in-time compilation that is kept on disk, where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile `function` with numba: without the GIL, with fast floating point, cached on disk.

    The cache lies beside the source, else in the user's cache folder. Where neither can be written
    (a read-only install without a home), the function is compiled anew in each process.
    """
    try:
        return _compile(function, cache=True)
    except RuntimeError:  # numba found no place for the cache
        return _compile(function, cache=False)


def _compile(function: Function, *, cache: bool) -> Function:
    return cast("Function", numba.njit(nogil=True, fastmath=True, cache=cache)(function))
