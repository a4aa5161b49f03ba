"""Songs and images are added to a version; the base stays as it is, and what cannot be added is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from songlens_shared.errors import ConfigError, DataError, ModelDamaged, ModelError, ModelMismatch, ModelNotFound
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.vectors import read_word2vec
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.table import relevance
from songlens_training.model import artefacts, extension
from songlens_training.model.additions import add_images, add_songs
from songlens_training.model.base import open_base
from songlens_training.model.build import build_model, find_built
from songlens_training.model.built import Built
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_workers.models.manifest import FOLD_IN, MANIFEST, Manifest, file_entry
from songlens_workers.models.store import ModelStore
from songlens_workers.vision import tiny
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import VisionModels

COLOURS = {"大海": (20, 60, 200), "森林": (20, 150, 30), "玫瑰": (210, 20, 60)}
PAIRS = [("大海", "森林"), ("森林", "玫瑰"), ("玫瑰", "大海")]


def song(id: str, *words: str) -> dict[str, Any]:
    return {"id": id, "title": "歌", "artist": "某人", "lyrics": "\n".join(f"我看见{word}" for word in words)}


def write_songs(path: Path, songs: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in songs), encoding="utf-8")
    return path


def write_image(path: Path, keyword: str, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(min(255, part + 4 * shade) for part in COLOURS.get(keyword, (9, 9, 9)))
    Image.new("RGB", (48, 48), colour).save(path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalogue of 60 songs and 12 images, and the model store `models` with one version of it."""
    folder = tmp_path_factory.mktemp("built")
    songs = [song(f"{word}-{n}", word, word) for word in COLOURS for n in range(10)]
    songs += [song(f"{one}{other}-{n}", one, other) for one, other in PAIRS for n in range(10)]
    write_songs(folder / "songs.jsonl", songs)
    for keyword in COLOURS:
        for number in range(4):
            write_image(folder / "images" / keyword / f"{number}.png", keyword, number)
    build_model(
        Catalogue(songs=folder / "songs.jsonl", images=folder / "images"),
        ModelStore(str(folder / "models")),
        tiny.load(device="cpu"),
        BuildOptions(embedding=EmbeddingOptions(dimensions=16, samples=50_000, threads=1)),
    )
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """A store of its own with that version, and a home for features."""
    monkeypatch.setenv("SONGLENS_HOME", str(tmp_path / "home"))
    (base,) = ModelStore(str(built / "models")).versions()
    folder = tmp_path / "models" / base
    folder.mkdir(parents=True)
    for file in (built / "models" / base).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return ModelStore(str(tmp_path / "models"))


def base_of(store: ModelStore) -> str:
    return store.versions()[0]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def added_songs(store: ModelStore, tmp_path: Path, *songs: dict[str, Any], base: str | None = None) -> Built:
    return add_songs(write_songs(tmp_path / "new.jsonl", list(songs)), base or base_of(store), store)


def test_the_new_version_holds_old_and_new_songs(store: ModelStore, tmp_path: Path) -> None:
    """Every file goes together: the table, the vectors, the word2vec text and the manifest's counts; the new version
    opens with every checksum right, and the base is the same bytes as before."""
    base = base_of(store)
    before = digests(store.folder / base)
    built = added_songs(store, tmp_path, song("new-1", "大海"), song("new-2", "森林", "玫瑰"))
    assert digests(store.folder / base) == before
    folder, manifest = store.open(built.manifest.version)
    assert store.versions() == [base, manifest.version]
    assert (manifest.songs, manifest.images, manifest.base) == (62, 12, base)
    ids = parquet.read_table(folder / "songs.parquet").column("id").to_pylist()
    assert ids[-2:] == ["new-1", "new-2"]
    vectors = np.load(folder / "ne_songs.npy")
    assert (vectors[:60] == np.load(store.folder / base / "ne_songs.npy")).all()
    vertices, text = read_word2vec(folder / "ne.txt")
    named = {vertex.key: row for row, vertex in enumerate(vertices)}
    np.testing.assert_array_equal(text[[named["new-1"], named["new-2"]]], vectors[-2:])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    (addition,) = report["additions"]
    assert (addition["base"], addition["kind"], addition["added"]) == (base, "song", 2)
    assert addition["rows"]["accepted"] == 2
    assert report["precision_at_10"] == 1.0
    assert report["keywords"]


def test_new_songs_lie_among_their_like(store: ModelStore, tmp_path: Path) -> None:
    """A song about the sea is nearer to every song about the sea than to any about something else alone."""
    built = added_songs(store, tmp_path, song("new", "大海", "大海"))
    vectors = np.load(built.folder / "ne_songs.npy")
    distances = np.linalg.norm(vectors[:30] - vectors[-1], axis=1)
    assert distances[:10].max() < distances[10:].min()


