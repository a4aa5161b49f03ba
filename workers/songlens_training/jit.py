"""Just-in-time compilation that is kept on disk, where there is a place for it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., Any])

_UNREADABLE = (AttributeError, ImportError, EOFError, ValueError, pickle.UnpicklingError, OSError)


def compiled(function: Function) -> Function:
    """Compile `function` with numba: without the GIL, with fast floating point, cached on disk.

    The cache lies beside the source, else in the user's cache folder. Where neither can be written
    (a read-only install without a home), the function is compiled anew in each process.
    """
    dispatcher: Any = numba.njit(nogil=True, fastmath=True)(function)
    with suppress(RuntimeError):  # numba found no place for the cache
        forgiving: Any = _ForgivingCache
        dispatcher._cache = forgiving(function)
    return cast("Function", dispatcher)


class _ForgivingCache(FunctionCache):
    """numba's cache, which compiles anew what it cannot read, and goes on where it cannot write.

    What was kept names the types of its arguments, so it cannot be read once a release has moved one of them; numba
    looks whether it is stale only after it has been read.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        cache: Any = super()
        try:
            return cache.load_overload(sig, target_context)
        except _UNREADABLE:
            with suppress(OSError):
                cache.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        cache: Any = super()
        with suppress(OSError):
            cache.save_overload(sig, data)
