"""Which uris lie beneath a prefix: nothing that any program could read as another place."""

from __future__ import annotations

import pytest

from songlens_workers.vision.uri.prefixes import NotAllowed, parse_prefix, parse_uri

WEB = "https://cdn.example.com/photos/"


def allowed(uri: str, prefix: str) -> bool:
    try:
        return parse_uri(uri).is_within(parse_prefix(prefix))
    except NotAllowed:
        return False


@pytest.mark.parametrize(
    ("prefix", "uri"),
    [
        (WEB, "https://cdn.example.com/photos/a.jpg"),
        (WEB, "https://cdn.example.com/photos/2026/11/a%20b.jpg?token=x/../y&size=..%2f"),
        (WEB, "HTTPS://CDN.Example.COM/photos/a.jpg"),
        (WEB, "https://cdn.example.com:443/photos/a.jpg"),
        (WEB, "https://cdn.example.com:/photos/a.jpg"),
        (WEB, "https://cdn.example.com/%70hotos/a.jpg"),
        (WEB, "https://cdn.example.com/photos/a..b/...jpg"),
        (WEB, "https://cdn.example.com/photos/100%25.jpg"),
        (WEB.removesuffix("/"), "https://cdn.example.com/photos/a.jpg"),
        ("HTTPS://CDN.EXAMPLE.COM:443/photos", "https://cdn.example.com/photos/a.jpg"),
        ("http://cdn.example.com", "http://cdn.example.com:80/a.jpg"),
        ("http://cdn.example.com:8080/", "http://cdn.example.com:8080/a.jpg"),
        ("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/a.jpg"),
        ("file:///srv/photos/", "file:///srv/photos/deep/a.jpg"),
        ("file:///srv/photos/", "file://localhost/srv/photos/%E7%85%A7%E7%89%87.jpg"),
        ("file:///srv/my%20photos/", "file:///srv/my%20photos/a%3Fb.jpg"),
        ("s3://bucket/rolls/", "s3://bucket/rolls/2026/a.jpg"),
        ("s3://Bucket", "s3://Bucket/a.jpg"),
    ],
)
def test_allowed(prefix: str, uri: str) -> None:
    """What lies beneath the prefix by scheme, host, port and whole segments, in any spelling that means the same."""
    assert allowed(uri, prefix)


@pytest.mark.parametrize(
    "uri",
    [
        # another host, scheme or port
        "https://cdn.example.com.evil.org/photos/a.jpg",
        "https://evil.org/photos/a.jpg",
        "https://evil.org/https://cdn.example.com/photos/a.jpg",
        "https://evil.org?https://cdn.example.com/photos/a.jpg",
        "https://evil.org#cdn.example.com/photos/a.jpg",
        "https://cdn.example.com./photos/a.jpg",
        "https://cdn.example.com%2eevil.org/photos/a.jpg",
        "https://cdn.example.com%00.evil.org/photos/a.jpg",
        "https://cdn.example.com%2f.evil.org/photos/a.jpg",
        "https://sub.cdn.example.com/photos/a.jpg",
        "https://example.com/photos/a.jpg",
        "http://cdn.example.com/photos/a.jpg",
        "https://cdn.example.com:80/photos/a.jpg",
        "https://cdn.example.com:444/photos/a.jpg",
        "https://cdn.example.com:0443x/photos/a.jpg",
        "https://cdn.example.com:99999/photos/a.jpg",
        "https://cdn.example.com:443:443/photos/a.jpg",
        "ftp://cdn.example.com/photos/a.jpg",
        "file://cdn.example.com/photos/a.jpg",
        # somebody before the host
        "https://cdn.example.com@evil.org/photos/a.jpg",
        "https://user@cdn.example.com/photos/a.jpg",
        "https://user:pw@cdn.example.com/photos/a.jpg",
        "https://@cdn.example.com/photos/a.jpg",
        "https://evil.org%40cdn.example.com/photos/a.jpg",
        # out of the folder
        "https://cdn.example.com/a.jpg",
        "https://cdn.example.com/photosecret/a.jpg",
        "https://cdn.example.com/Photos/a.jpg",
        "https://cdn.example.com/photos",
        "https://cdn.example.com/photos/",
        "https://cdn.example.com/photos/../secret/a.jpg",
        "https://cdn.example.com/photos/./a.jpg",
        "https://cdn.example.com/photos/%2e%2e/secret/a.jpg",
        "https://cdn.example.com/photos/%2E./secret/a.jpg",
        "https://cdn.example.com/photos/%252e%252e/secret/a.jpg",
        "https://cdn.example.com/photos/%25252e%25252e/secret/a.jpg",
        "https://cdn.example.com/photos/%2525252525252e/secret/a.jpg",
        "https://cdn.example.com/photos/..%2fsecret/a.jpg",
        "https://cdn.example.com/photos%2f..%2fsecret/a.jpg",
        "https://cdn.example.com/photos/..%252fsecret/a.jpg",
        "https://cdn.example.com/photos/..;/secret/a.jpg",
        "https://cdn.example.com/photos/..;x=1/secret/a.jpg",
        "https://cdn.example.com/photos/..%3b/secret/a.jpg",
        "https://cdn.example.com/photos/%c0%ae%c0%ae/secret/a.jpg",
        "https://cdn.example.com/photos/%EF%BC%8E%EF%BC%8E/secret/a.jpg",
        "https://cdn.example.com/photos/..%EF%BC%8Fsecret/a.jpg",
        "https://cdn.example.com/photos/..\\secret\\a.jpg",
        "https://cdn.example.com/photos/..%5csecret%5ca.jpg",
        "https://cdn.example.com\\@evil.org/photos/a.jpg",
        "https:\\\\cdn.example.com\\photos\\a.jpg",
        "https://cdn.example.com//photos/a.jpg",
        "https://cdn.example.com/photos//a.jpg",
        "https:///cdn.example.com/photos/a.jpg",
        "https:/cdn.example.com/photos/a.jpg",
        "https:cdn.example.com/photos/a.jpg",
        "//cdn.example.com/photos/a.jpg",
        "/photos/a.jpg",
        # what parsers drop, and what splits a request
        " https://cdn.example.com/photos/a.jpg",
        "https://cdn.example.com/photos/a.jpg\n",
        "ht\ntps://cdn.example.com/photos/a.jpg",
        "https://cdn.example.com/photos/.\t./a.jpg",
        "https://cdn.example.com/photos/a.jpg\r\nHost: evil.org",
        "https://cdn.example.com/photos/a%0d%0ab.jpg",
        "https://cdn.example.com/photos/a%00.jpg",
        "https://cdn.example.com/photos/a b.jpg",
        "https://cdn.example.com/photos/a%.jpg",
        "https://cdn.example.com/photos/a%zz.jpg",
        "https://cdn.example.com/photos/照片.jpg",
        "https://cdn.example。com/photos/a.jpg",
        "https://cdn.example.com/photos/a.jpg#there",
        pytest.param("https://cdn.example.com/photos/" + "a" * 9000, id="long"),
        "",
    ],
)
def test_refused(uri: str) -> None:
    """What is elsewhere, and what only some programs would read as beneath the prefix."""
    assert not allowed(uri, WEB)