def test_weights_count_songs_of_the_base_alone(store: ModelStore, tmp_path: Path) -> None:
    """TF-IDF of new songs has the base's N and df, however many songs are added, so that weights stay comparable."""
    built = added_songs(store, tmp_path, *(song(f"new-{number}", "大海", "森林") for number in range(40)))
    rows = parquet.read_table(built.folder / "songs.parquet").to_pylist()
    weights = {use["keyword"]: use["weight"] for use in rows[-1]["keywords"]}
    assert weights["大海"] == pytest.approx(relevance(1, 30, 60))
    old = next(row for row in rows if row["id"] == "大海森林-0")
    assert weights == {use["keyword"]: use["weight"] for use in old["keywords"]}


def test_lyrics_are_read_as_the_base_read_them(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base's options hold: traditional characters are folded, denied words do not count, titles are left out."""
    monkeypatch.setenv("SONGLENS_HOME", str(tmp_path / "home"))
    store = ModelStore(str(tmp_path / "models"))
    build_model(
        Catalogue(songs=built / "songs.jsonl", images=built / "images"),
        store,
        tiny.load(device="cpu"),
        BuildOptions(
            keywords=KeywordOptions(titles=False, deny=frozenset({"玫瑰"})),
            embedding=EmbeddingOptions(dimensions=16, samples=2000, threads=1),
        ),
    )
    new = song("new", "森林") | {"title": "大海", "lyrics": "我看見森林\n玫瑰"}
    added = added_songs(store, tmp_path, new)
    (*_, row) = parquet.read_table(added.folder / "songs.parquet").to_pylist()
    assert [(use["keyword"], use["line"]) for use in row["keywords"]] == [("森林", "我看見森林")]


def test_new_images_are_found_by_photos(store: ModelStore, tmp_path: Path) -> None:
    """The new version opens as a worker opens it; a photo like a new image finds it, and its table has its keywords."""
    base = base_of(store)
    before = digests(store.folder / base)
    backbone = tiny.load(device="cpu")
    for number in range(20, 23):
        write_image(tmp_path / "more" / "大海" / f"new{number}.png", "大海", number)
    built = add_images(tmp_path / "more", base, store, backbone)
    assert digests(store.folder / base) == before
    assert (built.manifest.songs, built.manifest.images) == (60, 15)
    opened = VisionModels(store, load_backbone=lambda *_: backbone).open(built.manifest.version)
    assert opened.image_ids[-3:] == ["大海/new20.png", "大海/new21.png", "大海/new22.png"]
    assert opened.keywords[-3:] == [("大海",)] * 3
    photo = decode((tmp_path / "more/大海/new21.png").read_bytes(), backbone.preprocessing, ImageLimits())
    distances, positions = opened.index.search(backbone.embed(photo[None]), 1)
    assert (opened.image_ids[positions[0, 0]], distances[0, 0]) == ("大海/new21.png", pytest.approx(0, abs=1e-3))
    vectors = np.load(built.folder / "ne_images.npy")
    assert vectors.shape == (15, 16)
    songs = np.load(built.folder / "ne_songs.npy")
    nearest = np.argsort(np.linalg.norm(songs - vectors[-1], axis=1))[:10]
    ids = parquet.read_table(built.folder / "songs.parquet").column("id").to_pylist()
    assert all("大海" in ids[position] for position in nearest)


def test_additions_can_be_chained(store: ModelStore, tmp_path: Path) -> None:
    """Songs, then images, then songs: each version holds all of the one before, and tells its whole history."""
    base = base_of(store)
    first = added_songs(store, tmp_path, song("new-1", "大海")).manifest
    write_image(tmp_path / "more" / "森林" / "a.png", "森林", 30)
    second = add_images(tmp_path / "more", first.version, store, tiny.load(device="cpu")).manifest
    third = added_songs(store, tmp_path, song("new-2", "森林"), song("new-1", "森林"), base=second.version)
    assert (third.manifest.songs, third.manifest.images, third.manifest.base) == (62, 13, second.version)
    assert [added["base"] for added in third.report["additions"]] == [base, first.version, second.version]
    assert [added["added"] for added in third.report["additions"]] == [1, 1, 1]
    config = third.manifest.config
    assert [added["base"] for added in config["additions"]] == [base, first.version, second.version]
    assert len({manifest.config_sha256 for manifest in (first, second, third.manifest)}) == 3
    store.open(third.manifest.version)


def test_the_same_additions_make_the_same_version(store: ModelStore, tmp_path: Path) -> None:
    """Nothing is left to chance: the same songs added again give the same tables and vectors, under one config hash."""
    songs = [song("new-1", "大海"), song("new-2", "森林", "玫瑰")]
    one = added_songs(store, tmp_path, *songs)
    kept = digests(one.folder)
    one.folder.rename(one.folder.with_name("kept"))
    other = added_songs(store, tmp_path, *songs)
    assert other.manifest.config_sha256 == one.manifest.config_sha256
    same = {"songs.parquet", "ne_songs.npy", "ne.txt", "image_index.faiss"}
    assert {name: digests(other.folder)[name] for name in same} == {name: kept[name] for name in same}


def test_files_of_later_features_are_carried_over(store: ModelStore, tmp_path: Path) -> None:
    """What a version holds beside songs and images, such as users, is in the new version unchanged."""
    base = base_of(store)
    folder = store.folder / base
    (folder / "ne_users.npy").write_bytes(b"users' vectors")
    with_file(folder, "ne_users.npy")
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"users": 7, "user_buckets": 1}))
    built = added_songs(store, tmp_path, song("new-1", "大海"))
    assert (built.folder / "ne_users.npy").read_bytes() == b"users' vectors"
    assert (built.manifest.users, built.manifest.user_buckets) == (7, 1)
    assert "ne_users.npy" in built.manifest.files


