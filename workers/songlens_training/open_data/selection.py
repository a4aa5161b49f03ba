"""What goes into the catalogue: which songs, which keywords, which images, and which emoji are kept as queries."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from songlens_shared.errors import DataError
from songlens_training.catalogue.songs import Song
from songlens_training.open_data.emoji import Emoji
from songlens_training.open_data.lexicon import Entry, songs_by_keyword
from songlens_training.open_data.options import OpenOptions

SONGS_PER_KEYWORD_SONG = 800
"""A keyword has to be in one song of this many, unless `min_songs` says otherwise."""

Relevances = Mapping[str, Mapping[str, float]]
"""{emoji id: {keyword: relevance}}"""

HELD_OUT = {
    "亏凸月": "月",
    "雪山": "山",
    "多云": "云",
    "钢笔": "笔",
    "客轮": "船",
    "出租车": "车",
    "蓝色书本": "书",
    "啤酒": "酒",
    "热茶": "茶",
    "跑鞋": "鞋",
    "哭": "泪",
    "粉红色的心": "心",
}
"""{label: keyword} of emoji that become queries; each keyword has other emoji that look alike."""


def choose_songs(songs: Sequence[Song], options: OpenOptions) -> list[Song]:
    """Return all songs, or as many as the options ask for, drawn by the seed and kept in order."""
    if options.songs is None or options.songs >= len(songs):
        return list(songs)
    drawn = random.Random(options.seed).sample(range(len(songs)), options.songs)
    return [songs[index] for index in sorted(drawn)]


def choose_keywords(lexicon: Iterable[Entry], songs: Sequence[Song], options: OpenOptions) -> list[Entry]:
    """Return the entries whose keyword enough songs contain.

    Raises `DataError` when there is none.
    """
    entries = list(lexicon)
    needed = options.min_songs or max(1, len(songs) // SONGS_PER_KEYWORD_SONG)
    counts = songs_by_keyword(entries, (song.lyrics for song in songs))
    kept = [entry for entry in entries if counts[entry.keyword] >= needed]
    if not kept:
        raise DataError(f"No keyword is in {needed} of the {len(songs)} songs: take more songs, or lower min_songs.")
    return kept


def hold_out(emoji: Iterable[Emoji], relevances: Relevances) -> dict[str, str]:
    """Return {emoji id: keyword} of the emoji to send as queries.

    One is held out only when its keyword is in use and another image of the keyword stays in the catalogue.
    """
    candidates = {one.id: HELD_OUT[one.label] for one in emoji if one.label in HELD_OUT and one.id in relevances}
    staying = [keywords for emoji_id, keywords in relevances.items() if emoji_id not in candidates]
    return {
        emoji_id: keyword
        for emoji_id, keyword in candidates.items()
        if any(keyword in keywords for keywords in staying)
    }


def choose_images(relevances: Relevances, limit: int | None) -> Relevances:
    """Return at most `limit` images, dealt out to the keywords in turn, the most relevant images first."""
    if limit is None or limit >= len(relevances):
        return relevances
    piles: dict[str, list[tuple[float, str]]] = {}
    for emoji_id, keywords in relevances.items():
        for keyword, relevance in keywords.items():
            piles.setdefault(keyword, []).append((-relevance, emoji_id))
    ranked = [(rank, image) for pile in piles.values() for rank, (_, image) in enumerate(sorted(pile))]
    dealt = dict.fromkeys(image for _, image in sorted(ranked, key=lambda turn: turn[0]))
    chosen = set(list(dealt)[:limit])
    return {emoji_id: keywords for emoji_id, keywords in relevances.items() if emoji_id in chosen}
