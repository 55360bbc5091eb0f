"""Manners towards one service: pace, tries, waits, time-outs, redirects, and a token that goes nowhere else."""

import email.utils
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.fetch import AnswerError, Around, FetchError, service
from needle_assets.fetch.around import DamagedError, NotThereError, ServiceStoppedError
from needle_assets.fetch.brokers.pieces import pieces_of_list
from needle_assets.fetch.service import Service, read_json, token_from
from needle_assets.settings import FetchSettings, ServiceSettings
from needle_assets_tests.fetch.loopback import FAULTS, Clock, Request, Response, Server, redirect_to, says

START = 1.7e9
TOKEN = "ffffffff00000000aaaa"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(lambda _request: says({"ok": True}))
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock(START, is_running=False)


@pytest.fixture
def make(server: Server, clock: Clock) -> Callable[..., Service]:
    def made(token: str | None = None, seed: int = 1, **manners: Any) -> Service:
        asked = ServiceSettings(server.url, **{k: manners.pop(k) for k in ("interval_seconds", "max_requests") if k in manners})
        around = Around(clock=clock, sleep=clock.sleep, rng=np.random.default_rng(seed))
        return Service("the service", asked, replace(FetchSettings(), **manners), around, token=token)

    return made


def test_requests_keep_their_interval(make: Callable[..., Service], clock: Clock) -> None:
    with make(interval_seconds=3.0) as asked:
        for _ in range(3):
            asked.ask("/x", read_json)
    assert clock.waits == [3.0, 3.0]


def test_waits_grow_and_differ_from_client_to_client(make: Callable[..., Service], server: Server, clock: Clock) -> None:
    server.fault = FAULTS["broken"]
    waits = []
    for seed in (1, 2):
        clock.waits.clear()
        with make(seed=seed, interval_seconds=0.0, first_wait_seconds=2.0) as asked, pytest.raises(AnswerError, match="500"):
            asked.ask("/x", read_json)
        waits.append(list(clock.waits))
        assert [2 * 2**k * 0.5 <= wait <= 2 * 2**k * 1.5 for k, wait in enumerate(waits[-1])] == [True] * 3
    assert waits[0] != waits[1]


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_a_service_is_given_the_time_it_asks_for(how: str, make: Callable[..., Service], server: Server, clock: Clock) -> None:
    said = "40" if how == "seconds" else email.utils.formatdate(clock() + 41, usegmt=True)
    server.fault, server.is_faulty = lambda *_: Response(status=429, headers={"Retry-After": said}), lambda n: n == 0
    with make(interval_seconds=0.0) as asked:
        assert asked.ask("/x", read_json) == {"ok": True}
    assert clock.waits[0] == {"seconds": 40.0, "date": 41.0}[how]


@pytest.mark.parametrize("said", ["", "soon", "\xb2", "-5", "Wed, 99 Nov 2024"])
def test_a_pause_that_cannot_be_read_is_chosen_here(
    said: str, make: Callable[..., Service], server: Server, clock: Clock
) -> None:
    server.fault, server.is_faulty = lambda *_: Response(status=503, headers={"Retry-After": said}), lambda n: n == 0
    with make(interval_seconds=0.0) as asked:
        assert asked.ask("/x", read_json) == {"ok": True}
    assert 1 <= clock.waits[0] <= 3


