"""One polite way to GET: turns, robots.txt, redirects that are bounded and checked, retries, time-outs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import Self, TypeVar

import httpx

from songlens_shared.errors import ConfigError
from songlens_training.collect.addresses import PrivateAddress
from songlens_training.collect.politeness import Hosts, Politeness
from songlens_training.collect.retry import Clock, RetryPolicy, SystemClock, retry_after_s
from songlens_training.collect.robots import ALLOW_ALL, MAX_ROBOTS_BYTES, RobotsRules, parse_robots
from songlens_training.collect.transport import CheckedTransport

T = TypeVar("T")

# RFC 9110 and 6585: the server may answer otherwise a little later.
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchFailed(Exception):
    """A URL could not be fetched; the message is the reason, in a few words.

    `passing`: another run may succeed; `retry`: another attempt in this run may, by default where `passing`. `status`
    is the HTTP status where there was one. `retry_after_s` is what the server asked for. Never leaves this package.
    """

    def __init__(
        self,
        reason: str,
        *,
        passing: bool = False,
        retry: bool | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.retry = passing if retry is None else retry
        self.status = status
        self.retry_after_s = retry_after_s


class HostUnavailable(FetchFailed):
    """The host cannot be reached, has failed too often, or asks to be left alone for longer than a run waits."""

    def __init__(self, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason, passing=True, retry=retry)


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """How the web is asked. Raises `ConfigError` for values out of range."""

    politeness: Politeness = field(default_factory=Politeness)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 20.0
    """For the next bytes of an answer."""
    total_timeout_s: float = 120.0
    """For the whole of an answer, which a server may otherwise drip without end."""
    redirects: int = 5
    contact: str = ""
    """A mail address or page that the User-Agent names, for whoever runs a server that we ask too much of."""
    allow_private: frozenset[str] = frozenset()
    """Hosts that may have private addresses; all others must be public."""
    proxy: str | None = field(default=None, repr=False)
    """http:// URL of a proxy, with user and password where it wants them."""

    def __post_init__(self) -> None:
        if min(self.connect_timeout_s, self.read_timeout_s, self.total_timeout_s) <= 0 or self.redirects < 0:
            raise ConfigError("Time-outs must be more than 0 seconds, and redirects 0 or more.")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ConfigError("The contact must be printable ASCII: a mail address or a URL.")
        if self.proxy is not None and not self.proxy.startswith("http://"):
            raise ConfigError(f"{self.proxy!r} is not the http:// URL of a proxy.")

    @property
    def user_agent(self) -> str:
        """What servers see: product, version, purpose, contact."""
        remarks = "; ".join(filter(None, ("collects catalogue images", self.contact)))
        return f"Songlens/{version('songlens')} ({remarks})"


