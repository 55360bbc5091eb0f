"""Small servers on 127.0.0.1 that answer as told and break as told, and a clock on which waiting takes no time."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DRIP_SECONDS = 0.02


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """What a server says; a fault may spoil it on its way."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    n_sent: int | None = None
    has_length: bool = True
    drip: bool = False
    is_reset: bool = False


Answer = Callable[[Request], Response]
Fault = Callable[[Request, Response], Response]


def says(value: Any, **how: Any) -> Response:
    return Response(json.dumps(value).encode(), **how)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what the test is about, not news."""


class Server:
    """One service; ``fault`` spoils the answers for whose number (from 0) ``is_faulty`` holds."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.fault: Fault | None = None
        self.is_faulty: Callable[[int], bool] = lambda _number: True
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._handle(self)

            do_POST = do_GET  # noqa: N815 - the name http.server looks for

            def log_message(self, *_args: Any) -> None:
                return

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reset(self) -> None:
        self.requests.clear()
        self.fault = None

    def break_from(self, number: int, fault: Fault) -> None:
        """Spoil every answer from this one on (counted from now)."""
        self.requests.clear()
        self.fault, self.is_faulty = fault, lambda n: n >= number

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        place = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, place.path, parse_qs(place.query), dict(handler.headers), body)
        number = len(self.requests)
        self.requests.append(request)
        response = self.answer(request)
        if self.fault is not None and self.is_faulty(number):
            response = self.fault(request, response)
        try:
            _send(handler, response)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, response: Response) -> None:
    if response.is_reset:
        handler.close_connection = True
        return
    handler.send_response(response.status)
    for name, value in response.headers.items():
        handler.send_header(name, value)
    if response.has_length:
        handler.send_header("Content-Length", str(len(response.body)))
    if response.n_sent is not None or not response.has_length:
        handler.send_header("Connection", "close")
        handler.close_connection = True
    handler.end_headers()
    body = response.body[: response.n_sent]
    if not response.drip:
        handler.wfile.write(body)
        return
    for start in range(len(body)):
        handler.wfile.write(body[start : start + 1])
        handler.wfile.flush()
        time.sleep(DRIP_SECONDS)


class Clock:
    """A clock that starts where it is told, runs on or stands still, and jumps ahead instead of sleeping."""

    def __init__(self, start: float, *, is_running: bool = True) -> None:
        self._start, self._real, self.slept, self.is_running = start, time.monotonic(), 0.0, is_running
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self._start + self.slept + (time.monotonic() - self._real if self.is_running else 0.0)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.slept += seconds


def _half(_request: Request, response: Response) -> Response:
    return Response(response.body, headers=response.headers, n_sent=len(response.body) // 2)


def _half_without_length(_request: Request, response: Response) -> Response:
    return Response(response.body, headers=response.headers, n_sent=len(response.body) // 2, has_length=False)


FAULTS: dict[str, Fault] = {
    "empty": lambda _request, _response: Response(),
    "not found": lambda _request, _response: says({"detail": "Not found."}, status=404),
    "too many": lambda _request, _response: says({"detail": "throttled"}, status=429, headers={"Retry-After": "1"}),
    "too many for a day": lambda _request, _response: Response(b"", status=429, headers={"Retry-After": "86400"}),
    "broken": lambda _request, _response: Response(b"<h1>Internal Server Error</h1>", status=500),
    "half": _half,
    "half without length": _half_without_length,
    "slow drip": lambda _request, response: Response(response.body, headers=response.headers, drip=True),
    "wrong schema": lambda _request, _response: says({"unexpected": [1, 2, 3]}),
    "other list": lambda _request, _response: says([1, 2, 3]),
    "login page": lambda _request, _response: Response(b"<!DOCTYPE html><title>Log in</title>"),
    "reset": lambda _request, _response: Response(is_reset=True),
    "forbidden": lambda _request, _response: says({"detail": "Invalid token."}, status=403),
    "bad gzip": lambda _request, _response: Response(b"junk", headers={"Content-Encoding": "gzip"}),
}


def redirect_to(place: str) -> Fault:
    """A redirect that carries whatever the client sent along."""

    def fault(request: Request, _response: Response) -> Response:
        said = request.headers.get("Authorization", "")
        return Response(said.encode(), status=302, headers={"Location": f"{place}/stolen?{said.replace(' ', '%20')}"})

    return fault


def echo(request: Request, _response: Response) -> Response:
    """An error that repeats the client's credentials wherever it can."""
    said = request.headers.get("Authorization", "none")
    return Response(f"bad request: {said}".encode(), status=500, headers={"X-Echo": said, "Retry-After": said})
