"""ConceptNet's dump is read line by line in its own format, and anything else is refused by name and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from songlens_shared.errors import DataError
from songlens_training.evaluate.similar.conceptnet import ConceptNet

INFO = '{"dataset": "/d/ptt_petgame", "license": "cc:by-sa/4.0", "sources": [{"contributor": "x"}], "weight": %s}'


def line(relation: str, start: str, end: str, info: str = INFO % "1.0") -> str:
    uris = (f"/r/{relation}", f"/c/{start}", f"/c/{end}")
    return "\t".join([f"/a/[{','.join(f'{uri}/' for uri in uris)}]", *uris, info]) + "\n"


def dump(folder: Path, *lines: str) -> Path:
    path = folder / "conceptnet-assertions-5.7.0.csv.gz"
    path.write_bytes(gzip.compress("".join(lines).encode("utf-8")))
    return path


def test_relations_weights_and_languages(tmp_path: Path) -> None:
    """A closer relation beats a greater weight; weights of a pair add up; antonyms and other languages are out."""
    path = dump(
        tmp_path,
        line("RelatedTo", "en/snow", "en/winter", INFO % "9.0"),
        line("Synonym", "zh/雪/n", "en/snow/n"),
        line("RelatedTo", "zh/雪", "zh/冬天", INFO % "1.5"),
        line("RelatedTo", "zh/雪花/n/wn/phenomenon", "zh/雪/n", INFO % "1.0"),
        line("IsA", "zh/雪", "zh/雪花", INFO % "1.0"),
        line("Synonym", "zh/雪/n", "zh/白_雪", INFO % "0.5"),
        line("Antonym", "zh/雪", "zh/火", INFO % "9.0"),
        line("NotDesires", "zh/雪", "zh/热", INFO % "9.0"),
        line("ExternalURL", "zh/雪", "zh/网", INFO % "9.0"),
        line("CausesDesire", "zh/雪", "zh/堆雪人", INFO % "8.0"),
    )
    assert ConceptNet(path).similar(["雪"], 10) == {"雪": ("白雪", "雪花", "冬天", "堆雪人")}


def test_a_missing_weight_counts_one(tmp_path: Path) -> None:
    """An assertion without weight lies between a lighter and a heavier one."""
    path = dump(
        tmp_path,
        line("RelatedTo", "zh/海", "zh/轻", INFO % "0.5"),
        line("RelatedTo", "zh/海", "zh/无", '{"dataset": "/d/x"}'),
        line("RelatedTo", "zh/海", "zh/重", INFO % "2"),
    )
    assert ConceptNet(path).similar(["海"], 10)["海"] == ("重", "无", "轻")


def test_an_uncompressed_dump_is_read_too(tmp_path: Path) -> None:
    """The file is told by its first bytes, not by its name."""
    path = tmp_path / "assertions.csv"
    path.write_text(line("RelatedTo", "zh/海", "zh/洋"), encoding="utf-8")
    assert ConceptNet(path).similar(["海"], 1) == {"海": ("洋",)}


def test_a_dump_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    """Half a download must not pass for a source that knows little."""
    path = dump(tmp_path, *(line("RelatedTo", "zh/海", f"zh/洋{number}") for number in range(2000)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="cut short"):
        ConceptNet(path).similar(["海"], 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"word,similar\n", "not ConceptNet's dump"),
        (line("RelatedTo", "zh/\u6d77", "zh/\u6d0b", "{}").encode() + b"/a/x\t/c/zh/x\n", "line 2: expected 5 columns"),
        (line("RelatedTo", "zh/\u6d77", "zh/\u6d0b", "heavy").encode(), "line 1: the last column is not JSON"),
        (line("RelatedTo", "zh/\u6d77", "zh/\u6d0b", '{"weight": null}').encode(), "line 1: the last column"),
        (b"/a/x\t/r/RelatedTo\t/c/zh/\xff\t/c/zh/x\t{}\n", "line 1: not UTF-8"),
        (b"\x1f\x8bnot gzip at all", "cannot be read|cut short"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """The message names the file and the line."""
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as refused:
        ConceptNet(path).similar(["海"], 1)
    assert str(path) in refused.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Not an OSError from deep inside."""
    with pytest.raises(DataError, match="cannot be read"):
        ConceptNet(tmp_path / "absent.gz").similar(["海"], 1)


def test_progress_ends_with_the_whole_file(tmp_path: Path) -> None:
    """Progress counts bytes of the compressed file, which are known beforehand."""
    path = dump(tmp_path, line("RelatedTo", "zh/海", "zh/洋"))
    seen: list[tuple[int, int]] = []
    ConceptNet(path, progress=lambda done, total: seen.append((done, total))).similar(["海"], 1)
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
