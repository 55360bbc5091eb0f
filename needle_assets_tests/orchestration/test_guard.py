"""Who may ask the server of ``needle ui``: its own pages and programs on this machine, and no page of anybody else."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from needle_assets.guard import guarded

HERE = "http://127.0.0.1:3000"
VISIT = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
READ, CHANGE = "{ version }", 'mutation { startSchedule(scheduleSelector: {scheduleName: "training"}) { __typename } }'
JSON = {"content-type": "application/json"}


async def server(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})


def ask(method: str, path: str, **options: Any) -> httpx.Response:
    """What the guard of port 3000 answers."""

    async def asking() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded(server, 3000)), base_url=HERE) as client:
            return await client.request(method, HERE + path, **options)

    return asyncio.run(asking())


def opens(**headers: str) -> bool:
    """Whether the guard lets a websocket be opened."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    named = {"host": "127.0.0.1:3000", **headers}
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "extensions": {"websocket.http.response": {}},
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    asyncio.run(guarded(server, 3000)(scope, receive, send))
    return sent[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", JSON),
        ("GET", {"host": "localhost:3000"}),
        ("POST", {"origin": HERE, "sec-fetch-site": "same-origin", **JSON}),
        ("POST", {"host": "localhost:3000", "origin": "http://localhost:3000", **JSON}),
        ("POST", {**JSON, "content-type": "Application/JSON; charset=utf-8"}),
        ("GET", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}),
    ],
)
def test_its_own_pages_and_programs_are_answered(method, headers) -> None:
    assert ask(method, "/graphql", headers=headers).text == "answered"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "127.0.0.1:4000",
        "localhost",
        "127.0.0.1.evil.example:3000",
        "0.0.0.0:3000",
        "[::1]:3000",
        "",
    ],
)
def test_another_name_that_leads_here_is_refused(host) -> None:
    assert ask("GET", "/", headers={"host": host}).status_code in (400, 403)
    assert not opens(host=host)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:4000",
        "http://localhost:3000",
        "https://127.0.0.1:3000",
        "http://127.0.0.1:3000.evil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE"])
def test_a_page_of_another_origin_is_refused_whatever_it_asks(origin, method) -> None:
    assert ask(method, "/graphql", headers={"origin": origin, **JSON}).status_code == 403
    assert ask(method, "/report_asset_materialization/core/masks", headers={"origin": origin}).status_code == 403
    assert not opens(origin=origin)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_fetches_for_another_site_is_refused_without_an_origin_too(site) -> None:
    for mode, dest in (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("cors", "empty")):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
        assert ask("GET", "/runs", headers=headers).status_code == 403
        assert ask("GET", "/graphql", params={"query": READ}, headers=headers).status_code == 403


def test_a_link_from_elsewhere_opens_a_page_and_asks_nothing() -> None:
    assert ask("GET", "/assets/core/masks", headers=VISIT).text == "answered"
    assert ask("GET", "/graphql", params={"query": READ}, headers=VISIT).status_code == 403
    assert ask("GET", "/graphql", params={"x": "1", "query": CHANGE}, headers=VISIT).status_code == 403
    assert ask("POST", "/assets/core/masks", headers=VISIT).status_code == 403


@pytest.mark.parametrize("query", [CHANGE, f"query a {READ} {CHANGE}", "subscription { logs }", "no GraphQL (", "{" * 5000])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql", "/GraphQL"])
def test_an_address_changes_nothing(query, path) -> None:
    assert ask("GET", path, params={"query": query}).status_code == 405
    assert ask("GET", path, params=[("query", READ), ("query", query)], headers={"accept": "text/html"}).status_code == 405
    assert ask("GET", path, params={"query": READ}).text == "answered"


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "text/plain; application/json", ""],
)
def test_a_form_is_no_graphql(kind) -> None:
    assert ask("POST", "/graphql", params={"query": CHANGE}, headers={"content-type": kind}).status_code == 415


def test_subscriptions_of_its_own_pages_are_let_in() -> None:
    assert opens()
    assert opens(origin=HERE)
    assert opens(host="localhost:3000", origin="http://localhost:3000")


def test_no_page_elsewhere_may_show_an_answer_within_itself() -> None:
    assert ask("GET", "/").headers["x-frame-options"] == "SAMEORIGIN"
