"""The Transient Name Server's list of all public objects with their types: one file, which it writes anew every day.

Documented request: ``POST /tns_public_objects.csv.zip`` with ``api_key`` as a form's field, and a User-Agent that names the bot whose
key it is. Bots are made on the website.
"""

import io
import json
import zipfile
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.fetch.around import AnswerError, Around, DamagedError, FetchError
from needle_assets.fetch.run import FetchSummary, Run, running
from needle_assets.fetch.service import Service, token_from
from needle_assets.landing.catalogues import read_tns
from needle_assets.settings import FetchSettings, Settings

FILE_NAME = "tns_public_objects.csv.zip"
TOKEN_VARIABLE = "NEEDLE_TNS_API_KEY"  # noqa: S105 - the name of a variable, not a token
TOKEN_REMEDY = "make a bot on www.wis-tns.org and copy its API key into it."  # noqa: S105 - a sentence
LIST = "list"


class NameServer(Service):
    """The Transient Name Server: its key goes into the form, and the bot's name into the User-Agent."""

    scheme = ""

    def __init__(self, manners: FetchSettings, around: Around, token: str) -> None:
        self.agent = user_agent(manners.tns_bot_id, manners.tns_bot_name)
        super().__init__("the Transient Name Server", manners.tns, manners, around, token=token)


def fetch_tns(landing: Path, *, settings: Settings, around: Around | None = None) -> FetchSummary:
    """
    Replace the folder's ``tns_public_objects.csv.zip`` by today's, as it came.

    An answer that is no such list, is cut short, or holds far fewer objects than the list before (``smallest_catalogue_fraction``)
    changes nothing.

    Raises
    ------
    FetchError
        If no key is set, or the settings do not say whose it is.
    """
    around = around or Around()
    manners = settings.fetch
    token = token_from(around.environment, TOKEN_VARIABLE, TOKEN_REMEDY)
    service = NameServer(manners, around, token)
    with running("tns", landing, settings, around) as run, service:
        run.wanted = (LIST,)
        run.each(run.wanted, lambda name: run.attempt(name, lambda: _fetch(run, service, token), of=(name,)), "lists")
    return run.summary(service)


def user_agent(bot_id: str, bot_name: str) -> str:
    """How a bot presents itself. Raises FetchError if it has no number or no name that a header can hold."""
    if not bot_id.isdecimal() or not bot_name.isascii() or not bot_name.isprintable() or not bot_name:
        raise FetchError(
            "the Transient Name Server wants to know whose key it is; give the number and the name of your bot as tns_bot_id and "
            "tns_bot_name in the section [fetch] of settings.toml."
        )
    marker = {"tns_id": int(bot_id), "type": "bot", "name": bot_name}
    return f"tns_marker{json.dumps(marker, separators=(',', ':'))}"


def _fetch(run: Run, service: Service, token: str) -> None:
    content = service.ask(f"/{FILE_NAME}", _whole, form={"api_key": token})
    n_objects, n_classified = _counted(run, content)
    before = run.known(LIST).get("n_objects", 0)
    smallest = run.settings.fetch.smallest_catalogue_fraction
    if n_objects < smallest * before:
        raise AnswerError(
            f"{service.name}: the list holds {n_objects} objects, the one before {before}; fewer than {smallest:.0%} of them are not "
            "believed. If it is right, set fetch.smallest_catalogue_fraction lower."
        )
    run.folder.write(run.folder.path / FILE_NAME, content)
    run.objects = max(n_objects - before, 0)
    run.notes.append(f"{n_objects} objects, {n_classified} of them classified")
    run.finish(LIST, n_objects=n_objects)


def _whole(content: bytes) -> bytes:
    """The archive, if it is one and whole."""
    if not content.startswith(b"PK"):
        raise AnswerError(f"the answer of {len(content)} bytes is no zip archive.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        damaged = FILE_NAME
    if damaged is not None:
        raise DamagedError(f"the archive of {len(content)} bytes is damaged or cut short.")
    return content


def _counted(run: Run, content: bytes) -> tuple[int, int]:
    """Objects and classified ones in the list, read exactly as the landing folder's reader will."""
    unfinished = run.folder.answers / f".{FILE_NAME}"
    unfinished.write_bytes(content)
    try:
        listed = read_tns(unfinished)[0]
    except Rejection as why:
        raise AnswerError(why.reason) from None
    finally:
        unfinished.unlink()
    if listed.is_empty():
        raise AnswerError("the list holds no object.")
    return len(listed), len(listed) - listed["type"].null_count()