class Web:
    """GETs URLs. Use it in an `async with`; belongs to one event loop."""

    def __init__(
        self, options: WebOptions, *, clock: Clock | None = None, uniform: Callable[[], float] = random.random
    ) -> None:
        self._options = options
        self._clock = clock or SystemClock()
        self._uniform = uniform
        self._hosts = Hosts(options.politeness, self._clock)
        self._robots: dict[str, asyncio.Future[RobotsRules | FetchFailed]] = {}
        self._transport: CheckedTransport | None = None

    async def __aenter__(self) -> Self:
        self._transport = CheckedTransport(
            allowed_hosts=self._options.allow_private,
            connections=self._options.politeness.connections,
            proxy=self._options.proxy,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    async def get(
        self,
        url: str,
        read: Callable[[httpx.Response], Awaitable[T]],
        *,
        robots: bool = True,
        headers: Mapping[str, str] | None = None,
        interval_s: float = 0.0,
    ) -> T:
        """Return what `read` makes of the answer (status 200) to a GET; it may be called again when it fails.

        `robots=False` is for interfaces that are documented for programs. `headers` go to the first host only, never
        on to another one. `interval_s` slows down requests to the URL's host. Raises `FetchFailed`.
        """
        host = _host(_checked_url(url))
        self._hosts.slow_down(host, interval_s)
        failures = 0
        while True:
            try:
                result = await self._follow(url, read, robots, headers or {})
            except FetchFailed as failure:
                failures += 1
                if not failure.retry:
                    raise
                if failures >= self._options.retry.attempts:
                    self._hosts.failed(host)
                    raise
                await self._back_off(host, failures, failure)
                continue
            self._hosts.delivered(host)
            return result

    async def _back_off(self, host: str, failures: int, failure: FetchFailed) -> None:
        if failure.retry_after_s is None:
            await self._clock.sleep(self._options.retry.delay_s(failures, self._uniform()))
            return
        if failure.retry_after_s > self._options.retry.max_wait_s:
            self._hosts.failed(host)
            raise HostUnavailable(f"{failure.reason}; it asks to wait {failure.retry_after_s:.0f} s") from failure
        self._hosts.pause(host, failure.retry_after_s)

    async def _follow(
        self, url: str, read: Callable[[httpx.Response], Awaitable[T]], robots: bool, headers: Mapping[str, str]
    ) -> T:
        target = _checked_url(url)
        for _ in range(self._options.redirects + 1):
            if robots and not (await self._rules(target)).allows(target.raw_path.decode("ascii")):
                raise FetchFailed("robots.txt forbids it")
            answer = await self._once(target, read, headers)
            if not isinstance(answer, _Redirect):
                return answer
            there = _checked_url(answer.location, target)
            target, headers = there, headers if _origin(there) == _origin(target) else {}
        raise FetchFailed("too many redirects")

    async def _once(
        self, url: httpx.URL, read: Callable[[httpx.Response], Awaitable[T]], headers: Mapping[str, str]
    ) -> T | _Redirect:
        async with self._hosts.turn(_host(url)):
            if self._hosts.given_up(_host(url)):
                raise HostUnavailable("host given up after many failures")
            try:
                async with asyncio.timeout(self._options.total_timeout_s), self._answer(url, headers) as response:
                    if response.status_code in _REDIRECTS:
                        return _Redirect(response.headers.get("Location", ""))
                    self._check_status(response)
                    return await read(response)
            except (TimeoutError, httpx.TimeoutException):
                raise FetchFailed("timed out", passing=True) from None
            except PrivateAddress:
                raise FetchFailed("private address") from None
            except httpx.ConnectError as error:
                raise HostUnavailable(f"{url.host} cannot be reached", retry=True) from error
            except httpx.TransportError as error:
                raise FetchFailed("connection broken off", passing=True) from error

    @asynccontextmanager
    async def _answer(self, url: httpx.URL, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Send a GET and give the answer, its body unread. A client of httpx would keep cookies and follow links."""
        assert self._transport is not None, "use Web in an `async with`"
        timeout = httpx.Timeout(self._options.read_timeout_s, connect=self._options.connect_timeout_s, pool=None)
        # Bodies are counted as they arrive: a compressed one could unfold to any size.
        own = {"User-Agent": self._options.user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        request = httpx.Request("GET", url, headers={**own, **headers}, extensions={"timeout": timeout.as_dict()})
        async with aclosing(await self._transport.handle_async_request(request)) as response:
            yield response

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        raise FetchFailed(
            f"{status} {response.reason_phrase}".strip(),
            passing=status in _TRY_AGAIN,
            status=status,
            retry_after_s=retry_after_s(response.headers.get("Retry-After"), self._clock.unix_s()),
        )

    async def _rules(self, url: httpx.URL) -> RobotsRules:
        """Return the rules of the URL's origin, fetched once however many ask."""
        origin = _origin(url)
        if origin not in self._robots:
            self._robots[origin] = asyncio.ensure_future(self._fetch_rules(origin))
        rules = await asyncio.shield(self._robots[origin])
        if isinstance(rules, FetchFailed):
            reason = f"robots.txt: {rules.reason}" if rules.passing else rules.reason
            raise FetchFailed(reason, passing=rules.passing, retry=False)
        if rules.crawl_delay_s > self._options.retry.max_wait_s:
            raise FetchFailed(f"robots.txt asks for {rules.crawl_delay_s:.0f} s between requests")
        self._hosts.slow_down(_host(url), rules.crawl_delay_s)
        return rules

    async def _fetch_rules(self, origin: str) -> RobotsRules | FetchFailed:
        """RFC 9309, 2.3.1: no rules where there is no file; everything forbidden where that cannot be found out."""
        try:
            return parse_robots(await self.get(f"{origin}/robots.txt", read_start_of(MAX_ROBOTS_BYTES), robots=False))
        except FetchFailed as failure:
            is_absent = failure.status is not None and 400 <= failure.status < 500 and not failure.passing
            return ALLOW_ALL if is_absent else failure


@dataclass(frozen=True)
class _Redirect:
    location: str


def read_start_of(limit_bytes: int) -> Callable[[httpx.Response], Awaitable[bytes]]:
    """Return a reader that keeps the first bytes of an answer and drops the rest."""

    async def read(response: httpx.Response) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) >= limit_bytes:
                break
        return bytes(content[:limit_bytes])

    return read


def _checked_url(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """Return the URL without credentials and fragment. Raises `FetchFailed` unless it is http or https with a host."""
    try:
        parsed = httpx.URL(url) if base is None else base.join(url)
        bare = parsed.copy_with(username=None, password=None, fragment=None)
    except (httpx.InvalidURL, ValueError):
        raise FetchFailed("not a valid URL") from None
    if bare.scheme not in ("http", "https") or not bare.host:
        raise FetchFailed("neither http nor https")
    return bare


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{_host(url)}"


def _host(url: httpx.URL) -> str:
    return url.netloc.decode("ascii")
