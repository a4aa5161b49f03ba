"""What is said on the screen of the listening behaviour in a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def described_listening(figures: Mapping[str, Any]) -> str:
    """Return the figures of a build report's `listening` in a sentence: what is in the graph, and what is not."""
    left_out = {
        "users with few songs": figures["users_with_few_songs"],
        "pairs whose song has no keyword": figures["pairs_without_keyword"],
        "pairs that have faded": figures["pairs_faded"],
    }
    named = ", ".join(f"{count} {what}" for what, count in left_out.items() if count)
    pairs = f"{figures['users']} users and {figures['pairs']} pairs of user and song"
    sentence = f"listening: {pairs}, {figures['share_of_weight']:.0%} of the graph's weight"
    return f"{sentence}; left out: {named}" if named else sentence
