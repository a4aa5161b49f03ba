"""What `songlens doctor` says of what it finds."""

from __future__ import annotations

import pytest

from songlens_workers.commands.doctor import Verdict, _library


@pytest.mark.parametrize(
    ("there", "loaded", "verdict", "said"),
    [
        (2, True, "ok", "was missing or older and is now loaded (revision 2)"),
        (2, False, "ok", "is loaded (revision 2)"),
        (3, False, "note", "is of a newer release (revision 3, ours is 2)"),
    ],
)
def test_the_functions_library(there: int, loaded: bool, verdict: Verdict, said: str) -> None:
    """A newer library is no fault: it serves an older release too, and what to do on the way back is in the runbook."""
    found = _library(there, 2, loaded=loaded)
    assert (found.verdict, said in found.what, bool(found.mend)) == (verdict, True, verdict == "note")
