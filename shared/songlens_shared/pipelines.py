"""Running a pipeline whose arguments are nobody's business."""

from __future__ import annotations

from typing import Any


def results_of(pipeline: Any) -> list[Any]:
    """Execute a pipeline and return its results; raises the server's first error as it is.

    The error that redis-py itself would raise quotes the command with its arguments, among them users, and whoever logs
    it would log them.
    """
    results: list[Any] = pipeline.execute(raise_on_error=False)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
