"""Candidates told to others: once each, however an answer fails or the process ends; nothing unless it is switched on."""

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from needle_assets.cli.restoring import run_restore
from needle_assets.fetch import Around, FetchError
from needle_assets.home import Home, HomeBusyError
from needle_assets.pipeline.claims import Claims
from needle_assets.pipeline.send import Journal, Sending, send
from needle_assets.pipeline.session import Session
from needle_assets.settings import FetchSettings, SendSettings, ServiceSettings, Settings
from needle_assets.warehouse import schema
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import sent
from needle_assets_tests.fetch.loopback import FAULTS, Clock, Request, Response, Server, echo, redirect_to, says
from needle_assets_tests.homes import ask, environment_of

TOKEN = "0123456789abcdef0123456789abcdef01234567"
TOKENS = dict.fromkeys(("NEEDLE_LASAIR_TOKEN", "NEEDLE_LASAIR_LSST_TOKEN", "NEEDLE_WEBHOOK_TOKEN"), TOKEN)
FIRST, SECOND, THIRD, RUBIN = "ZTF18aaaaaaa", "ZTF19bbbbbbb", "ZTF20ccccccc", "313893023095193658"
ZTF_IDS = (FIRST, SECOND, THIRD)
NOW = 1_800_000_000.0


def score(object_id: str, p_slsn: float = 0.8, mjd: float = 60000.0, simulated: str = "false") -> str:
    return (
        f"insert into results.candidates by name select '{object_id}' as object_id, {mjd} as as_of_mjd, 'masked' as ablation, "
        f"'TH' as model_kind, 5 as n_models, 'a1b2c3d4e5f6' as model_set, {1 - p_slsn} as p_sn, {p_slsn} as p_slsn, 0 as p_tde, "
        "0.01 as p_slsn_std, 0 as p_tde_std, 12.3 as days_since_first, 150.1 as ra_deg, 2.2 as dec_deg, "
        f"5 as n_det_g, 6 as n_det_r, [] as outside_range, {simulated} as is_simulated"
    )