def test_a_part_that_was_not_asked_for_is_no_answer(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda _request: Response(b'{"ok": 1}', status=206)
    with make() as asked, pytest.raises(AnswerError, match="206"):
        asked.ask("/x", read_json)


def test_a_service_that_asks_for_a_day_is_left_alone(make: Callable[..., Service], server: Server, clock: Clock) -> None:
    server.fault = FAULTS["too many for a day"]
    with make() as asked, pytest.raises(ServiceStoppedError, match="86400 s; the rest is left"):
        asked.ask("/x", read_json)
    assert len(server.requests) == 1
    assert clock.slept == 0


def test_a_run_makes_no_more_requests_than_allowed(make: Callable[..., Service], server: Server) -> None:
    with make(max_requests=2, interval_seconds=0.0) as asked:
        asked.ask("/1", read_json)
        asked.ask("/2", read_json)
        with pytest.raises(ServiceStoppedError, match="all 2 requests"):
            asked.ask("/3", read_json)
    assert len(server.requests) == 2


def test_a_fault_that_passes_is_not_noticed(make: Callable[..., Service], server: Server) -> None:
    for fault in ("broken", "half", "half without length", "reset", "bad gzip", "empty", "login page"):
        server.reset()
        server.fault, server.is_faulty = FAULTS[fault], lambda n: n == 0
        with make() as asked:
            assert asked.ask("/x", read_json) == {"ok": True}, fault
        assert len(server.requests) == 2


def test_an_answer_may_not_drip_for_ever(make: Callable[..., Service], server: Server, clock: Clock) -> None:
    clock.is_running = True
    server.answer = lambda _request: Response(b"[" + b" " * 2000 + b"]", drip=True)
    with (
        make(tries=2, answer_seconds=0.2, interval_seconds=0.0) as asked,
        pytest.raises(AnswerError, match=r"longer than 0\.2 s"),
    ):
        asked.ask("/x", read_json)


def test_an_answer_may_not_be_endless(make: Callable[..., Service], server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ANSWER_BYTES", 1000)
    server.answer = lambda _request: Response(b"x" * 5000)
    with make() as asked, pytest.raises(AnswerError, match="larger than 1000 bytes"):
        asked.ask("/x", read_json)
    assert len(server.requests) == 1


def test_no_answer_at_all_is_an_error_in_words(clock: Clock) -> None:
    around = Around(clock=clock, sleep=clock.sleep)
    nobody = ServiceSettings("http://127.0.0.1:9")
    with Service("nobody", nobody, FetchSettings(), around) as asked, pytest.raises(AnswerError, match="the connection failed"):
        asked.ask("/x", read_json)


def test_absence_is_told_from_failure_and_not_asked_twice(make: Callable[..., Service], server: Server) -> None:
    server.fault = FAULTS["not found"]
    with make() as asked, pytest.raises(NotThereError):
        asked.ask("/x", read_json)
    assert len(server.requests) == 1


def test_a_redirect_within_the_service_is_followed(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda r: says({"at": r.path}) if r.path.endswith("/") else Response(status=308, headers={"Location": "/x/"})
    with make() as asked:
        assert asked.ask("/x", read_json) == {"at": "/x/"}
        assert asked.ask("/x", read_json, form={"a": "1"}) == {"at": "/x/"}
    assert server.requests[-1].form() == {"a": "1"}


def test_a_redirect_elsewhere_is_refused_with_the_remedy(make: Callable[..., Service], server: Server) -> None:
    thief = Server(lambda _request: says({}))
    server.fault = redirect_to(thief.url.replace("127.0.0.1", "localhost"))
    with make(token=TOKEN) as asked, pytest.raises(AnswerError, match=r"set its new address in settings.toml") as raised:
        asked.ask("/x", read_json)
    assert not thief.requests
    assert TOKEN not in str(raised.value)
    thief.close()


def test_redirects_in_a_circle_end(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda _request: Response(status=302, headers={"Location": "/again"})
    with make() as asked, pytest.raises(AnswerError, match="redirects more than 3 times"):
        asked.ask("/x", read_json)


def test_an_echoed_token_is_taken_out_of_the_answer(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda request: says({"you": request.headers["Authorization"]})
    with make(token=TOKEN) as asked:
        assert asked.ask("/x", read_json) == {"you": "Token [token]"}


def test_a_refused_token_stops_the_run_without_naming_it(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda _request: Response(TOKEN.encode(), status=401)
    with make(token=TOKEN) as asked, pytest.raises(ServiceStoppedError, match="check the token") as raised:
        asked.ask("/x", read_json)
    assert TOKEN not in repr(raised.value)
    assert raised.value.__cause__ is None


def test_a_bad_question_is_answered_in_the_services_words(make: Callable[..., Service], server: Server) -> None:
    server.answer = lambda _request: Response(b"missing argument: objectId", status=400)
    with make() as asked, pytest.raises(AnswerError, match="missing argument: objectId"):
        asked.ask("/x", read_json)


def test_wire_logs_are_quiet_while_a_token_is_about(
    make: Callable[..., Service], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda request: Response(b"{}", headers={"X-Echo": request.headers["Authorization"]})
    with caplog.at_level("DEBUG"), make(token=TOKEN) as asked:
        asked.ask("/x", read_json)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("url", ["ftp://x.org", "x.org/api", "http://", "https://me:secret@x.org", "http://[::1"])
def test_an_address_that_cannot_be_used_is_said_so(url: str) -> None:
    with pytest.raises(FetchError, match=r"http\(s\) URL without a user name"):
        Service("the service", ServiceSettings(url), FetchSettings(), Around())


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(FetchError, match="not sent in the clear"):
        Service("the service", ServiceSettings("http://example.org/api"), FetchSettings(), Around(), token=TOKEN)
    with Service("the service", ServiceSettings("https://example.org/api"), FetchSettings(), Around(), token=TOKEN):
        pass


@pytest.mark.parametrize("value", ["", "  ", "short", "two words here", "zeile\numbruch", "schlüssel-1234"])
def test_a_token_that_is_none_is_refused_unseen(value: str) -> None:
    with pytest.raises(FetchError) as raised:
        token_from({"NEEDLE_X": value}, "NEEDLE_X", "get one.")
    assert not value.strip() or value not in str(raised.value)


@settings(max_examples=30)
@given(st.lists(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5)), st.data())
def test_pieces_of_a_list_are_its_elements_and_half_a_list_is_damaged(values: list[Any], data: st.DataObject) -> None:
    content = json.dumps(values, indent=data.draw(st.sampled_from([None, 1])), ensure_ascii=False).encode()
    pieces = pieces_of_list(content)
    assert [value for _, value in pieces] == values
    assert all(text in content and json.loads(text) == value for text, value in pieces)
    with pytest.raises(DamagedError):
        pieces_of_list(content[: data.draw(st.integers(0, len(content) - 1))])


def test_pieces_of_something_else_are_refused() -> None:
    with pytest.raises(AnswerError, match="a list was expected"):
        pieces_of_list(b'{"error": "no"}')


def test_headers_say_who_asks_and_nothing_more(make: Callable[..., Service], server: Server) -> None:
    with make() as asked:
        asked.ask("/x", read_json, query={"oid": ["a", "b"], "page": 1})
    request: Request = server.requests[0]
    assert "needle_assets" in request.headers["User-Agent"]
    assert "Authorization" not in request.headers
    assert request.query == {"oid": ["a", "b"], "page": ["1"]}
