"""Folds traditional Chinese characters into simplified ones, so that 愛 and 爱, 雲 and 云 are one keyword.

OpenCC converts phrase by phrase (its configuration `t2s`), because the mapping of single characters is ambiguous:
乾燥 becomes 干燥, but 乾坤 stays; 後來 becomes 后来, and 皇后 stays. For the same reason text that is simplified
already must be left alone: as traditional text 打坏 (to break) would be the unfired clay 打坯.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

_IDEOGRAPHS = ((0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32400))
"""Unicode's blocks of Chinese characters: extension A and the unified ones, compatibility, all later extensions."""


def fold(text: str) -> str:
    """Return `text` in simplified characters; lines stay lines.

    Text without any traditional-only character comes back as the same object: it is simplified, or neither.
    """
    return text if traditional_characters().isdisjoint(text) else str(_converter().convert(text))


def fold_words(words: Iterable[str]) -> frozenset[str]:
    """Return the words folded one by one."""
    return frozenset(map(fold, words))


@cache
def traditional_characters() -> frozenset[str]:
    """Return the characters that OpenCC changes wherever no phrase forbids it, some 5,000."""
    characters = [chr(code) for start, stop in _IDEOGRAPHS for code in range(start, stop)]
    # One call for all: the line break keeps neighbours from making a phrase.
    folded = _converter().convert("\n".join(characters)).split("\n")
    return frozenset(
        character for character, simplified in zip(characters, folded, strict=True) if character != simplified
    )


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
