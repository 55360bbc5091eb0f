"""
Tells others of new and changed scores: what is due, sending it, and noting what was taken.

The published file says what is due. Nobody's refresh waits meanwhile: an answer is first written to a small journal beside the working
file, and the journal goes to ``results.sent`` when all is sent, or at the next sending if a refresh is at work or the process died.
"""

import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from needle_assets.fetch.around import AnswerError, Around, FetchError, Progress, ServiceStoppedError
from needle_assets.fetch.sending.destinations import Destination, Post, destination_named, opened
from needle_assets.fetch.sending.messages import is_changed, record
from needle_assets.home import Home, HomeBusyError
from needle_assets.pipeline.session import Session
from needle_assets.settings import Settings
from needle_assets.surveys.known import is_simulated
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import sent

NOTE_WAIT_SECONDS = 60.0


@dataclass
class Sending:
    """
    What one sending did, or in a dry run would do.

    Attributes
    ----------
    destination : str
    is_live : bool
    candidates, unchanged, simulated : int
        Of the destination's survey; told before and not changed since; left out because simulated objects stay on this machine.
    messages : list of dict
        What is due, in the form in which it goes out, the best candidate first.
    sent, left : int
        Taken, and not reached.
    failures : list of str
        What was not taken, and why; it is tried again in the next run, after all others.
    stopped : str or None
        Why the rest was left.
    problems : list of str
        Why what was sent is not noted in ``results.sent`` yet.
    """

    destination: str
    is_live: bool
    candidates: int = 0
    unchanged: int = 0
    simulated: int = 0
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    sent: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)
    stopped: str | None = None
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def send(home: Home, settings: Settings, name: str, *, live: bool = False, around: Around | None = None) -> Sending:
    """
    Tell a destination of every score that is new or changed since it was told; unless ``live``, only say what would be told.

    Raises
    ------
    FetchError
        If the destination is unknown, not switched on, or lacks its token or topic.
    HomeBusyError
        If another sending to it is under way.
    WarehouseError
        If nothing is published.
    """
    around = around or Around()
    to = destination_named(name, settings)
    journal = Journal(home.state / f"sending-{name}.jsonl")
    if not live:
        return _due(home, settings, to, journal.rows())[0]
    if name not in settings.send.live:
        raise FetchError(f"{name} is not switched on; nothing was sent. Add it to live of [send] in {home.settings_file}.")
    with home.prepare().lock(what=f"sending to {name}", name=f"sending-{name}"):
        with opened(to, home.path, settings, around) as post:
            report, due = _due(home, settings, to, journal.rows())
            report.is_live = True
            _send_all(report, due, post, journal, settings, around)
        report.problems += _note(home, settings, journal)
    return report


def _due(
    home: Home, settings: Settings, to: Destination, noted: Sequence[Mapping[str, Any]]
) -> tuple[Sending, list[dict[str, Any]]]:
    """What is due: a report that says it, and the rows of ``results.sent`` that it makes when it is taken."""
    report = Sending(to.name, is_live=False)
    told = [*sent.told(home.published, to.name), *({**row, "is_refused": row["refusal"] is not None} for row in noted)]
    taken = {row["object_id"]: row for row in told if not row["is_refused"]}
    refused = {row["message_id"] for row in told if row["is_refused"]}
    due = []
    for candidate in sent.candidates(home.published):
        if to.survey not in (None, candidate["survey"]):
            continue
        report.candidates += 1
        before = taken.get(candidate["object_id"])
        if not is_changed(candidate, before, settings.send):
            report.unchanged += 1
        elif not to.is_here and (candidate["is_simulated"] or is_simulated(candidate["object_id"])):
            report.simulated += 1
        else:
            due.append(_row(candidate, record(candidate, before, settings.send, to.name), to))
    due.sort(key=lambda row: row["message_id"] in refused)
    report.messages = [to.form(row["said"]) for row in due]
    return report, due


def _row(candidate: Mapping[str, Any], said: dict[str, Any], to: Destination) -> dict[str, Any]:
    names = ("object_id", "as_of_mjd", "model_set", "p_sn", "p_slsn", "p_tde", "against")
    return {
        "said": said,
        "message_id": said["message_id"],
        "destination": to.name,
        "classification": said["classification"],
        "message": json.dumps(to.form(said)),
        "refusal": None,
        **{name: candidate[name] for name in names},
    }


def _send_all(
    report: Sending, due: Sequence[dict[str, Any]], post: Post, journal: "Journal", settings: Settings, around: Around
) -> None:
    n_failed_in_a_row = 0
    for number, row in enumerate(due):
        said = row.pop("said")
        try:
            post(said)
            report.sent, n_failed_in_a_row = report.sent + 1, 0
        except AnswerError as why:
            row["refusal"] = str(why)
            report.failures.append(f"{row['object_id']}: {why}")
            n_failed_in_a_row += 1
        except ServiceStoppedError as why:
            report.stopped, report.left = str(why), len(due) - number
            return
        journal.add({**row, "sent_at": dt.datetime.fromtimestamp(around.clock(), dt.UTC).replace(tzinfo=None)})
        around.progress(Progress(report.destination, "messages", number + 1, len(due), len(report.failures), None))
        if n_failed_in_a_row >= settings.fetch.failures_in_a_row and number + 1 < len(due):
            report.stopped = f"{n_failed_in_a_row} messages in a row were not taken; the rest is left for the next run."
            report.left = len(due) - number - 1
            return


def _note(home: Home, settings: Settings, journal: "Journal") -> list[str]:
    """Move the journal to the warehouse and publish it; why it stays where it is, if it does."""
    rows = journal.rows()
    if not rows:
        return []
    try:
        with home.lock(wait_seconds=NOTE_WAIT_SECONDS, what="sending"), closing(Session(home, settings).open()) as session:
            with writing(home.working) as connection:
                sent.store(connection, rows)
            session.publish()
            if session.problems:
                return session.problems
    except HomeBusyError as why:
        return [f"what was sent is kept in {journal.path} until the next sending notes it: {why}"]
    journal.clear()
    return []


@dataclass(frozen=True)
class Journal:
    """Rows on their way to ``results.sent``, a line each; a line that a power failure cut is passed over, and its message told again."""

    path: Path

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row so that it survives whatever comes."""
        with self.path.open("ab") as file:
            file.write(b"\n" + json.dumps({**row, "sent_at": row["sent_at"].isoformat()}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> list[dict[str, Any]]:
        """The rows in their order."""
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        read = [row for line in lines if (row := _whole(line)) is not None]
        return [{**row, "sent_at": dt.datetime.fromisoformat(row["sent_at"])} for row in read]

    def clear(self) -> None:
        """Forget the rows: they are noted."""
        self.path.unlink(missing_ok=True)


def _whole(line: bytes) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
