"""
Who may ask a server on this machine: pages of its own, and programs that somebody runs here. Pages of anybody else may not.

A browser sends what any web page asks of ``http://127.0.0.1``, and says so: in ``Host`` (another name that was made to lead here),
``Origin`` and ``Sec-Fetch-Site``. Dagster's server looks at none of them, and takes mutations from the address of a plain GET.
"""

from collections.abc import Iterator
from urllib.parse import parse_qs

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
JSON = ("application/json", "application/graphql")  # a page elsewhere may not send these without asking first


def guarded(app: ASGIApp, port: int) -> ASGIApp:
    """``app`` for pages of its own and programs on this machine; ``port`` is where it is served."""
    return TrustedHostMiddleware(Guard(app, port), allowed_hosts=list(NAMES), www_redirect=False)


class Guard:
    """
    ASGI middleware that refuses with 403 what comes from another origin, and with 405 or 415 what GraphQL should not be asked so.

    Parameters
    ----------
    app
        Any ASGI application.
    port : int
        Where it is served; another one in ``Host`` is somebody else's.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self.hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        status, reason = self._refusal(scope, Headers(scope=scope))
        if not reason:
            await self.app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(reason + "\n", status)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str]:
        host = headers.get("host", "").lower()
        if host not in self.hosts:
            return 403, f"This is the server of {' and '.join(sorted(self.hosts))}; {host or 'no name'!r} was asked for."
        origins = headers.getlist("origin")
        if any(origin != f"http://{host}" for origin in origins):
            return 403, f"Pages of {', '.join(origins)} may ask nothing here."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and not _is_visit(scope, headers):
            return 403, "Pages of another origin may link to this server, and ask nothing of it."
        return _graphql_refusal(scope, headers) if "graphql" in scope["path"].lower() else (0, "")


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody follows a link to a page, which then fills the window: whoever linked to it sees nothing of it."""
    goes = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return goes and scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"].startswith(b"query=")


def _graphql_refusal(scope: Scope, headers: Headers) -> tuple[int, str]:
    if scope["type"] == "websocket":
        return 0, ""
    if scope["method"] in ("GET", "HEAD"):
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("query", [])
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and asked:
            return 403, "Pages of another origin may ask nothing here."
        if any(kind is not OperationType.QUERY for text in asked for kind in _operations(text)):
            return 405, "An address may only ask for something; what changes something is sent by POST."
    if scope["method"] == "POST" and headers.get("content-type", "").split(";")[0].strip().lower() not in JSON:
        return 415, f"GraphQL is sent as {' or '.join(JSON)}."
    return 0, ""


def _operations(text: str) -> Iterator[OperationType | None]:
    """What a text asks for; None if it cannot be read."""
    try:
        document = parse(text)
    except (GraphQLError, RecursionError):
        yield None
        return
    yield from (part.operation for part in document.definitions if isinstance(part, OperationDefinitionNode))


def _unframed(send: Send) -> Send:
    """Answers that no page of another origin shows within itself, where a click could be led astray."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["x-frame-options"] = "SAMEORIGIN"
        await send(message)

    return sending