@pytest.mark.parametrize(
    ("prefix", "uri"),
    [
        ("file:///srv/photos/", "file:///srv/photos2/a.jpg"),
        ("file:///srv/photos/", "file:///srv/photos/../../etc/passwd"),
        ("file:///srv/photos/", "file:///srv/photos/%2e%2e/%2e%2e/etc/passwd"),
        ("file:///srv/photos/", "file:///etc/passwd"),
        ("file:///srv/photos/", "file:////srv/photos/a.jpg"),
        ("file:///srv/photos/", "file://evil.org/srv/photos/a.jpg"),
        ("file:///srv/photos/", "file:///srv/photos/a.jpg?x"),
        ("file:///srv/photos/", "/srv/photos/a.jpg"),
        ("s3://bucket/rolls/", "s3://bucket2/rolls/a.jpg"),
        ("s3://bucket/rolls/", "s3://BUCKET/rolls/a.jpg"),
        ("s3://bucket/rolls/", "gs://bucket/rolls/a.jpg"),
        ("s3://bucket/rolls/", "s3://bucket/rolls/../a.jpg"),
        ("s3://bucket/rolls/", "s3://key:secret@bucket/rolls/a.jpg"),
        ("s3://bucket/rolls/", "simplecache::s3://bucket/rolls/a.jpg"),
        ("s3://bucket/rolls/", "s3://bucket/rolls/a.zip::file:///etc/passwd"),
        ("http://127.0.0.1/", "http://2130706433/a.jpg"),
        ("http://127.0.0.1/", "http://0x7f.1/a.jpg"),
        ("http://[::1]/", "http://[::ffff:127.0.0.1]/a.jpg"),
        ("http://[::1]/", "http://[::1%25lo]/a.jpg"),
        ("http://[::1]/", "http://[::1::]/a.jpg"),
    ],
)
def test_refused_beneath_other_prefixes(prefix: str, uri: str) -> None:
    """Files, stores and numeric hosts are held to the same rules."""
    assert parse_prefix(prefix)
    assert not allowed(uri, prefix)


@pytest.mark.parametrize(
    "prefix",
    [
        "", "photos", "/srv/photos", "cdn.example.com/photos/", "https://", "https:///", "https:///photos/",
        "https://user:pw@cdn.example.com/", "https://cdn.example.com/photos/?x=1", "https://cdn.example.com/a/../b/",
        "https://*.example.com/", "https://cdn.example.com:0/", "https://cdn.example.com:70000/", "file:///",
        "file://", "file://host/srv", "s3://", "s3:///rolls", "s3://bucket//rolls/", "https://cdn.example.com/photos//",
    ],
)  # fmt: skip
def test_what_is_no_prefix(prefix: str) -> None:
    """A prefix that could be misread, or would allow everything, is refused when a worker starts."""
    with pytest.raises(NotAllowed):
        parse_prefix(prefix)


def test_the_target_is_sent_as_it_was_given() -> None:
    """A signed query stays valid: nothing is decoded and encoded again on its way to the server."""
    assert parse_uri("https://h/a%20b/c.jpg?sig=a%2Bb+c==").target == "/a%20b/c.jpg?sig=a%2Bb+c=="
    assert parse_uri("https://h").target == "/"
