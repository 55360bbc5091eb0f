"""Verdicts that come from pages: forms of our own pages alone, each id once."""

from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from needle_assets.errors import NeedleError, Rejection
from needle_assets.explore.rendering import message
from needle_assets.landing.verdicts import OBJECT_FILE, STAMP_FILE
from needle_assets.warehouse.pages import objects as stored

MAX_BODY_BYTES = 64_000
FORM = "application/x-www-form-urlencoded"
YEAR_SECONDS = 365 * 24 * 3600


class FormError(NeedleError):
    """More was sent than a form of ours holds."""


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises FormError where it is no form of ours, or larger than one."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise FormError(f"forms are sent as {FORM}.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise FormError(f"more than {MAX_BODY_BYTES} bytes were sent; write less.")
    try:
        parsed = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=40)
    except ValueError as error:
        raise FormError("more fields were sent than a form of ours has.") from error
    return {name: values[0] for name, values in parsed.items()}


async def of_object(request: Request) -> Response:
    """A verdict on an object."""
    return await _judge(request, OBJECT_FILE)


async def of_stamp(request: Request) -> Response:
    """A verdict on an image of a packet."""
    return await _judge(request, STAMP_FILE)


async def _judge(request: Request, name: str) -> Response:
    wants_json = "application/json" in request.headers.get("accept", "")
    status, sentence, row, given = 200, "", {}, {}
    try:
        given = await form_of(request)
        row = await run_in_threadpool(_added, request, name, given)
    except (Rejection, FormError) as error:
        status, sentence = 400, str(error)
    except OSError as error:
        status, sentence = (
            500,
            f"the verdict could not be written ({error.strerror}): {name} of the landing folder; nothing of it is stored.",
        )
    if status == 200:
        answer: Response = JSONResponse(row) if wants_json else RedirectResponse(_own_page(given.get("next", "")), 303)
        answer.set_cookie("judge", row["judged_by"], max_age=YEAR_SECONDS, httponly=True, samesite="strict")
        return answer
    return JSONResponse({"problem": sentence}, status) if wants_json else message(request, status, "Not stored", sentence)


def _added(request: Request, name: str, given: dict[str, str]) -> dict[str, str]:
    if not stored.known(request.app.state.published, given.get("object_id", "")):
        raise Rejection(f"{given.get('object_id', '')[:80]!r} is no object of this warehouse.")
    row: dict[str, str] = request.app.state.book.add(
        name, given | {"judged_at": "", "judged_by": given.get("judged_by", "").strip() or "anonymous"}
    )
    return row


def _own_page(address: str) -> str:
    """Where to go on, if that is a page of ours."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_ours and "\n" not in address and "\r" not in address else "/candidates"
