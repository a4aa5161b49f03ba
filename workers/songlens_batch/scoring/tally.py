"""What has become of a shard's photos so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from songlens_batch.errors import TooManyErrors


class Tally:
    """Counts rows and their errors."""

    def __init__(self, images: int, error_limit: float, clock_s: Callable[[], float] = time.time) -> None:
        self.images = images
        self.rows = 0
        self.errors: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self._error_limit = error_limit
        self._clock_s = clock_s
        self._begun_s = clock_s()
        self._last_message = ""

    def answered(self, model: str) -> None:
        """One photo got songs."""
        self.rows += 1
        self.models[model] += 1

    def refused(self, code: str, message: str) -> None:
        """One photo got nothing; raises `TooManyErrors` past the limit."""
        self.rows += 1
        self.errors[code] += 1
        self._last_message = message
        most = self.images * self._error_limit
        if self.errors.total() > most:
            told = ", ".join(f"{count} {code}" for code, count in self.errors.most_common())
            raise TooManyErrors(
                f"{self.errors.total()} of {self.images} photos of a shard failed ({told}), more than the error limit "
                f"of {self._error_limit:.0%} allows; the last: {self._last_message} "
                "Mend it and `songlens batch retry`, or submit with a higher --error-limit."
            )

    def as_json(self) -> dict[str, object]:
        """Return the figures as they are kept."""
        return {
            "images": self.images,
            "rows": self.rows,
            "errors": dict(self.errors),
            "models": dict(self.models),
            "at_s": self._begun_s,
            "seconds": round(self._clock_s() - self._begun_s, 3),
        }
