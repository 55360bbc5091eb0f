"""
Where messages go: Lasair's annotators, a webhook, a file of JSON lines. Each takes one message at a time, or says why not.

Lasair (REST API): ``POST /annotate/`` with topic, objectId, classification, version, explanation, classdict, url; the answer is
``{"status": "success", ..}`` or ``{"error": ..}``, both with status 200. It keeps one annotation of an object and topic.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from needle_assets.fetch.around import AnswerError, Around, FetchError
from needle_assets.fetch.brokers import lasair, rubin
from needle_assets.fetch.sending.messages import annotation
from needle_assets.fetch.service import Service, is_this_machine, read_json, token_from
from needle_assets.landing.values import shown
from needle_assets.settings import DESTINATIONS, ServiceSettings, Settings
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.ztf import ZTF

WEBHOOK_TOKEN = "NEEDLE_WEBHOOK_TOKEN"  # noqa: S105 - the same
LINES_NAME = "candidates.jsonl"
_WITH_ID = re.compile(rb'^\{"message_id": "([0-9a-f]{32})"', re.MULTILINE)

# Takes a record; raises AnswerError if it was not taken and ServiceStoppedError if nothing more will be.
Post = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Destination:
    """Who is told: ``survey`` says of whose objects alone (None: of all), ``topic`` the annotator of Lasair, ``at`` the service."""

    name: str
    survey: str | None = None
    topic: str | None = None
    at: ServiceSettings | None = None

    @property
    def is_here(self) -> bool:
        """Whether nothing leaves this machine: simulated objects go nowhere else."""
        return self.at is None or is_this_machine(httpx.URL(self.at.url).host)

    def form(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """A record in the form in which it goes out."""
        return said if self.topic is None else annotation(said, self.topic)


class _Webhook(Service):
    """Its status says that a message was taken; what else it answers, torn or without end, is not read."""

    scheme = "Bearer"

    def _body(self, method: str, url: str, sent: Mapping[str, Any]) -> bytes:
        self.take_turn()
        with self.opened(method, url, sent):
            return b""


def destination_named(name: str, settings: Settings) -> Destination:
    """A destination as the settings have it. Raises FetchError for a name that is none."""
    send = settings.send
    if name not in DESTINATIONS:
        raise FetchError(f"destination {name!r} is unknown; choose one of {', '.join(DESTINATIONS)}.")
    return {
        "lasair": Destination(name, ZTF.name, send.topic, send.lasair),
        "lasair_lsst": Destination(name, LSST.name, send.topic_lsst, send.lasair_lsst),
        "webhook": Destination(name, at=send.webhook),
        "jsonl": Destination(name),
    }[name]


@contextlib.contextmanager
def opened(to: Destination, folder: Path, settings: Settings, around: Around) -> Iterator[Post]:
    """
    What takes messages until the end; ``folder`` is where the file of JSON lines grows.

    Raises
    ------
    FetchError
        If a token or Lasair's topic is missing, or an address cannot be used.
    """
    if to.at is None:
        with _lines(folder / LINES_NAME) as post:
            yield post
        return
    with _service(to, settings, around) as service:
        yield _lasair(service, to) if to.topic is not None else _webhook(service, to)


def _service(to: Destination, settings: Settings, around: Around) -> Service:
    assert to.at is not None
    if to.topic is None:
        given = around.environment.get(WEBHOOK_TOKEN, "").strip()
        token = token_from(around.environment, WEBHOOK_TOKEN, "") if given else None
        return _Webhook("the webhook", to.at, settings.fetch, around, token=token)
    if not to.topic:
        key = "topic" if to.survey == ZTF.name else "topic_lsst"
        raise FetchError(f"{key} of [send] is not set; Lasair gives it when it makes an annotator for you.")
    at = lasair if to.survey == ZTF.name else rubin
    token = token_from(around.environment, at.TOKEN_VARIABLE, at.TOKEN_REMEDY)
    return Service("Lasair", to.at, settings.fetch, around, token=token)


def _lasair(service: Service, to: Destination) -> Post:
    def post(said: Mapping[str, Any]) -> None:
        form = {name: str(value) for name, value in to.form(said).items()}
        answer = service.ask("/annotate/", read_json, form=form)
        if not isinstance(answer, dict) or answer.get("status") != "success":
            error = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise AnswerError(f"Lasair does not take it: {shown(error, 200)}")

    return post


def _webhook(service: Service, to: Destination) -> Post:
    path = "/" if to.at is not None and to.at.url.endswith("/") else ""  # many servers redirect from one to the other

    def post(said: Mapping[str, Any]) -> None:
        service.ask(path, bytes, body=said, key=str(said["message_id"]))

    return post


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Post]:
    """A file that grows by a line for each message; one that it holds already is not written again, half a line at its end is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        known = {found.decode() for found in _WITH_ID.findall(content[: content.rfind(b"\n") + 1])}

        def post(said: Mapping[str, Any]) -> None:
            if said["message_id"] not in known:
                file.write(json.dumps(said).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                known.add(str(said["message_id"]))

        yield post