def with_file(folder: Path, *names: str) -> None:
    """Put files, new or changed, on the manifest."""
    manifest = Manifest.from_json((folder / MANIFEST).read_bytes(), where="of the test")
    files = manifest.files | {name: file_entry(folder / name) for name in names}
    (folder / MANIFEST).write_text(manifest.model_copy(update={"files": files}).to_json())


def test_rows_that_cannot_be_added_are_named(store: ModelStore, tmp_path: Path) -> None:
    """Known ids, songs without a known keyword and bad rows are refused, counted by reason, and kept with line or id;
    the others are added."""
    rows = [song("大海-0", "大海"), song("new", "大海"), song("empty"), song("desert", "沙漠"), song("new", "森林")]
    built = added_songs(store, tmp_path, *rows)
    (summary,) = built.summaries
    assert (built.manifest.songs, summary.accepted) == (61, 1)
    assert summary.refused == {
        "the model version holds this id already": 1,
        "empty lyrics": 1,
        "no keyword of the model version": 1,
        "duplicate id": 1,
    }
    refused = [json.loads(line) for line in built.rejects.read_text(encoding="utf-8").splitlines()]
    assert {(row["line"], row["row"]["id"]) for row in refused} == {
        (1, "大海-0"),
        (3, "empty"),
        (None, "desert"),
        (5, "new"),
    }


def test_images_that_cannot_be_added_are_named(store: ModelStore, tmp_path: Path) -> None:
    """The same for images, and files that hold none."""
    for name, keyword in (("0.png", "大海"), ("new.png", "大海"), ("new.png", "沙漠")):
        write_image(tmp_path / "more" / keyword / name, keyword, 40)
    (tmp_path / "more" / "森林").mkdir()
    (tmp_path / "more" / "森林" / "broken.png").write_bytes(b"no image")
    built = add_images(tmp_path / "more", base_of(store), store, tiny.load(device="cpu"))
    assert built.manifest.images == 13
    reasons = built.summaries[0].refused
    assert reasons["the model version holds this id already"] == 1
    assert reasons["no keyword of the model version"] == 1
    assert sum(reasons.values()) == 3


Harm = Callable[[Path], None]


def no_contexts(folder: Path) -> None:
    manifest = Manifest.from_json((folder / MANIFEST).read_bytes(), where="of the test")
    files = {name: entry for name, entry in manifest.files.items() if name != FOLD_IN}
    (folder / MANIFEST).write_text(manifest.model_copy(update={"files": files}).to_json())


def damaged(folder: Path) -> None:
    (folder / "songs.parquet").write_bytes((folder / "songs.parquet").read_bytes()[:-1])


def foreign_options(folder: Path) -> None:
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["config"]["keywords"]["an_option_of_tomorrow"] = 1
    path.write_text(json.dumps(manifest))


def changed(**values: Any) -> Harm:
    def harm(folder: Path) -> None:
        kept = json.loads((folder / FOLD_IN).read_text(encoding="utf-8"))
        (folder / FOLD_IN).write_text(json.dumps(kept | values), encoding="utf-8")
        with_file(folder, FOLD_IN)

    return harm


