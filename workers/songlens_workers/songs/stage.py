"""The song stage: hits -> NE vectors of the neighbour images, and of the user -> nearest songs -> reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from songlens_shared.codec import decode_hits
from songlens_shared.errors import ModelError, NoModel
from songlens_shared.messages import Hits, Reply, Song
from songlens_shared.traceparent import sampled_trace_id
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import Answer, Observe, Outcome, Work, run_by_version, unobserved
from songlens_workers.runtime.tracing import Follow, unfollowed
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.picking import pick_all
from songlens_workers.songs.ranker import Pick
from songlens_workers.songs.taste import Taste, tastes

Answered = Callable[[float, str, str | None], None]
"""Called with how long a request took in all, in milliseconds, its lane, and its trace id, if its trace is kept."""


def unheard(total_ms: float, lane: str, trace: str | None) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class RankWork:
    """Hits that are ready to be ranked."""

    hits: Hits
    queue_ms: float
    trace: str | None
    """The traceparent of this stage's span, or where it has none, of the hits."""


class SongStage:
    """Ranks a batch at once for each model version in it."""

    name = "songs"

    def __init__(
        self,
        live: LiveModel[SongModel],
        *,
        load: Callable[[str], SongModel],
        clock: ServerClock,
        user_weight: float,
        observe: Observe = unobserved,
        answered: Answered = unheard,
        follow: Follow = unfollowed,
    ) -> None:
        """`user_weight`: for requests that name a user and no weight.

        `observe` is told how long songs (a batch) took.
        """
        self._live = live
        self._load = load
        self._clock = clock
        self._user_weight = user_weight
        self._observe = observe
        self._answered = answered
        self._follow = follow
        self._earlier: tuple[str, SongModel] | None = None

    def ready(self) -> list[str]:
        """Return why the stage cannot serve."""
        return self._live.faults()

    def drop_users(self) -> None:
        """Hold no user's vector any more; those who are asked for are read from Redis again. Any thread."""
        serving = self._live.get()[1] if self._live.version else None
        earlier = self._earlier[1] if self._earlier else None
        for model in (serving, earlier):
            if model is not None:
                model.user_vectors.clear()

    def prepare(self, work: Work) -> RankWork:
        """Decode hits; raises `BadRequest` or `UnsupportedVersion`."""
        hits = decode_hits(work.delivery.payload)
        return RankWork(hits, work.queue_ms, self._follow(work.delivery, hits.trace))

    def size_bytes(self, item: RankWork) -> int:
        """Hits are small; only their number counts."""
        return 0

    def run(self, items: Sequence[RankWork]) -> list[Outcome]:
        """Return a reply for each item; songs come from the version that the images came from."""
        return run_by_version(items, lambda item: item.hits.model, self._run_version)

    def _run_version(self, version: str, items: Sequence[RankWork]) -> list[Outcome]:
        started_s = time.perf_counter()
        try:
            model = self._model(version)
        except (ModelError, NoModel) as error:
            return [NoModel(error.message) for _ in items]
        users = tastes(model, [item.hits for item in items], self._user_weight)
        picks = pick_all(model, [item.hits for item in items], users)
        cards = model.cards.get_many(model.song_ids[p.song] for chosen in picks for p in chosen)
        songs = [_songs(model, item.hits, chosen, cards) for item, chosen in zip(items, picks, strict=True)]
        songs_s = time.perf_counter() - started_s
        self._observe("songs", songs_s)
        songs_ms = songs_s * 1000
        replies = [self._reply(*answer, songs_ms) for answer in zip(items, users, songs, strict=True)]
        for item, reply in zip(items, replies, strict=True):
            self._answered(reply.timings_ms["total"], item.hits.lane, sampled_trace_id(item.trace))
        return [Answer(reply) for reply in replies]

    def _model(self, version: str) -> SongModel:
        """Requests in flight over a swap are finished with the vectors of the version that they began with."""
        current, model = self._live.get()
        if version == current:
            return model
        if self._earlier is None or self._earlier[0] != version:
            self._earlier = version, self._load(version)
        return self._earlier[1]

    def _reply(self, item: RankWork, user: Taste | None, songs: tuple[Song, ...], songs_ms: float) -> Reply:
        hits = item.hits
        timings = {
            **hits.timings_ms,
            "queue": hits.timings_ms.get("queue", 0.0) + item.queue_ms,
            "songs": songs_ms,
            "total": float(max(0, self._clock.now_ms() - hits.submitted_ms)),
        }
        return Reply(
            id=hits.id,
            status="ok",
            model=hits.model,
            songs=songs,
            images=hits.images,
            timings_ms=timings,
            personal=None if user is None else user.personal(),
            cached=hits.cached,
        )


def _songs(model: SongModel, hits: Hits, picks: Sequence[Pick], cards: dict[str, SongCard]) -> tuple[Song, ...]:
    songs = []
    for chosen in picks:
        song_id = model.song_ids[chosen.song]
        card = cards[song_id]
        songs.append(
            Song(
                id=song_id,
                title=card.title,
                artist=card.artist,
                distance=chosen.distance,
                score=1 / (1 + chosen.distance),
                via=card.explain(hits.images[chosen.image]),
            )
        )
    return tuple(songs)