def change(home: Home, *statements: str) -> None:
    """Change what is scored, and publish it."""
    opened = Session(home, home.settings()).open()
    with writing(home.working) as connection:
        for statement in statements:
            connection.execute(statement)
        schema.bump_change(connection)
    assert opened.publish()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that published the scores of three ZTF objects and one of Rubin."""
    home = Home(tmp_path_factory.mktemp("made") / "home").prepare()
    objects = [
        f"insert into lineage.objects by name select '{o}' as object_id, 'ztf' as survey, now() as landed_at" for o in ZTF_IDS
    ]
    objects.append(f"insert into lineage.objects by name select '{RUBIN}' as object_id, 'lsst' as survey, now() as landed_at")
    scores = [score(object_id, 0.9 - 0.1 * n) for n, object_id in enumerate((*ZTF_IDS, RUBIN))]
    change(home, *objects, *scores)
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    shutil.copytree(made.path, tmp_path / "home")
    return Home(tmp_path / "home")


@dataclass
class Listener:
    """A service that is told, on this machine; ``taken`` holds what it was told with a good answer, by object or key."""

    server: Server
    elsewhere: Server
    now: float = NOW
    changes: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> Settings:
        place = ServiceSettings(self.server.url, interval_seconds=0.0, max_requests=self.asked.get("max_requests", 1000))
        fetching = replace(FetchSettings(), **({"tries": 2, "timeout_seconds": 20.0} | self.changes))
        everywhere = ("lasair", "lasair_lsst", "webhook", "jsonl")
        told = SendSettings(everywhere, place, place, place, topic="needle", topic_lsst="needle_lsst")
        return Settings(fetch=fetching, send=replace(told, **self.asked.get("send", {})))

    def __call__(self, home: Home, to: str = "lasair", *, live: bool = True) -> Sending:
        clock = Clock(self.now)
        around = Around(clock=clock, sleep=clock.sleep, rng=np.random.default_rng(7), environment=TOKENS)
        return send(home, self.settings(), to, live=live, around=around)

    def objects(self) -> list[str]:
        """Of which objects it was told, in order."""
        return [named_in(request) for request in self.server.requests]


def named_in(request: Request) -> str:
    return request.form()["objectId"] if request.path == "/annotate/" else request.json()["object_id"]


def takes(request: Request) -> Response:
    """Lasair's answer, or a webhook's empty one."""
    if TOKEN not in request.headers.get("Authorization", ""):
        return says({"detail": "Invalid token."}, status=401)
    return says({"status": "success", "query": "REPLACE .."}) if request.path == "/annotate/" else Response(status=204)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    pair = Server(takes), Server(lambda _request: Response(b"{}"))
    yield pair
    for server in pair:
        server.close()


@pytest.fixture
def listener(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.setattr("os.fsync", lambda _file: None)
    monkeypatch.setattr(Claims, "broken", lambda _claims: [])  # a second of questions to tables that are empty here
    for server in servers:
        server.reset()
    servers[0].answer = takes
    return Listener(*servers)


def noted(home: Home, to: str = "lasair") -> list[str]:
    """Objects of which the warehouse says that a destination took a message, in order."""
    found = ask(
        home.published, f"select object_id from results.sent where destination = '{to}' and refusal is null order by number"
    )
    return [object_id for (object_id,) in found]


def test_a_dry_run_says_what_would_be_sent_and_sends_and_notes_nothing(home, listener):
    told = listener(home, live=False)
    assert [message["objectId"] for message in told.messages] == list(ZTF_IDS)
    assert (listener.server.requests, noted(home), told.sent) == ([], [], 0)


def test_live_alone_sends_nothing_where_the_settings_do_not_switch_it_on(home, listener):
    listener.asked = {"send": {"live": ()}}
    with pytest.raises(FetchError, match="not switched on; nothing was sent"):
        listener(home)
    assert listener.server.requests == []


def test_every_candidate_of_the_survey_is_told_once_the_best_first(home, listener):
    assert (listener(home).sent, listener(home).sent) == (3, 0)
    assert (listener.objects(), noted(home)) == (list(ZTF_IDS), list(ZTF_IDS))
    assert listener(home, "lasair_lsst").sent == 1
    assert listener.objects()[3:] == [RUBIN]


def test_lasair_gets_the_fields_of_its_annotator(home, listener):
    listener(home)
    form = listener.server.requests[0].form()
    assert (form["topic"], form["classification"], form["version"]) == ("needle", "SLSN-I", "needle-a1b2c3d4e")
    assert json.loads(form["classdict"]) == {"SN": 0.1, "SLSN-I": 0.9, "TDE": 0.0, "as_of_mjd": 60000.0, "n_against": 0}
    assert form["explanation"].startswith("NEEDLE: SN 0.10, SLSN-I 0.90, TDE 0.00 as of MJD 60000.00 (5 g and 6 r epochs")


def test_a_webhook_gets_the_record_with_its_id_as_key_and_may_answer_without_content(home, listener):
    assert listener(home, "webhook").sent == 4
    first = listener.server.requests[0]
    assert first.headers["Authorization"] == f"Bearer {TOKEN}"
    assert first.headers["Idempotency-Key"] == first.json()["message_id"]
    assert first.json()["probabilities"] == {"SN": 0.1, "SLSN-I": 0.9, "TDE": 0.0}


def test_only_what_changed_by_more_than_the_tolerance_is_told_again_with_what_was_said_before(home, listener):
    listener(home, "webhook")
    change(home, score(FIRST, 0.93, 60001.0), score(SECOND, 0.86, 60001.0))
    told = listener(home, "webhook")
    assert (told.sent, told.unchanged, listener.objects()[4:]) == (1, 3, [SECOND])
    said = listener.server.requests[-1].json()
    assert said["previous"]["message_id"] == listener.server.requests[1].json()["message_id"]


@pytest.mark.slow
def test_what_newly_speaks_against_an_object_is_told_though_the_score_stayed(home, listener):
    listener(home)
    names = "is_on_star, is_near_bright_star, has_history, is_fading_often, is_bogus, is_moving, is_old, is_past_peak, has_few_detections"
    flags = ", ".join(f"{name.strip() == 'is_on_star'} as {name}" for name in names.split(","))
    change(
        home,
        f"insert into core.vetting by name select '{FIRST}' as object_id, {flags}, ['a star of 15.0 mag within 0.2 arcsec'] as reasons, "
        "2 as n_epochs, 1 as age_days, 0 as days_since_peak",
    )
    assert (listener(home).sent, listener.objects()[3:]) == (1, [FIRST])
    assert "Against it: a star of 15.0 mag within 0.2 arcsec." in listener.server.requests[-1].form()["explanation"]


@pytest.mark.slow
def test_a_score_that_came_back_to_what_it_was_is_another_message(home, listener):
    listener(home, "webhook")
    for p_slsn in (0.2, 0.9):
        change(home, f"update results.candidates set p_slsn = {p_slsn}, p_sn = 1 - {p_slsn} where object_id = '{FIRST}'")
        listener(home, "webhook")
    keys = [request.headers["Idempotency-Key"] for request in listener.server.requests if named_in(request) == FIRST]
    assert len(set(keys)) == 3


def test_simulated_candidates_leave_this_machine_to_nowhere(home, listener):
    row = "insert into lineage.objects by name select 'ZTF21zzaaaaa' as object_id, 'ztf' as survey, now() as landed_at"
    change(home, row, score("ZTF21zzaaaaa", simulated="true"))
    listener.asked = {"send": {"lasair": ServiceSettings("https://lasair.example/api")}}
    told = listener(home, live=False)
    assert (told.simulated, len(told.messages)) == (1, 3)
    assert listener(home, "webhook").sent == 5


BROKEN = {**FAULTS, "redirect": None, "echo": echo, "refused": lambda _request, _response: says({"error": "not the owner"})}
# Statuses from 200 to 299 are good answers of a webhook, whatever else comes.
TAKEN_BY_WEBHOOKS = (
    "empty",
    "half",
    "half without length",
    "slow drip",
    "wrong schema",
    "other list",
    "login page",
    "refused",
    "bad gzip",
)
SOME = [("lasair", "broken", 1), ("webhook", "redirect", 1)]
ALL = [("lasair" if number % 2 else "webhook", name, start) for number, name in enumerate(BROKEN) for start in (0, 1)]
LEFT = [pytest.param(*one, marks=pytest.mark.slow) for one in ALL if one not in SOME]


@pytest.mark.parametrize(("to", "name", "start"), [*SOME, *LEFT], ids=str)
def test_after_a_fault_the_rest_is_told_and_nothing_that_was_taken_is_told_again(home, listener, caplog, to, name, start):
    everyone = {*ZTF_IDS} | ({RUBIN} if to == "webhook" else set())
    listener.server.break_from(start, BROKEN[name] or redirect_to(listener.elsewhere.url))
    listener.changes = {"timeout_seconds": 0.1, "answer_seconds": 0.1} if name == "slow drip" else {}
    with caplog.at_level("DEBUG"):
        broken = listener(home, to)
    taken = noted(home, to)
    assert len(taken) == broken.sent == (len(everyone) if to == "webhook" and name in TAKEN_BY_WEBHOOKS else start)
    listener.changes = {}
    listener.server.reset()
    assert not listener(home, to).failures
    assert sorted([*taken, *listener.objects()]) == sorted(noted(home, to)) == sorted(everyone)
    files = b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
    assert TOKEN not in caplog.text + repr(broken) + files.decode("latin-1")
    assert not listener.elsewhere.requests


@pytest.mark.slow
def test_a_message_tried_again_within_a_run_has_the_same_key(home, listener):
    listener.server.fault, listener.server.is_faulty = FAULTS["reset"], lambda number: number == 0
    assert listener(home, "webhook").sent == 4
    keys = [request.headers["Idempotency-Key"] for request in listener.server.requests]
    assert (len(keys), len(set(keys)), keys[0]) == (5, 4, keys[1])


@pytest.mark.slow
def test_an_answer_without_end_of_a_webhook_is_not_read(home, listener):
    listener.server.answer = lambda _request: Response(b"x" * 10_000_000, drip=True)
    assert listener(home, "webhook").sent == 4


@pytest.mark.slow
def test_what_a_service_refuses_waits_behind_all_others(home, listener):
    def refuses_one(request: Request, response: Response) -> Response:
        return Response(b"who is that?", status=400) if named_in(request) == FIRST else response

    listener.server.fault, listener.server.is_faulty = refuses_one, lambda _number: True
    first = listener(home)
    assert (first.sent, [failure.split(":")[0] for failure in first.failures]) == (2, [FIRST])
    row = "insert into lineage.objects by name select 'ZTF21ddddddd' as object_id, 'ztf' as survey, now() as landed_at"
    change(home, row, score("ZTF21ddddddd", 0.1))
    listener.server.requests.clear()
    listener(home)
    assert listener.objects() == ["ZTF21ddddddd", FIRST]


@pytest.mark.slow
def test_a_run_ends_at_its_most_requests_and_the_next_goes_on(home, listener):
    listener.asked = {"max_requests": 2}
    assert (listener(home).left, listener(home).left) == (1, 0)
    assert listener.objects() == list(ZTF_IDS)


def test_what_was_taken_before_the_process_died_is_not_told_again(home, listener, monkeypatch):
    monkeypatch.setattr("needle_assets.pipeline.send._note", lambda *_: [])  # as if killed before it noted anything
    assert listener(home).sent == 3
    monkeypatch.undo()
    assert noted(home) == []
    assert (listener(home).sent, noted(home)) == (0, list(ZTF_IDS))


def test_killed_between_answer_and_note_the_message_has_the_same_key_again(home, listener, monkeypatch):
    def dies(_journal: Journal, _row: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            listener(home, "webhook")
    listener(home, "webhook")
    first, second = listener.server.requests[:2]
    assert (first.headers["Idempotency-Key"], first.body) == (second.headers["Idempotency-Key"], second.body)
    assert listener.objects() == [FIRST, *ZTF_IDS, RUBIN]


@pytest.mark.slow
def test_a_line_of_the_journal_that_was_cut_is_passed_over(home, listener):
    journal = Journal(home.state / "sending-lasair.jsonl")
    journal.path.write_bytes(b'{"object_id": "ZTF18aaa')
    assert listener(home).sent == 3
    assert not journal.path.exists()


@pytest.mark.slow
def test_while_a_refresh_is_at_work_messages_go_out_and_are_noted_later(home, listener, monkeypatch):
    monkeypatch.setattr("needle_assets.pipeline.send.NOTE_WAIT_SECONDS", 0.0)
    with home.lock(what="refresh"):
        told = listener(home)
    assert (told.sent, noted(home)) == (3, [])
    assert "in use by a refresh" in told.problems[0]
    assert (listener(home, live=False).unchanged, listener(home).sent, noted(home)) == (3, 0, list(ZTF_IDS))


def test_two_cannot_tell_the_same_destination_at_once(home, listener):
    with home.lock(what="sending to lasair", name="sending-lasair"), pytest.raises(HomeBusyError, match="sending to lasair"):
        listener(home)
    assert listener.server.requests == []


@pytest.mark.slow
def test_a_file_of_lines_holds_each_message_once_though_half_a_line_was_written(home, listener):
    lines = home.path / "candidates.jsonl"
    listener(home, "jsonl")
    first = lines.read_bytes().splitlines()
    lines.write_bytes(b"\n".join(first[:2]) + b"\n" + first[2][:50])
    change(home, "delete from results.sent")
    shutil.rmtree(home.backups)
    assert [json.loads(line)["object_id"] for line in first] == [*ZTF_IDS, RUBIN]


@pytest.mark.slow
def test_who_goes_back_to_an_older_copy_or_begins_anew_tells_nothing_again(home, listener):
    shutil.copy(home.published, home.path / "older.duckdb")
    listener(home)
    run_restore(home, home.path / "older.duckdb")
    assert listener(home).sent == 0
    home.working.unlink()
    opened = Session(home, home.settings(), accept_loss=True).open()
    assert opened.publish()
    assert noted(home) == list(ZTF_IDS)


def test_what_was_refused_in_an_older_copy_and_taken_since_stays_taken():
    row = {
        "message_id": "m",
        "destination": "lasair",
        "object_id": FIRST,
        "sent_at": dt.datetime(2026, 1, 1),
        "as_of_mjd": 60000.0,
    }
    row |= {"model_set": "s", "classification": "SN", "p_sn": 1.0, "p_slsn": 0.0, "p_tde": 0.0, "against": [], "message": "{}"}
    with duckdb.connect() as connection:
        schema.apply(connection)
        connection.execute("attach ':memory:' as other; create schema other.results")
        sent.store(connection, [{**row, "refusal": None}])
        connection.execute("create table other.results.sent as from results.sent")
        connection.execute("update results.sent set refusal = 'busy'")
        assert sent.take_over(connection, "other") == 1
        assert connection.execute("select message_id, refusal from results.sent").fetchall() == [("m", None)]


def test_the_newest_message_is_the_last_noted_though_the_clock_went_back(home, listener):
    listener(home)
    change(home, score(FIRST, 0.3, 60001.0))
    listener.now = NOW - 1e7
    assert (listener(home).sent, listener(home).sent) == (1, 0)


def test_no_refresh_publishes_without_what_was_sent(home, listener):
    listener(home)
    change(home, "delete from results.sent")
    assert noted(home) == list(ZTF_IDS)


@pytest.mark.parametrize(
    ("to", "asked", "said"),
    [
        ("lasair", {"topic": ""}, "topic of .send. is not set"),
        ("lasair_lsst", {"topic_lsst": ""}, "topic_lsst of"),
        ("tns", {}, "choose one of"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(home, listener, to, asked, said):
    listener.asked = {"send": asked}
    with pytest.raises(FetchError, match=said):
        listener(home, to)


@pytest.mark.slow
def test_the_command_says_what_it_would_send_and_how_to_switch_it_on(home):
    run = [sys.executable, "-m", "needle_assets.cli", "send", "webhook"]
    dry = subprocess.run(run, env=environment_of(home.path), capture_output=True, text=True, check=False)
    assert (dry.returncode, dry.stdout.count("\n")) == (0, 5)
    assert f"{FIRST}  SLSN-I  NEEDLE: SN 0.10" in dry.stdout
    refused = subprocess.run([*run, "--live"], env=environment_of(home.path), capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "Add it to live of [send]" in refused.stderr
