"""The revision of the functions library says which of two releases has the newer one."""

from __future__ import annotations

import hashlib

from songlens_shared.functions import library_source
from songlens_shared.server import library_revision

DIGESTS = {
    1: "3b337f59fda981c5576a9814d629ecc4a80aff2e416fd6f3cb40729eecdebad9",
}
"""Of the text of each revision: SHA-256."""


def test_a_changed_library_has_a_new_revision() -> None:
    """A text that changes and keeps its revision would be replaced by that of an older release, whenever a worker of
    it starts. Raise the `-- revision` in functions.lua, and add the digest here."""
    source = library_source()
    revision, digest = library_revision(source), hashlib.sha256(source.encode()).hexdigest()
    assert (revision, digest) == (max(DIGESTS), DIGESTS.get(revision)), f"the text of revision {revision} is {digest}"


def test_a_library_without_a_revision_is_the_oldest() -> None:
    """So is any that was loaded before there were revisions; only a line of its own counts."""
    assert library_revision("#!lua name=songlens\nlocal a = 1 -- revision 7\n") == 0
    assert library_revision("#!lua name=songlens\n-- revision 12\n") == 12
