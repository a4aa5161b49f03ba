"""The journal survives being cut anywhere, and forgets what another run should try again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_site import picture

from songlens_shared.errors import DataError
from songlens_training.collect.checks import ImageChecks, check_image
from songlens_training.collect.journal import Journal, Refusal

CHECKS = ImageChecks()
IMAGE = check_image(picture(1), CHECKS)
FINAL = Refusal(reason="404 Not Found", passing=False)
PASSING = Refusal(reason="timed out", passing=True)


def filled(path: Path) -> bytes:
    """Write a journal with two images, two refusals and a page; return its bytes."""
    with Journal(path, CHECKS) as journal:
        journal.record("http://x/1", IMAGE)
        journal.record("http://x/雪", FINAL)
        journal.record("http://x/3", PASSING)
        journal.keep_page("http://search/?q=a", {"results": [1, None], "page_count": 2})
        journal.record("http://x/4", IMAGE)
    return path.read_bytes()


def test_what_was_recorded_is_there_again(tmp_path: Path) -> None:
    """Images, final refusals and pages come back; a refusal that may pass counts in its own run only."""
    filled(tmp_path / "j")
    with Journal(tmp_path / "j", CHECKS) as journal:
        outcomes = [journal.outcome(f"http://x/{name}") for name in ("1", "雪", "3", "4", "5")]
        assert outcomes == [IMAGE, FINAL, None, IMAGE, None]
        assert journal.page("http://search/?q=a") == {"results": [1, None], "page_count": 2}
        assert journal.page("http://search/?q=b") is None
        journal.record("http://x/3", PASSING)
        assert journal.outcome("http://x/3") == PASSING


def test_a_journal_cut_at_any_byte_is_read_and_goes_on(tmp_path: Path) -> None:
    """Whole lines before the cut count, the torn one does not, and what is recorded next is not glued to it."""
    whole = filled(tmp_path / "j")
    lines = whole.splitlines(keepends=True)
    ends = [sum(map(len, lines[:count])) for count in range(len(lines) + 1)]
    for cut in range(0, len(whole), 7):
        path = tmp_path / f"cut-{cut}"
        path.write_bytes(whole[:cut])
        with Journal(path, CHECKS) as journal:
            # A line whose newline alone is missing is whole.
            assert (journal.outcome("http://x/1") == IMAGE) == (cut >= ends[2] - 1)
            journal.record("http://x/9", IMAGE)
        with Journal(path, CHECKS) as journal:
            assert journal.outcome("http://x/9") == IMAGE


def test_every_event_is_on_the_disk_when_it_counts(tmp_path: Path) -> None:
    """Another reader sees a line as soon as `record` returns."""
    with Journal(tmp_path / "j", CHECKS) as journal:
        journal.record("http://x/1", IMAGE)
        last = json.loads((tmp_path / "j").read_bytes().splitlines()[-1])
        assert (last["event"], last["place"], last["sha256"]) == ("image", "http://x/1", IMAGE.sha256)


def test_other_checks_forget_refusals(tmp_path: Path) -> None:
    """What was refused by other checks is tried again; images and pages stay. The old checks' refusals are gone."""
    filled(tmp_path / "j")
    for checks in (ImageChecks(min_side=5), CHECKS):
        with Journal(tmp_path / "j", checks) as journal:
            assert journal.outcome("http://x/雪") is None
            assert journal.outcome("http://x/1") == IMAGE


def test_lines_of_another_version_are_skipped(tmp_path: Path) -> None:
    """Unknown events and fields are as if they were not there."""
    lines = [b'{"event": "image", "place": "a"}', b'{"event": "new"}', b"[1]", b"\xff\xfe", b'"x"', b""]
    (tmp_path / "j").write_bytes(b"\n".join(lines) + b"\n" + filled(tmp_path / "good"))
    with Journal(tmp_path / "j", CHECKS) as journal:
        assert journal.outcome("a") is None
        assert journal.outcome("http://x/1") == IMAGE


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """A second run is refused with a sentence while the first one holds the journal, and not afterwards."""
    second = Journal(tmp_path / "j", CHECKS)
    with Journal(tmp_path / "j", CHECKS), pytest.raises(DataError, match="Another run is collecting into"), second:
        pass
    with Journal(tmp_path / "j", CHECKS) as journal:
        assert journal.outcome("a") is None
