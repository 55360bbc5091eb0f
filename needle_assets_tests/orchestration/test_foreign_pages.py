"""A web page of somebody else, in a real browser beside a running ``needle ui``: it may link to it, and start or read nothing."""

import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from needle_assets_tests.orchestration.test_browser import SCHEDULES, WHERE, browser, lived, server
from needle_assets_tests.orchestration.test_serving import Server

__all__ = ["browser", "lived", "server"]

pytestmark = pytest.mark.slow
SELECTOR = f'{{scheduleName: "training", {WHERE[1:-1]}}}'
START = f"mutation {{ startSchedule(scheduleSelector: {SELECTOR}) {{ __typename }} }}"
WAYS = {
    "an image": "new Promise(end => { const i = new Image(); i.onload = i.onerror = end; i.src = AT + '?query=' + QUERY })",
    "a GET": "fetch(AT + '?query=' + QUERY, {mode: 'no-cors'})",
    "a GET with CORS": "fetch(AT + '?query=' + QUERY)",
    "a POST of text": "fetch(AT, {method: 'POST', mode: 'no-cors', headers: {'content-type': 'text/plain'}, body: BODY})",
    "a POST of disguised JSON": (
        "fetch(AT, {method: 'POST', mode: 'no-cors', headers: {'content-type': 'text/plain; application/json'}, body: BODY})"
    ),
    "a POST of JSON": "fetch(AT, {method: 'POST', headers: {'content-type': 'application/json'}, body: BODY})",
    "a POST with the query in its address": "fetch(AT + '?query=' + QUERY, {method: 'POST', mode: 'no-cors'})",
    "a beacon": "Promise.resolve(navigator.sendBeacon(AT + '?query=' + QUERY, BODY))",
    "a websocket": """new Promise(end => { const w = new WebSocket(AT.replace('http', 'ws'), 'graphql-ws');
        w.onclose = w.onerror = end;
        w.onopen = () => { w.send('{"type": "connection_init"}');
            w.send(JSON.stringify({type: 'start', id: '1', payload: JSON.parse(BODY)})) };
        setTimeout(end, 5000) })""",
}
FORM = '<form id=f method=post action="{at}?query={query}"><input name=query value="x"></form><script>f.submit()</script>'
LINK = '<a id=a href="{at}?query={query}">go</a><script>a.click()</script>'
FRAME = '<iframe src="{site}/runs"></iframe>'


class Page:
    """What a foreign site shows; it is somewhere else: at another port, or under another name too."""

    def __init__(self) -> None:
        self.text = "<p>nothing</p>"
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text.encode()
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                return

        self.served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.served.serve_forever, daemon=True).start()

    def url(self, host: str) -> str:
        return f"http://{host}:{self.served.server_address[1]}/"


@pytest.fixture(scope="module")
def foreign() -> Iterator[Page]:
    page = Page()
    yield page
    page.served.shutdown()
    page.served.server_close()


def is_started(server: Server) -> bool:
    found = server.graphql(SCHEDULES % WHERE)["schedulesOrError"]["results"]
    return {one["name"]: one["scheduleState"]["status"] for one in found}["training"] == "RUNNING"


def at(server: Server, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.port}/graphql"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("way", WAYS)
def test_a_foreign_page_starts_no_schedule(way, host, browser, server, foreign) -> None:
    foreign.text = "<p>evil</p>"
    page = browser.new_page()
    page.goto(foreign.url(host))
    query, body = urllib.parse.quote(START), json.dumps({"query": START})
    values = f"const AT = {at(server)!r}, QUERY = {query!r}, BODY = {json.dumps(body)};"
    page.evaluate(f"async () => {{ {values} try {{ await {WAYS[way]} }} catch (error) {{ }} }}")
    page.wait_for_timeout(500)
    page.close()
    assert not is_started(server)


@pytest.mark.parametrize("text", [FORM, LINK])
def test_a_foreign_form_or_link_starts_no_schedule_though_it_fills_the_window(text, browser, server, foreign) -> None:
    foreign.text = text.format(at=at(server), query=urllib.parse.quote(START))
    page = browser.new_page()
    page.goto(foreign.url("127.0.0.1"))
    page.wait_for_url(f"{at(server)}**")
    assert "version" not in page.content()
    page.close()
    assert not is_started(server)


def test_a_foreign_page_shows_no_page_of_ours_within_itself(browser, server, foreign) -> None:
    foreign.text = FRAME.format(site=f"http://127.0.0.1:{server.port}")
    page = browser.new_page()
    statuses = []
    page.on("response", lambda answer: statuses.append(answer.status) if str(server.port) in answer.url else None)
    page.goto(foreign.url("127.0.0.1"))
    page.wait_for_timeout(1000)
    page.close()
    assert statuses == [403]


def test_a_foreign_link_to_a_page_of_ours_may_be_followed(browser, server, foreign) -> None:
    foreign.text = f'<a id=a href="http://127.0.0.1:{server.port}/runs">go</a><script>a.click()</script>'
    page = browser.new_page()
    page.goto(foreign.url("127.0.0.1"))
    page.get_by_text("Runs").first.wait_for(timeout=60_000)
    page.close()


def test_a_name_that_was_made_to_lead_here_is_refused(browser, server) -> None:
    page = browser.new_page()
    answer = page.goto(f"http://evil.example:{server.port}/graphql")
    assert answer.status == 400
    assert "Invalid host" in page.content()
    page.close()


def test_our_own_page_starts_it_in_the_way_that_a_foreign_one_may_not(browser, server) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/runs")
    body = json.dumps(json.dumps({"query": START}))
    sent = f"fetch('/graphql', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: {body}}})"
    assert page.evaluate(f"async () => (await {sent}).status") == 200
    page.close()
    assert is_started(server)
