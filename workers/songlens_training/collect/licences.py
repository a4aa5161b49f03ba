"""Licence codes as Openverse writes them, and how a licence in words becomes one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from songlens_shared.errors import ConfigError

LICENCE_CODES = (
    "cc0", "pdm", "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "sampling+", "nc-sampling+",
)  # fmt: skip
"""The licences of Openverse's media: https://api.openverse.org/v1/, parameter `license`."""

_TOOLS = {"zero": "cc0", "mark": "pdm", "public-domain-mark": "pdm"}
_URL = re.compile(r"creativecommons\.org/(?:licenses|publicdomain)/([a-z+-]+)")

# The whole text must be a licence: "all rights reserved by A. Photographer" is none.
_WORDS = re.compile(
    r"(?:(?:cc|creative-commons)-)?(.+?)(?:-\d(?:\.\d)?(?:-(?:[a-z]{2}|universal|international|unported|generic))?)?"
)


def checked_licences(codes: Iterable[str]) -> frozenset[str]:
    """Return the codes in lower case. Raises `ConfigError` for one that is no licence code."""
    wanted = frozenset(code.strip().lower() for code in codes if code.strip())
    unknown = sorted(wanted - set(LICENCE_CODES))
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: no licence code; there are {', '.join(LICENCE_CODES)}.")
    return wanted


def licence_code(licence: str, licence_url: str = "") -> str | None:
    """Return the code of a licence, by its URL at Creative Commons, else by its short name.

    Short names are `CC BY-SA 4.0`, `CC0`, `by-nc`, `Public Domain Mark 1.0`, and `CC BY 3.0 DE`. None for any other.
    """
    link = _URL.search(licence_url.lower())
    if link:
        name = link.group(1)
    else:
        text = re.sub(r"[\s_-]+", "-", licence.strip().lower())
        words = _WORDS.fullmatch(re.sub(r"^cc-(0|zero)\b", "cc0", text))
        name = words.group(1) if words else ""
    code = _TOOLS.get(name, name)
    return code if code in LICENCE_CODES else None


def licence_name(code: str, version: str) -> str:
    """Return the licence of a code and version in words, as Creative Commons writes it."""
    if code == "cc0":
        return f"CC0 {version}".strip()
    if code == "pdm":
        return f"Public Domain Mark {version}".strip()
    return f"CC {code.upper()} {version}".strip()
