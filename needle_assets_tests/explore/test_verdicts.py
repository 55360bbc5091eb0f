"""Verdicts: appended whole, once, by several writers, and shown before a refresh has landed them."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from needle_assets.errors import Rejection
from needle_assets.home import Home
from needle_assets.landing import verdicts
from needle_assets.landing.verdicts import OBJECT_FILE, STAMP_FILE
from needle_assets_tests.explore.conftest import Ask
from needle_assets_tests.folders import refreshed, rows

WRITER = (
    "import sys; from pathlib import Path; from needle_assets.landing import verdicts\n"
    "for k in range(int(sys.argv[3])):\n"
    "    name = f'{sys.argv[2]}{k}'\n"
    "    verdicts.append(Path(sys.argv[1]), 'verdicts.csv', {'verdict_id': name, 'object_id': 'ZTF20aaaaaaa', 'verdict': 'TDE'})\n"
    "    print(name, flush=True)\n"
)


def test_a_verdict_of_a_page_is_kept_and_shown(judged: tuple[Path, Ask]) -> None:
    landing, ask = judged
    object_id = ask("/objects?order=id").text.split('data-object="')[1].split('"')[0]
    given = {"object_id": object_id, "verdict": "TDE", "comment": "blue, central <b>", "judged_by": "ada"}
    answer = ask("/verdicts", "POST", data=given, headers={"accept": "application/json"})
    assert answer.json()["verdict"] == "TDE"
    assert verdicts.read(landing, OBJECT_FILE)[0]["comment"] == "blue, central <b>"
    page = ask(f"/objects/{object_id}").text
    assert "blue, central &lt;b&gt;" in page
    assert 'class="chip v-tde"' in ask("/objects?verdict=TDE").text
    assert f'data-object="{object_id}"' not in ask("/objects?verdict=none").text


def test_a_refresh_lands_what_was_said_once(own: tuple[Path, Home]) -> None:
    landing, home = own
    for verdict in ("TDE", "junk"):
        verdicts.append(landing, OBJECT_FILE, {"verdict_id": verdict, "object_id": "ZTF20aaaaaaa", "verdict": verdict})
    stamp = {"object_id": "ZTF20aaaaaaa", "candid": 2759248892999000059, "image": "science", "verdict": "bad"}
    verdicts.append(landing, STAMP_FILE, {"verdict_id": "stamp", **stamp})
    with (landing / OBJECT_FILE).open("a") as file:
        file.write("torn,ZTF20")
    assert refreshed(home)["raw/verdicts"] == 1
    landed = rows(home, "select verdict_id, candid, verdict from raw.verdicts order by 1")
    assert landed == [("TDE", None, "TDE"), ("junk", None, "junk"), ("stamp", 2759248892999000059, "bad")]
    assert "is no verdict" in str(rows(home, "select reason from core.rejections where reason like '%verdicts.csv%'"))
    assert "raw/verdicts" not in refreshed(home)


def test_a_form_leads_back_to_pages_of_ours_alone(judged: tuple[Path, Ask]) -> None:
    _, ask = judged
    object_id = ask("/objects").text.split('data-object="')[1].split('"')[0]
    own = f"/objects/{object_id}"
    for given, expected in ((own, own), ("https://evil.example", "/candidates"), ("//evil.example", "/candidates")):
        answer = ask("/verdicts", "POST", data={"object_id": object_id, "verdict": "SN", "next": given})
        assert answer.headers["location"] == expected


def test_a_stamp_is_judged_with_its_reason(judged: tuple[Path, Ask]) -> None:
    landing, ask = judged
    object_id = ask("/objects").text.split('data-object="')[1].split('"')[0]
    given = {"object_id": object_id, "candid": "2759248892999000059", "image": "science", "verdict": "bad", "comment": "trail"}
    assert ask("/stamp-verdicts", "POST", data=given).status_code == 303
    assert verdicts.read(landing, STAMP_FILE)[0] | given == verdicts.read(landing, STAMP_FILE)[0]


def test_the_gallery_shows_what_people_said_of_a_stamp(judged: tuple[Path, Ask], filled: tuple[Path, Home]) -> None:
    landing, ask = judged
    object_id, candid, image = rows(filled[1], "select object_id, candid, image from core.stamp_quality order by all limit 1")[0]
    verdicts.append(
        landing, STAMP_FILE, {"object_id": object_id, "candid": candid, "image": image, "verdict": "bad", "comment": "trail"}
    )
    page = ask("/gallery").text
    assert page.count('class="chip v-bad"') == 1
    assert ": trail" in page


@pytest.mark.parametrize("given", [{"verdict": "AGN"}, {"verdict": "comment"}, {"verdict": "SN", "comment": "x" * 1001}])
def test_what_is_no_verdict_is_refused_in_a_sentence(judged: tuple[Path, Ask], given: dict[str, str]) -> None:
    landing, ask = judged
    object_id = ask("/objects").text.split('data-object="')[1].split('"')[0]
    answer = ask("/verdicts", "POST", data={"object_id": object_id, **given}, headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["problem"].endswith(".")
    assert not (landing / OBJECT_FILE).exists()


def test_an_object_nobody_knows_cannot_be_judged(judged: tuple[Path, Ask]) -> None:
    assert judged[1]("/verdicts", "POST", data={"object_id": "ZTF00aaaaaaa", "verdict": "SN"}).status_code == 400


def test_two_hundred_verdicts_of_two_writers_are_all_there_once_though_others_are_killed_between(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name, n], stdout=subprocess.PIPE, text=True) for name, n in KILLED_AMONG.items()]
    for writer in writers[2:]:
        assert writer.stdout
        assert writer.stdout.readline()
        writer.kill()
    told = [(writer.communicate()[0] or "").splitlines() for writer in writers]
    found = [row["verdict_id"] for row in verdicts.read(tmp_path, OBJECT_FILE)]
    assert len(found) == len(set(found))
    assert {f"{name}{k}" for name in "ab" for k in range(100)} | {name for names in told for name in names} <= set(found)


KILLED_AMONG = {"a": "100", "b": "100", "c": "100000", "d": "100000"}


def test_a_writer_that_is_killed_loses_nothing_it_said_was_stored(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "k", "100000"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    said = [writer.stdout.readline().strip() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    said += writer.communicate()[0].split("\n")[:-1]
    verdicts.append(tmp_path, OBJECT_FILE, {"verdict_id": "after", "object_id": "ZTF20aaaaaaa", "verdict": "SN"})
    found = [row["verdict_id"] for row in verdicts.read(tmp_path, OBJECT_FILE)]
    assert set(said) | {"after"} <= set(found)
    assert len(found) == len(set(found)) <= len(said) + 2


def test_a_line_left_unfinished_harms_no_other(tmp_path: Path) -> None:
    verdicts.append(tmp_path, OBJECT_FILE, {"verdict_id": "1", "object_id": "ZTF20aaaaaaa", "verdict": "SN"})
    with (tmp_path / OBJECT_FILE).open("a") as file:
        file.write("2,ZTF20aa")
    verdicts.append(tmp_path, OBJECT_FILE, {"verdict_id": "3", "object_id": "ZTF20aaaaaaa", "verdict": "TDE"})
    assert [row["verdict_id"] for row in verdicts.read(tmp_path, OBJECT_FILE)] == ["1", "3"]


def test_a_verdict_sent_twice_counts_once_and_lines_stay_lines(tmp_path: Path) -> None:
    given = {"verdict_id": "1", "object_id": "ZTF20aaaaaaa", "verdict": "comment", "comment": 'two\nlines, "quoted"'}
    for _ in range(2):
        verdicts.append(tmp_path, OBJECT_FILE, given)
    assert [row["comment"] for row in verdicts.read(tmp_path, OBJECT_FILE)] == ['two lines, "quoted"']


def test_a_file_made_by_hand_keeps_its_columns(tmp_path: Path) -> None:
    header = list(reversed(verdicts.COLUMNS[OBJECT_FILE]))
    (tmp_path / OBJECT_FILE).write_text(",".join(header) + "\n")
    verdicts.append(tmp_path, OBJECT_FILE, {"object_id": "ZTF20aaaaaaa", "verdict": "SN"})
    with (tmp_path / OBJECT_FILE).open() as file:
        assert next(iter(csv.DictReader(file)))["verdict"] == "SN"
    (tmp_path / OBJECT_FILE).write_text("object,says\n")
    with pytest.raises(Rejection, match="has no column"):
        verdicts.append(tmp_path, OBJECT_FILE, {"object_id": "ZTF20aaaaaaa", "verdict": "SN"})
