"""Song cards: what is shown of a song, and why it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from songlens_shared.messages import NeighbourImage, Via


@dataclass(frozen=True, slots=True)
class SongCard:
    """A song as it is shown."""

    title: str
    artist: str
    lines: dict[str, str]
    """Keyword -> the line of the lyrics that holds it, most relevant keyword first."""

    def pack(self) -> bytes:
        """Return the card as it lies in Redis."""
        packed: bytes = msgpack.packb([self.title, self.artist, self.lines])
        return packed

    @classmethod
    def unpack(cls, packed: bytes) -> SongCard:
        """Read what `pack` wrote."""
        return cls(*msgpack.unpackb(packed))

    def explain(self, image: NeighbourImage) -> Via:
        """Return why the song goes with an image: by a keyword of both, or else by the song's own first."""
        shared = (keyword for keyword in image.keywords if keyword in self.lines)
        keyword = next(shared, None) or next(iter(self.lines), "")
        return Via(image=image.id, keyword=keyword, line=self.lines.get(keyword, ""))
