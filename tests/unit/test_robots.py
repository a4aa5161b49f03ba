"""robots.txt is read as RFC 9309 says."""

from __future__ import annotations

import pytest

from songlens_training.collect.robots import parse_robots

OURS = "User-agent: Songlens\n"
ALL = "User-agent: *\n"


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/a.jpg", True),
        ("<html>no robots here: at all</html>", "/a.jpg", True),
        (ALL + "Disallow: /", "/a.jpg", False),
        (ALL + "Disallow:", "/a.jpg", True),
        (ALL + "Disallow: /private", "/public/a.jpg", True),
        (ALL + "Disallow: /private", "/private/a.jpg", False),
        (ALL + "Disallow: /\nAllow: /photos/", "/photos/a.jpg", True),
        (ALL + "Disallow: /photos/\nAllow: /photos/", "/photos/a.jpg", True),
        (ALL + "Disallow: /*.jpg$", "/x/a.jpg", False),
        (ALL + "Disallow: /*.jpg$", "/x/a.jpg?size=2", True),
        (ALL + "Disallow: /a.jpg$", "/a.jpg", False),
        (ALL + "Disallow: /a.jpg$", "/a.jpg2", True),
        (ALL + "Disallow: /*/thumb/*.jpg$", "/x/thumb/a.jpg", False),
        (ALL + "Disallow: /ab*b$", "/ab", True),
        (ALL + "Disallow: /*?size=", "/a.jpg?size=9", False),
        (ALL + "Disallow: /%E9%9B%AA", "/雪/a.jpg", False),
        (ALL + "Disallow: /雪", "/%e9%9b%aa/a.jpg", False),
        (ALL + "Disallow: /", "/robots.txt", True),
        (ALL + "Disallow: /\n" + OURS + "Allow: /", "/a.jpg", True),
        (OURS + "Disallow: /\n" + ALL + "Allow: /", "/a.jpg", False),
        (ALL + "Disallow: /\n" + OURS + "Sitemap: https://x.example/map", "/a.jpg", True),
        ("User-agent: other\n" + ALL + "Disallow: /", "/a.jpg", False),
        ("User-agent: other\nDisallow: /\n", "/a.jpg", True),
        ("User-agent: songlens/2.0 # ours\nDisallow: /", "/a.jpg", False),
        (OURS + "Disallow: /a\n\n" + OURS + "Disallow: /b", "/a.jpg", False),
        ("\ufeffuser-AGENT: *\r\nDISALLOW: /a # no\r\n", "/a.jpg", False),
    ],
)
def test_the_longest_matching_rule_of_our_group_decides(text: str, path: str, allowed: bool) -> None:
    """Groups, wildcards, percent-encoding, comments and precedence are those of RFC 9309."""
    assert parse_robots(text.encode()).allows(path) is allowed


@pytest.mark.parametrize(("value", "delay_s"), [("2.5", 2.5), ("0", 0), ("soon", 0), ("-3", 0), ("inf", 0)])
def test_crawl_delay(value: str, delay_s: float) -> None:
    """A crawl delay is taken when it is a number of seconds."""
    assert parse_robots(f"{ALL}Crawl-delay: {value}".encode()).crawl_delay_s == delay_s


def test_a_hostile_pattern_costs_nothing() -> None:
    """A pattern of many wildcards, which would keep a regular expression busy for ever, is matched at once."""
    rules = parse_robots(f"{ALL}Disallow: /{'*a' * 2000}*b$".encode())
    assert rules.allows("/" + "a" * 5000)


def test_bytes_that_are_no_text() -> None:
    """Anything may stand in the file; what cannot be read is skipped."""
    assert not parse_robots(b"\xff\xfe\x00\nUser-agent: *\nDisallow: /a\n\xff").allows("/a")
