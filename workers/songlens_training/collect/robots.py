"""robots.txt (RFC 9309): what a host lets programs like this one fetch.

The parser of the standard library knows neither the wildcards nor the longest-match rule of the RFC, and would fetch
what `Disallow: /*.jpg$` forbids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from songlens_training.catalogue.tables import finite_number

PRODUCT = "songlens"
"""The product token that groups of rules are matched with (section 2.2.1)."""

MAX_ROBOTS_BYTES = 500 << 10
"""Section 2.5: a parser must read at least 500 kibibytes."""


@dataclass(frozen=True)
class Rule:
    """One line that allows or disallows the paths that its pattern matches."""

    allow: bool
    pattern: str

    def matches(self, path: str) -> bool:
        """Tell whether the pattern matches: `*` is any text, a final `$` the end of the path (2.2.3).

        Each part is sought after the one before: a regular expression would let a hostile file make this slow.
        """
        anchored = self.pattern.endswith("$")
        first, *others = self.pattern.removesuffix("$").split("*")
        if not others and anchored:
            return path == first
        if not path.startswith(first):
            return False
        at = len(first)
        last = others.pop() if others and anchored else ""
        for part in others:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(path) - at >= len(last) and path.endswith(last)


@dataclass(frozen=True)
class RobotsRules:
    """The rules for us. `crawl_delay_s` is no part of the RFC, but asked for often and obeyed here."""

    rules: Sequence[Rule] = ()
    crawl_delay_s: float = 0.0

    def allows(self, path: str) -> bool:
        """Tell whether a path with query may be fetched: the longest matching rule decides, allow on a tie (2.2.2)."""
        normal = _normal(path)
        matching = ((len(rule.pattern), rule.allow) for rule in self.rules if rule.matches(normal))
        return path == "/robots.txt" or max(matching, default=(0, True))[1]


ALLOW_ALL = RobotsRules()


def parse_robots(content: bytes) -> RobotsRules:
    """Return the rules of the groups for us, else those for everybody (2.2.1)."""
    groups = {PRODUCT: _Group(), "*": _Group()}
    agents: list[str] = []
    named: set[str] = set()
    rules_begun = False
    for field, value in _lines(content):
        if field == "user-agent":
            agents = [_product(value)] if rules_begun else [*agents, _product(value)]
            named.add(_product(value))
            rules_begun = False
        elif field in ("allow", "disallow", "crawl-delay"):
            rules_begun = True
            for agent in groups.keys() & set(agents):
                groups[agent].add(field, value)
    # A group that names us is ours even when it is empty: it then allows everything.
    return groups[PRODUCT if PRODUCT in named else "*"].rules()


class _Group:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._crawl_delay_s = 0.0

    def add(self, field: str, value: str) -> None:
        if field == "crawl-delay":
            delay_s = finite_number(value)
            self._crawl_delay_s = max(0.0, delay_s or 0.0)
        elif value:
            self._rules.append(Rule(field == "allow", _normal(value)))

    def rules(self) -> RobotsRules:
        return RobotsRules(tuple(self._rules), self._crawl_delay_s)


def _lines(content: bytes) -> Iterator[tuple[str, str]]:
    for line in content[:MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield field.strip().lower(), value.strip()


def _product(agent: str) -> str:
    return agent.split("/", maxsplit=1)[0].strip().lower()


def _normal(path: str) -> str:
    """Return the path with everything percent-encoded that can be, so that two spellings of it are equal."""
    return quote(unquote(path, errors="surrogateescape"), safe="/*$?&=:;,@+!~'()[]", errors="surrogateescape")
