"""Song cards: what is shown of a song, and why it was chosen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.messages import NeighbourImage, Via
from songlens_workers.songs.cards import SongCard

CARD = SongCard(title="雪夜", artist="某人", lines={"雪": "夜里下起了雪", "灯": "一盏灯还亮着"})


def image(*keywords: str) -> NeighbourImage:
    return NeighbourImage(id="image-1", distance=0.5, keywords=keywords)


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_a_card_survives_redis(title: str, artist: str, lines: dict[str, str]) -> None:
    """Any text comes back as it was packed, its keywords in the same order."""
    card = SongCard(title=title, artist=artist, lines=lines)
    unpacked = SongCard.unpack(card.pack())
    assert unpacked == card
    assert list(unpacked.lines) == list(lines)


def test_the_shared_keyword_explains() -> None:
    """Where image and song share a keyword, the image's heaviest of those is the reason, with its line."""
    assert CARD.explain(image("海", "灯", "雪")) == Via(image="image-1", keyword="灯", line="一盏灯还亮着")


def test_without_a_shared_keyword_the_song_speaks_for_itself() -> None:
    """Else the reason is the song's own most relevant keyword."""
    assert CARD.explain(image("海")) == Via(image="image-1", keyword="雪", line="夜里下起了雪")


def test_a_song_without_keywords_still_has_a_reason() -> None:
    """A card without lines names the image and no keyword, rather than failing the request."""
    bare = SongCard(title="t", artist="a", lines={})
    assert bare.explain(image("海")) == Via(image="image-1", keyword="", line="")
