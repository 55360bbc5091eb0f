"""Large files as a stream: parts arrive in order, breaks are mended where they happened, nothing is stored."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from needle_assets.fetch import AnswerError, Around
from needle_assets.fetch.download import CHUNK_BYTES, Download
from needle_assets.fetch.service import Service
from needle_assets.settings import FetchSettings, ServiceSettings
from needle_assets_tests.fetch.loopback import Clock, Request, Response, Server
from needle_assets_tests.fetch.sky import _ranged

CONTENT = np.random.default_rng(3).bytes(300_000)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(lambda request: _ranged(request, CONTENT, '"v1"'))
    yield made
    made.close()


@pytest.fixture
def download(server: Server) -> Iterator[Callable[..., Download]]:
    clock = Clock(1.7e9)
    around = Around(clock=clock, sleep=clock.sleep, rng=np.random.default_rng(1))
    with contextlib.ExitStack() as stack:

        def made(told: Callable[[int, int], None] = lambda _done, _total: None, **manners: Any) -> Download:
            asked = Service("the archive", ServiceSettings(server.url), FetchSettings(**manners), around)
            return stack.enter_context(contextlib.closing(Download(stack.enter_context(asked), "/big", told)))

        yield made


def test_a_file_comes_in_pieces_of_any_size(download: Callable[..., Download]) -> None:
    file = download()
    pieces = [file.read(n) for n in (2, 10, 100_000, 0, 1)]
    assert [len(piece) for piece in pieces] == [2, 10, 100_000, 0, 1]
    assert b"".join(pieces) + file.read() == CONTENT
    assert file.tell() == len(CONTENT)
    assert file.read(10) == b""


def test_the_start_can_be_read_again(download: Callable[..., Download]) -> None:
    file = download()
    assert file.read(2) == CONTENT[:2]
    assert file.seek(0) == 0
    assert file.read() == CONTENT
    with pytest.raises(OSError, match="once only"):
        file.seek(0)


def test_a_break_is_mended_where_it_happened(download: Callable[..., Download], server: Server) -> None:
    server.fault = lambda _request, response: Response(response.body, response.status, response.headers, n_sent=90_000)
    server.is_faulty = lambda number: number < 3
    assert download().read() == CONTENT
    ranges = [request.headers.get("Range") for request in server.requests]
    assert ranges[0] is None
    assert ranges[1:] == [f"bytes={n}-" for n in (90_000, 180_000, 270_000)]
    assert all(request.headers["If-Range"] == '"v1"' for request in server.requests[1:])


def test_a_file_that_changed_meanwhile_is_not_mixed(download: Callable[..., Download], server: Server) -> None:
    server.fault, server.is_faulty = lambda _q, r: Response(r.body, 200, r.headers, n_sent=90_000), lambda n: n == 0
    server.answer = lambda request: _ranged(request, CONTENT, f'"v{len(server.requests)}"')
    with pytest.raises(AnswerError, match="after 90000 bytes and cannot go on"):
        download().read()


def test_a_connection_that_keeps_breaking_is_given_up(download: Callable[..., Download], server: Server) -> None:
    server.fault = lambda _request, response: Response(response.body, response.status, response.headers, n_sent=10)
    with pytest.raises(AnswerError, match=r"3 tries, 30 bytes came"):
        download(tries=3).read()


def test_a_drip_is_given_up(download: Callable[..., Download], server: Server) -> None:
    server.fault = lambda _request, response: Response(response.body, response.status, response.headers, drip=True)
    with pytest.raises(AnswerError, match="bytes a second came"):
        download(tries=2, timeout_seconds=0.1).read()


def test_progress_is_told_at_every_mebibyte_and_at_the_end(download: Callable[..., Download], server: Server) -> None:
    told: list[tuple[int, int]] = []
    big = bytes(2_500_000)
    server.answer = lambda _request: Response(big)
    file = download(lambda done, total: told.append((done, total)))
    while file.read(CHUNK_BYTES):
        pass
    assert [done // 2**20 for done, _ in told] == [1, 2, 2]
    assert {total for _, total in told} == {len(big)}


def test_the_service_is_not_asked_to_pack_what_is_packed(download: Callable[..., Download], server: Server) -> None:
    download().read()
    request: Request = server.requests[0]
    assert request.headers["Accept-Encoding"] == "identity"
