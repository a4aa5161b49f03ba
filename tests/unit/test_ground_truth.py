"""What is right is what the lyrics contain, by one rule, and more similar words never make less right."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest

from songlens_shared.errors import ConfigError
from songlens_training.catalogue.songs import Song
from songlens_training.evaluate.membership import Membership, find_membership
from songlens_training.evaluate.scoring import GroundTruth, find_ground_truth
from songlens_training.evaluate.systems import NO_SONG
from songlens_training.evaluate.truth import NEVER, Judgement, judge
from songlens_training.progress import silent


class Listed:
    """A source that knows what it is told."""

    def __init__(self, ranked: Mapping[str, tuple[str, ...]], name: str = "listed") -> None:
        self.name = name
        self._ranked = ranked

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        return {word: self._ranked[word][:limit] for word in words if word in self._ranked}


def songs(*lyrics: str, title: str = "歌") -> list[Song]:
    return [Song(id=str(number), title=title, artist="", lyrics=text) for number, text in enumerate(lyrics)]


def test_what_lyrics_contain() -> None:
    """雪 is in 白雪 and 雪山, also where these are asked for themselves; 月 is not in 岁月; titles do not count."""
    words = ["雪", "白雪", "雪山", "山", "月", "岁月", "歌"]
    found = find_membership(songs("白雪落在雪山", "岁月漫长", "後來明月"), words)
    assert {word: found.songs_with(word).tolist() for word in words} == {
        "雪": [0],
        "白雪": [0],
        "雪山": [0],
        "山": [0],
        "月": [2],
        "岁月": [1],
        "歌": [],
    }


def test_what_else_is_asked_for_changes_nothing() -> None:
    """The songs of a word are the same whatever the other words are."""
    lyrics = songs("白雪皑皑", "雪花飘", "大海", "海浪与雪", "森林")
    alone = find_membership(lyrics, ["雪"]).songs_with("雪")
    among = find_membership(lyrics, ["雪", "白雪", "雪花", "海浪", "海"]).songs_with("雪")
    assert alone.tolist() == among.tolist() == [0, 1, 3]


def membership(**positions: list[int]) -> Membership:
    return Membership(6, {word: np.array(rows, np.int32) for word, rows in positions.items()})


def test_ranks_are_those_of_the_most_similar_word() -> None:
    """A song with several of the words counts for the nearest; the keyword itself is nearest of all."""
    judgement = Judgement("x", {"雪": ("冰", "冬", "霜")})
    ranks = judgement.ranks("雪", membership(雪=[0, 1], 冰=[1, 2], 霜=[2, 3, 4]))
    assert ranks.tolist() == [0, 0, 1, 3, 3, NEVER]


def test_an_unknown_keyword_stands_for_itself() -> None:
    """It is counted, and only songs that contain it are right, whatever n."""
    judgement = judge(Listed({"雪": ("冰",)}), ["雪", "海", "海"], 5)
    assert judgement.unknown(["雪", "海", "海"]) == ["海"]
    assert judgement.short(["雪", "海", "海"], 1) == 1 and judgement.short(["雪", "海"], 2) == 2
    assert judgement.ranks("海", membership(海=[5], 冰=[0])).tolist() == [NEVER] * 5 + [0]


def test_more_similar_words_never_make_less_right() -> None:
    """precision, hits and the number of right songs rise with n, for any lists."""
    random = np.random.default_rng(3)
    words = ["雪", *(f"词{number}" for number in range(40))]
    positions = {word: np.sort(random.choice(300, 9, replace=False)).astype(np.int32) for word in words}
    judgement = Judgement("x", {"雪": tuple(words[1:])})
    truth = GroundTruth(["雪"] * 8, [judgement], Membership(300, positions), [0, 1, 5, 20, 40])
    lists = np.stack([random.choice(300, (8, 10)) for _ in range(3)])
    scores = truth.score({"any": lists})["any"]
    assert scores.shape == (8, 1, 5, 5)
    assert (np.diff(scores[..., :4], axis=2) >= 0).all() and scores[:, 0, -1, 0].mean() > scores[:, 0, 0, 0].mean()


def test_scores_of_lists_worked_out_by_hand() -> None:
    """Two query images, two repeats, two n; an empty place is never right."""
    judgement = Judgement("x", {"雪": ("冰",)})
    truth = GroundTruth(["雪", "海"], [judgement], membership(雪=[0], 冰=[1], 海=[2, 3]), [0, 1])
    lists = np.full((2, 2, 10), NO_SONG)
    lists[0, 0, :2], lists[1, 0, :2] = (1, 0), (4, 5)
    lists[0, 1, :3], lists[1, 1, :3] = (2, 3, 4), (3, 2, 5)
    scores = truth.score({"any": lists})["any"]
    # precision@10, hit, precision@1, MRR, recall@10
    np.testing.assert_allclose(scores[0, 0, 0], [0.05, 0.5, 0, 0.25, 0.5])
    np.testing.assert_allclose(scores[0, 0, 1], [0.1, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(scores[1, 0, 0], [0.2, 1, 1, 1, 1])
    np.testing.assert_allclose(scores[1, 0, 1], scores[1, 0, 0])


def test_query_images_without_any_right_song_are_counted() -> None:
    """By source and n: with one similar word there is a right song, with none there is not."""
    judgement = Judgement("x", {"霜": ("雪",)})
    truth = GroundTruth(["霜", "霜", "雪"], [judgement], membership(雪=[0]), [0, 1])
    assert truth.without_right_song() == {"x": [2, 0]}


def test_ground_truth_of_several_sources() -> None:
    """One segmentation serves all sources; each judges for itself, in the order of n."""
    sources = [Listed({"雪": ("冰", "霜")}, "one"), Listed({}, "two")]
    truth = find_ground_truth(songs("雪", "冰", "霜", "海"), ["雪"], ["海"], sources, [2, 0, 1], silent)
    assert truth.similar_words == [0, 1, 2]
    assert [judgement.ranks("雪", truth.membership).tolist() for judgement in truth.judgements] == [
        [0, 1, 2, NEVER],
        [0, NEVER, NEVER, NEVER],
    ]
    assert truth.membership.songs_with("海").tolist() == [3]


@pytest.mark.parametrize(
    ("sources", "counts", "reason"),
    [
        ([], [0], "Name one or more"),
        ([Listed({}), Listed({})], [0], "each once"),
        ([Listed({})], [], "0 or more"),
        ([Listed({})], [5, 5], "each once"),
        ([Listed({})], [-1], "0 or more"),
        ([Listed({})], [70_000], "from 0 to 65534"),
    ],
)
def test_impossible_questions_are_refused(sources: list[Listed], counts: list[int], reason: str) -> None:
    """Before anything is segmented."""
    with pytest.raises(ConfigError, match=reason):
        find_ground_truth(songs("雪"), ["雪"], (), sources, counts, silent)
