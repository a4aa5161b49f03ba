"""Reads word vectors in word2vec's own forms, as gensim and the C program write them.

Both begin with a line `words dimensions`. Text: `word v1 ... vD` a line. Binary: the word, a space, D little-endian
float32, and perhaps a newline.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError

MAX_VECTOR_BYTES = 16 << 30
"""A header that claims more is taken for damaged, or for another format."""

BINARY_SUFFIXES = frozenset({".bin"})
_MAX_HEADER_BYTES = 64
_MAX_WORD_BYTES = 4096

WordsAndVectors = tuple[list[str], NDArray[np.float32]]


def read_word2vec_file(path: Path) -> WordsAndVectors:
    """Return words (W) and float32 vectors (W, D) of a word2vec file, binary when its name ends in `.bin`.

    Raises `DataError` when the file cannot be read, is cut short, or is of another format.
    """
    read = _read_binary if path.suffix.lower() in BINARY_SUFFIXES else _read_text
    try:
        with path.open("rb") as file:
            count, dimensions = _header(file, path)
            return read(file, count, dimensions, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _header(file: IO[bytes], path: Path) -> tuple[int, int]:
    try:
        count, dimensions = map(int, file.readline(_MAX_HEADER_BYTES).split())
    except ValueError:
        raise DataError(f"{path} is not in word2vec's format: it does not begin with two numbers.") from None
    if count < 1 or dimensions < 1 or count * dimensions * 4 > MAX_VECTOR_BYTES:
        raise DataError(f"{path} claims {count} vectors of {dimensions} dimensions, which cannot be.")
    return count, dimensions


def _read_text(file: IO[bytes], count: int, dimensions: int, path: Path) -> WordsAndVectors:
    words: list[str] = []
    vectors = np.empty((count, dimensions), np.float32)
    for number, line in enumerate(file, 2):
        # From the right: a word of a phrase model may hold spaces.
        word, *numbers = line.rstrip().rsplit(b" ", dimensions)
        if len(numbers) != dimensions or len(words) == count:
            raise DataError(f"{path}, line {number}: expected a word and {dimensions} numbers.")
        try:
            vectors[len(words)] = list(map(float, numbers))
        except ValueError:
            raise DataError(f"{path}, line {number}: not a number.") from None
        words.append(_word(word))
    if len(words) != count:
        raise DataError(f"{path} ends after {len(words)} of {count} vectors.")
    return words, vectors


def _read_binary(file: IO[bytes], count: int, dimensions: int, path: Path) -> WordsAndVectors:
    words: list[str] = []
    vectors = np.empty((count, dimensions), np.float32)
    row_bytes = 4 * dimensions
    for row in range(count):
        word = _binary_word(file)
        values = file.read(row_bytes)
        if word is None or len(values) != row_bytes:
            raise DataError(f"{path} ends after {row} of {count} vectors.")
        words.append(_word(word))
        vectors[row] = np.frombuffer(values, "<f4")
    return words, vectors


def _binary_word(file: IO[bytes]) -> bytes | None:
    """Read up to the space; None where the file ends or no word is this long."""
    word = bytearray()
    while (character := file.read(1)) != b" ":
        if not character or len(word) == _MAX_WORD_BYTES:
            return None
        if character != b"\n":  # that ends the vector before
            word += character
    return bytes(word)


def _word(raw: bytes) -> str:
    """Decode a word; truncated characters, which the C program leaves in long words, are dropped."""
    return raw.decode("utf-8", "ignore").strip()
