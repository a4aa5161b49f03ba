"""Songs of the generated catalogue: original Chinese lines, filled and put together by seed.

The lines lie in `verses/`, plain text for people to read and mend: `themes.txt` (lines that hold the keyword of one
theme), `common.txt` (lines that hold no keyword), `words.txt` (what fills `{when}`, `{who}`, ...), `names.txt`
(titles and artists). A keyword stands in a song exactly if the song has that theme; that is the planted truth.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from songlens_training.generated.themes import THEMES

_SLOT = re.compile(r"{(\w+)}")


@dataclass(frozen=True, kw_only=True)
class Song:
    """One song; `lyrics` are lines joined by newlines, `themes` the keywords planted in it, primary first."""

    id: str
    title: str
    artist: str
    lyrics: str
    popularity: int
    themes: tuple[str, ...]


def song(seed: int, number: int, rank: int, themes: int) -> Song:
    """Return song `number` (0-based) of a catalogue whose songs are about the first `themes` of THEMES.

    `rank` (1 is the best known) gives its popularity alone. The same seed, number, rank and themes give the same
    song, whatever else is generated.
    """
    dice = random.Random(f"{seed}/song/{number}")
    planted = _themes(dice, themes)
    return Song(
        id=f"song-{number:06d}",
        title=_title(dice, planted[0]),
        artist=_artist(dice),
        lyrics="\n".join(_lyrics(dice, planted)),
        popularity=popularity(rank),
        themes=planted,
    )


def popularity(rank: int) -> int:
    """Return how often the song of this rank is played: Zipf's law with exponent 0.9."""
    return max(1, round(1_000_000 * math.pow(rank, -0.9)))


def _themes(dice: random.Random, themes: int) -> tuple[str, ...]:
    """Return a primary theme and, in half of the songs, one other; in a tenth of those a third (where there are)."""
    count = 1 + (dice.random() < 0.5)
    count += count == 2 and dice.random() < 0.1
    return tuple(theme.keyword for theme in dice.sample(THEMES[:themes], min(count, themes)))


def _lyrics(dice: random.Random, themes: Sequence[str]) -> list[str]:
    """Return 8 to 12 lines: 2 to 4 of the primary theme, one of each other theme, the rest of none."""
    book = verses("themes.txt")
    lines = dice.sample(book[themes[0]], dice.randint(2, 4))
    lines += [dice.choice(book[other]) for other in themes[1:]]
    lines += dice.sample(common_lines(), dice.randint(8, 12) - len(lines))
    dice.shuffle(lines)
    return [filled(line, dice) for line in lines]


def _title(dice: random.Random, primary: str) -> str:
    names = verses("names.txt")
    kind = "theme_title" if dice.random() < 0.45 else "title"
    return filled(dice.choice(names[kind]).replace("{theme}", primary), dice)


def _artist(dice: random.Random) -> str:
    names = verses("names.txt")
    if dice.random() < 0.15:
        return _one_of(dice, names["band"])
    return _one_of(dice, names["surname"]) + _one_of(dice, names["given"])


def _one_of(dice: random.Random, rows: Sequence[str]) -> str:
    return dice.choice([word for row in rows for word in row.split()])


def filled(line: str, dice: random.Random) -> str:
    """Return the line with each slot filled; a slot that stands twice gets two different words."""
    left = {slot: list(words) for slot, words in slot_words().items()}

    def word(match: re.Match[str]) -> str:
        words = left[match[1]]
        return words.pop(dice.randrange(len(words)))

    return _SLOT.sub(word, line)


@cache
def slot_words() -> Mapping[str, Sequence[str]]:
    """Return the words that fill each slot."""
    return {slot: [word for row in rows for word in row.split()] for slot, rows in verses("words.txt").items()}


@cache
def common_lines() -> Sequence[str]:
    """Return the lines that belong to no theme."""
    return verses("common.txt")[""]


@cache
def verses(name: str) -> Mapping[str, Sequence[str]]:
    """Return a file of `verses/` by its `[headings]`; lines above the first heading stand under an empty one."""
    text = (resources.files(__package__) / "verses" / name).read_text(encoding="utf-8")
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            heading = line.strip("[]")
        else:
            sections.setdefault(heading, []).append(line)
    return sections
