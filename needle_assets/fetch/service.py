"""One survey service asked with manners: in turn, with time-outs, again after a while, never too much. Knows HTTP only.

A token is sent to its own service alone, over HTTPS or to this machine, and taken out of whatever is read, written or said.
"""

import contextlib
import ipaddress
import json
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from needle_assets.fetch.answers import IDEMPOTENCY_KEY, Answers, excerpt
from needle_assets.fetch.around import (
    AnswerError,
    Around,
    BusyError,
    DamagedError,
    FetchError,
    ServiceStoppedError,
)
from needle_assets.landing.values import shown
from needle_assets.settings import FetchSettings, ServiceSettings

MAX_ANSWER_BYTES = 256 * 2**20
MAX_REDIRECTS = 3
USER_AGENT = "needle_assets (training sets from public ZTF alerts)"

_WIRE_LOGGERS = ("httpcore", "httpx")

T = TypeVar("T")


class Service:
    """
    A service at one address; use it in a ``with`` block.

    Parameters
    ----------
    name : str
        What it is called in messages.
    asked : ServiceSettings
        Address, pace and most requests of this run.
    manners : FetchSettings
        Time-outs, tries and waiting times.
    around : Around
        Clock, sleep and chance.
    token : str, optional
        Sent as ``Authorization: Token ...`` (or what ``scheme`` says; empty: by whoever asks) to this address and nowhere else.
    """

    scheme, agent = "Token", USER_AGENT

    def __init__(
        self, name: str, asked: ServiceSettings, manners: FetchSettings, around: Around, *, token: str | None = None
    ) -> None:
        self.name, self.manners, self.around = name, manners, around
        self.url = _checked_url(name, asked.url, has_token=token is not None)
        self.n_requests = self.n_bytes = 0
        self._asked, self._answers = asked, Answers(name, token, around)
        self._free_at = 0.0
        self._open = contextlib.ExitStack()
        headers = {"User-Agent": self.agent} | ({"Authorization": f"{self.scheme} {token}"} if token and self.scheme else {})
        self._client = httpx.Client(timeout=manners.timeout_seconds, headers=headers, follow_redirects=False, verify=_tls())

    def __enter__(self) -> Self:
        self._open.enter_context(_quiet_wires())
        self._open.enter_context(self._client)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def ask(
        self,
        path: str,
        read: Callable[[bytes], T],
        *,
        query: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> T:
        """
        What ``read`` makes of the answer to one request (POST with ``form`` or a JSON ``body``, else GET).

        Parameters
        ----------
        path : str
            Appended to the service's address.
        read : callable
            Takes the answer's bytes. If it raises DamagedError the request is made again.
        query, form, body, key : optional
            Parameters, fields of a form, a JSON record; an ``Idempotency-Key``, with which any status 2xx is an answer.

        Raises
        ------
        NotThereError
            If the service says so (404, 410).
        AnswerError
            If no usable answer came in the allowed number of tries.
        ServiceStoppedError
            If the service asks for a longer pause, refuses the token, or the run's requests are used up.
        """
        sent = {"params": query, "data": form, "json": body, "headers": {IDEMPOTENCY_KEY: key} if key else {}}
        method, why = "GET" if form is None and body is None else "POST", None
        for attempt in range(self.manners.tries):
            if why is not None:
                self.pause(attempt, why)
            try:
                return read(self._answers.scrubbed(self._body(method, self.url + path, sent)))
            except (BusyError, DamagedError) as error:
                why = error
        assert why is not None
        if isinstance(why, BusyError) and why.status == 429:
            raise ServiceStoppedError(f"{why} It was asked {self.manners.tries} times; the rest is left for the next run.")
        raise AnswerError(f"{why} ({self.manners.tries} tries)")

    def pause(self, attempt: int, why: AnswerError) -> None:
        """Wait before another try: longer each time, spread by chance, at least as long as the service asks for."""
        asked_for = why.retry_after if isinstance(why, BusyError) and why.retry_after is not None else 0.0
        if asked_for > self.manners.longest_wait_seconds:
            raise ServiceStoppedError(f"{why} It asks to wait {asked_for:.0f} s; the rest is left for the next run.")
        usual = self.manners.first_wait_seconds * 2 ** (attempt - 1) * (0.5 + self.around.rng.random())
        self.around.sleep(max(asked_for, min(usual, self.manners.longest_wait_seconds)))

    @contextlib.contextmanager
    def opened(self, method: str, url: str, sent: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """A response whose status is good and whose body is still to be read; faults of the connection become BusyError."""
        try:
            with contextlib.ExitStack() as stack:
                yield self._answered(stack, method, url, sent)
        except httpx.TimeoutException:
            raise BusyError(self._answers.says(f"no answer within {self.manners.timeout_seconds:g} s.")) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Not chained: the library's error holds the request with its headers.
            raise BusyError(
                self._answers.says(f"the connection failed ({type(error).__name__}: {self._answers.quoted(str(error))}).")
            ) from None

    def take_turn(self) -> None:
        """Wait until the next request may be made. Raises ServiceStoppedError if all of this run are made."""
        if self.n_requests >= self._asked.max_requests:
            raise ServiceStoppedError(
                self._answers.says(
                    f"all {self._asked.max_requests} requests of this run are made; the rest is left for the next run."
                )
            )
        wait = self._free_at - self.around.clock()
        if wait > 0:
            self.around.sleep(wait)
        self.n_requests += 1
        self._free_at = self.around.clock() + self._asked.interval_seconds

    def count(self, n_bytes: int) -> None:
        """Add bytes that came."""
        self.n_bytes += n_bytes

    def _answered(self, stack: contextlib.ExitStack, method: str, url: str, sent: Mapping[str, Any]) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            response = stack.enter_context(self._client.stream(method, url, **sent))
            if not 300 <= response.status_code < 400:
                self._answers.check_status(response)
                return response
            url = self._answers.new_place(response, method)
            sent = {**sent, "params": None}
        raise AnswerError(self._answers.says(f"it redirects more than {MAX_REDIRECTS} times."))

    def _body(self, method: str, url: str, sent: Mapping[str, Any]) -> bytes:
        self.take_turn()
        started = self.around.clock()
        parts: list[bytes] = []
        n_bytes = 0
        with self.opened(method, url, sent) as response:
            for part in response.iter_bytes():
                parts.append(part)
                n_bytes += len(part)
                if n_bytes > MAX_ANSWER_BYTES:
                    raise AnswerError(self._answers.says(f"the answer is larger than {MAX_ANSWER_BYTES} bytes."))
                if self.around.clock() - started > self.manners.answer_seconds:
                    raise BusyError(self._answers.says(f"the answer took longer than {self.manners.answer_seconds:g} s."))
        self.count(n_bytes)
        return b"".join(parts)


@contextlib.contextmanager
def _quiet_wires() -> Iterator[None]:
    """At their debug level these loggers print headers, and a service may echo the token in one."""
    levels = {name: logging.getLogger(name).level for name in _WIRE_LOGGERS}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Certificates, read once for all services."""
    return httpx.create_ssl_context()


def read_json(content: bytes) -> Any:
    """The JSON value in an answer. Raises DamagedError if it is none, as half an answer is."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedError(f"the answer of {len(content)} bytes is not JSON: {excerpt(content)}") from None


def token_from(environment: Mapping[str, str], name: str, remedy: str) -> str:
    """The token in an environment variable. Raises FetchError with the remedy if there is none."""
    token = environment.get(name, "").strip()
    if not token:
        raise FetchError(f"{name} is not set; {remedy}")
    if not token.isascii() or not token.isprintable() or " " in token or len(token) < 8:
        raise FetchError(f"{name} does not hold a token: 8 or more plain characters without spaces are needed.")
    return token


def _checked_url(name: str, url: str, *, has_token: bool) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise FetchError(
            f"the address of {name} is {shown(url, 100)!r}; an http(s) URL without a user name is needed in settings.toml."
        )
    if has_token and parsed.scheme != "https" and not is_this_machine(parsed.host):
        raise FetchError(f"the address of {name} is not https; a token is not sent in the clear.")
    return url.rstrip("/")


def is_this_machine(host: str) -> bool:
    """Whether a host is the machine that this runs on."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
