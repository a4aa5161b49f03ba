"""Words from files: lists to allow or deny, user dictionaries in jieba's format, and the lists of this package."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from songlens_shared.errors import DataError
from songlens_training.keywords.dictionary import UserWord, is_word

_SHOWN_PROBLEMS = 5

Parsed = TypeVar("Parsed")


class _BadLineError(ValueError):
    """The message says what is wrong with a line."""


def read_word_list(path: Path) -> frozenset[str]:
    """Return the words of a UTF-8 file with one word a line; `#` begins a comment.

    Raises `DataError` that names the file and its bad lines.
    """
    return frozenset(word for word in _read_lines(path, _listed_word) if word)


def read_user_dictionary(path: Path) -> tuple[UserWord, ...]:
    """Return the words of a UTF-8 file in jieba's format: `word [frequency] [tag]`, separated by white space.

    Raises `DataError` that names the file and its bad lines.
    """
    return tuple(_read_lines(path, _user_word))


@cache
def word_list(name: str) -> frozenset[str]:
    """Return the words of a list of this package: separated by white space, `#` begins a comment."""
    text = (files("songlens_training.keywords") / "wordlists" / name).read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() for word in line.partition("#")[0].split())


def _read_lines(path: Path, parse: Callable[[str], Parsed]) -> list[Parsed]:
    """Return what `parse` makes of each line that is not blank."""
    parsed: list[Parsed] = []
    problems: list[str] = []
    for number, raw in enumerate(_content(path).splitlines(), 1):
        try:
            if text := _decoded(raw).strip():
                parsed.append(parse(text))
        except _BadLineError as problem:
            problems.append(f"line {number}: {problem}")
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        raise DataError(f"{path}, {'; '.join(problems[:_SHOWN_PROBLEMS])}{f'; and {more} more' if more > 0 else ''}.")
    return parsed


def _content(path: Path) -> bytes:
    """Return the bytes of a file but for a byte-order mark."""
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _BadLineError("not UTF-8") from None


def _listed_word(line: str) -> str:
    """Return the word of a line, empty where there is only a comment."""
    word = line.partition("#")[0].strip()
    if len(word.split()) > 1:
        raise _BadLineError(f"{word!r} is more than one word")
    return word


def _user_word(line: str) -> UserWord:
    word, *more = line.split()
    if not is_word(word):
        raise _BadLineError(f"{word!r} holds a character at which jieba always cuts")
    tag = more.pop() if more and not more[-1].isdecimal() else None
    frequency = more.pop() if more else None
    if more:
        raise _BadLineError(f"{line!r} is not `word [frequency] [tag]`")
    if tag is not None and not _is_tag(tag):
        raise _BadLineError(f"{tag!r} is neither a frequency nor a part of speech")
    if frequency is not None and not frequency.isdecimal():
        raise _BadLineError(f"the frequency {frequency!r} is not a whole number")
    return UserWord(word, None if frequency is None else int(frequency), tag)


def _is_tag(text: str) -> bool:
    """Tell whether `text` could be a part of speech, in jieba's spelling: n, ns, vn, eng, ..."""
    return text.isascii() and text.isalpha() and text.islower()
