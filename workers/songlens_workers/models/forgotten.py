"""Which users no model version in Redis may hold any more. Redis keeps their digests, never their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import redis

from songlens_shared.keys import USERS_FORGETS, USERS_FORGOTTEN, user_digest


class ForgottenUsers:
    """The forgotten users of one Redis."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def add(self, user: str) -> bool:
        """Remember that a user is to be left out. False where that was known."""
        return bool(self._redis.sadd(USERS_FORGOTTEN, user_digest(user)))

    def remove(self, user: str) -> bool:
        """Let a user be published again. False where nobody had forgotten the user."""
        return bool(self._redis.srem(USERS_FORGOTTEN, user_digest(user)))

    def among(self, users: Sequence[str]) -> list[bool]:
        """Say of each user, in order, whether it is forgotten, in one round trip."""
        if not users:
            return []
        found = cast(list[int], self._redis.smismember(USERS_FORGOTTEN, [user_digest(user) for user in users]))
        return [bool(forgotten) for forgotten in found]

    def tell_workers(self) -> None:
        """Make song workers drop the users they hold; to be called when no vector is there to be read again."""
        self._redis.incr(USERS_FORGETS)


class ForgetsWatch:
    """Sees that somebody was forgotten. `poll` is called by one thread."""

    def __init__(self, connection: redis.Redis, drop_users: Callable[[], None]) -> None:
        self._redis = connection
        self._drop_users = drop_users
        self._seen: Any = b"none yet"

    def poll(self) -> None:
        """Drop the users where anybody was forgotten since the last poll; the first poll does so in any case."""
        forgets = self._redis.get(USERS_FORGETS)
        if forgets != self._seen:
            self._drop_users()
            self._seen = forgets
