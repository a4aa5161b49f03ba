"""Licence codes are read from links and short names, and from nothing else."""

from __future__ import annotations

import pytest

from songlens_shared.errors import ConfigError
from songlens_training.collect.licences import LICENCE_CODES, checked_licences, licence_code, licence_name


@pytest.mark.parametrize(
    ("licence", "url", "code"),
    [
        ("CC BY 4.0", "", "by"),
        ("cc-by-sa-3.0", "", "by-sa"),
        ("CC_BY-NC_ND", "", "by-nc-nd"),
        ("by-nc", "", "by-nc"),
        ("CC BY 3.0 DE", "", "by"),
        ("CC0", "", "cc0"),
        ("CC0 1.0", "", "cc0"),
        ("CC-0", "", "cc0"),
        ("CC 0 1.0 Universal", "", "cc0"),
        ("Creative Commons BY-SA 2.5", "", "by-sa"),
        ("Public Domain Mark 1.0", "", "pdm"),
        ("pdm", "", "pdm"),
        ("whatever", "https://creativecommons.org/licenses/by-sa/4.0/", "by-sa"),
        ("", "http://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("", "https://creativecommons.org/publicdomain/mark/1.0/", "pdm"),
        ("CC BY 4.0", "https://creativecommons.org/licenses/by-nc/4.0/", "by-nc"),
        ("", "", None),
        ("All rights reserved by A. Photographer", "", None),
        ("by A. Photographer", "", None),
        ("MIT", "", None),
        ("not CC BY", "", None),
        ("CC BY 4.0", "https://creativecommons.org/licenses/unheard-of/4.0/", None),
    ],
)
def test_code_of_a_licence(licence: str, url: str, code: str | None) -> None:
    """A link to Creative Commons decides; else the whole text must be a licence's short name."""
    assert licence_code(licence, url) == code


@pytest.mark.parametrize("code", LICENCE_CODES)
def test_the_name_of_a_code_has_that_code(code: str) -> None:
    """What we write as a licence's name reads as the same licence."""
    assert licence_code(licence_name(code, "4.0")) == code
    assert licence_code(licence_name(code, "")) == code


def test_codes_are_checked() -> None:
    """Codes in any case are taken; an unknown one is named together with those there are."""
    assert checked_licences([" BY", "cc0", ""]) == {"by", "cc0"}
    with pytest.raises(ConfigError, match=r"gpl: no licence code; there are cc0, .*by-sa"):
        checked_licences(["by", "gpl"])
