"""Patterns that name many files: `photos-{00000..00099}.tar`, `photos-*.tar`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from songlens_batch.sources.addresses import shown
from songlens_shared.errors import DataError

MOST_NAMES = 100_000

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,18})\.\.(\d{1,18})", re.ASCII)


def is_pattern(text: str) -> bool:
    """Say whether a text may name many files."""
    return has_wildcard(text) or "{" in text


def has_wildcard(text: str) -> bool:
    """Say whether a file system must be asked which names match."""
    return any(mark in text for mark in "*?[")


def fixed_folder(pattern: str) -> str:
    """Return the folder that all names of a pattern lie in, as far as it has no pattern itself."""
    first = min(pattern.find(mark) for mark in "*?[{" if mark in pattern)
    return pattern[:first].rpartition("/")[0]


def expanded(pattern: str) -> list[str]:
    """Return the names that the braces stand for, each once, in order, as the shell and WebDataset write them.

    `{a,b}` are alternatives, and `{008..012}` numbers, which have as many digits as the longer end where one begins
    with 0. Raises `DataError` for other braces, and for more than 100,000 names.
    """
    names = list(islice(_expansions(pattern, pattern), MOST_NAMES + 1))
    if len(names) > MOST_NAMES:
        raise _too_many(pattern)
    return list(dict.fromkeys(names))


def _expansions(text: str, pattern: str) -> Iterator[str]:
    found = _BRACES.search(text)
    if found is None:
        if "{" in text or "}" in text:
            raise DataError(f"the braces of {shown(pattern)} are not closed or not opened; write them in pairs.")
        yield text
        return
    before, after = text[: found.start()], text[found.end() :]
    for choice in _choices(found[1], pattern):
        yield from _expansions(before + choice + after, pattern)


def _choices(inside: str, pattern: str) -> Iterator[str]:
    numbers = _RANGE.fullmatch(inside)
    if numbers:
        if abs(int(numbers[1]) - int(numbers[2])) >= MOST_NAMES:
            raise _too_many(pattern)
        return _numbers(numbers[1], numbers[2])
    if "," not in inside:
        raise DataError(
            f"the braces of {shown(pattern)} hold {inside!r}; write numbers like {{00..99}}, or names like {{a,b}}."
        )
    return iter(inside.split(","))


def _too_many(pattern: str) -> DataError:
    return DataError(f"{shown(pattern)} names more than {MOST_NAMES} files; submit them in several batches.")


def _numbers(first: str, last: str) -> Iterator[str]:
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 0
    step = 1 if int(first) <= int(last) else -1
    return (f"{number:0{width}}" for number in range(int(first), int(last) + step, step))