@pytest.mark.parametrize(
    ("harm", "error", "sentence"),
    [
        pytest.param(no_contexts, ModelError, "lacks context vectors. Build it again", id="no contexts"),
        pytest.param(damaged, ModelDamaged, "songs.parquet of model version", id="damaged table"),
        pytest.param(foreign_options, ModelDamaged, "another release", id="options of another release"),
        pytest.param(changed(noise=[1.0]), ModelDamaged, "4 contexts|3 contexts", id="other noise"),
        pytest.param(changed(keywords=None), ModelDamaged, "fold_in.json", id="no keywords"),
    ],
)
def test_a_base_that_cannot_be_used_is_refused(
    store: ModelStore, tmp_path: Path, harm: Harm, error: type[Exception], sentence: str
) -> None:
    """It says what is wrong with the base, and nothing new is in the store."""
    harm(store.folder / base_of(store))
    with pytest.raises(error, match=sentence):
        added_songs(store, tmp_path, song("new", "大海"))
    assert len(list(store.folder.iterdir())) == 1


def test_an_unknown_base_is_not_found(store: ModelStore, tmp_path: Path) -> None:
    """The sentence names it."""
    with pytest.raises(ModelNotFound, match="20990101-000000-none"):
        added_songs(store, tmp_path, song("new", "大海"), base="20990101-000000-none")


def test_nothing_new_makes_no_version(store: ModelStore, tmp_path: Path) -> None:
    """Where all ids are known, or no song has a keyword, it says so and how many, and makes no version."""
    with pytest.raises(DataError, match=r"holds this id already \(2"):
        added_songs(store, tmp_path, song("大海-0", "大海"), song("森林-1", "森林"))
    with pytest.raises(DataError, match=r"none of the 2 new rows .* bears a keyword of model version"):
        added_songs(store, tmp_path, song("new-1", "沙漠"), song("new-2", "城市"))
    with pytest.raises(ConfigError, match="does not exist"):
        add_songs(tmp_path / "absent.jsonl", base_of(store), store)
    assert store.versions() == [base_of(store)]
    assert not list(store.folder.glob("*.partial"))


class OtherWeights:
    """The tiny network, but for the checksum of its weights."""

    weights_sha256 = "0" * 64

    def __init__(self) -> None:
        self._network = tiny.load(device="cpu")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def test_another_backbone_is_refused(store: ModelStore, tmp_path: Path) -> None:
    """Features of other weights cannot be compared with those of the index, so none is computed."""
    write_image(tmp_path / "more" / "大海" / "new.png", "大海", 40)
    with pytest.raises(ModelMismatch, match="weights_sha256 is 0000"):
        add_images(tmp_path / "more", base_of(store), store, OtherWeights())  # type: ignore[arg-type]
    assert store.versions() == [base_of(store)]
    assert not (tmp_path / "home" / "features").exists()


def test_a_failure_while_writing_leaves_nothing(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file cannot be written, there is no version afterwards and no part of one."""
    for module, writer in ((extension, "extend_word2vec"), (extension, "copy_files"), (artefacts, "write_report")):

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(module, writer, full)
            with pytest.raises(ModelError, match=r"cannot be written to .*No space left on device"):
                added_songs(store, tmp_path, song("new", "大海"))
        assert [path.name for path in store.folder.iterdir()] == [base_of(store)]


def test_a_build_is_not_taken_for_its_extension(store: ModelStore, tmp_path: Path) -> None:
    """Looking for a version that was built from a configuration finds the base, not what was added to it."""
    base = store.manifest(base_of(store))
    built = added_songs(store, tmp_path, song("new", "大海"))
    found = find_built(store, base.config)
    assert found is not None
    assert found.version == base.version
    assert find_built(store, built.manifest.config) == built.manifest


def test_what_is_read_of_a_base_is_what_was_built(store: ModelStore) -> None:
    """Keywords, weights and vectors come back in the order of the tables."""
    base = open_base(store, base_of(store))
    profiles = base.profiles(VertexType.SONG)
    ids = base.ids(VertexType.SONG)
    assert len(profiles) == len(ids) == len(base.vectors(VertexType.SONG)) == 60
    words = profiles.keyword_lists(base.contexts.words)
    assert all(id.startswith(tuple(word)) or word[0] in id for id, word in zip(ids, words, strict=True))
    assert base.known.song_counts == dict.fromkeys(COLOURS, 30)
    assert (base.known.songs_in_all, base.known.image_words) == (60, frozenset(COLOURS))
    assert base.contexts.noise.sum() == pytest.approx(1)
