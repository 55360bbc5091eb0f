"""What vanishes, changes or cannot be read between the look at the landing folder and the computing is a failure, never nothing."""

import shutil

import pytest

from needle_assets.home import Home
from needle_assets.pipeline import read_landing
from needle_assets_tests.homes import ask, content, fill
from needle_assets_tests.packets import packet

RAW = ("raw/objects", "raw/alerts", "raw/photometry", "raw/hosts")
PRODUCT_OF = {"alerts": "raw/alerts", "bts.csv": "raw/objects", "photometry.parquet": "raw/photometry", "hosts.csv": "raw/hosts"}


@pytest.fixture
def landing(filled, tmp_path):
    return shutil.copytree(filled[0], tmp_path / "landing")


@pytest.fixture
def after_scan(monkeypatch):
    """Let something happen once, between the scan and the computing."""

    def arrange(action) -> None:
        scan, waiting = read_landing.scan, [action]

        def scanned(session, folder, **how):
            n_files = scan(session, folder, **how)
            if waiting:
                waiting.pop()()
            return n_files

        monkeypatch.setattr(read_landing, "scan", scanned)

    return arrange


def failed(result) -> set[str]:
    return {name for name, done in result["assets"].items() if done["failed"]}


@pytest.mark.parametrize("name", [".", *PRODUCT_OF])
def test_what_vanishes_before_it_is_computed_fails_and_is_computed_when_it_is_back(name, filled, landing, tmp_path, after_scan):
    home, there, away = Home(tmp_path / "home"), landing / name, tmp_path / "away"
    after_scan(lambda: there.rename(away))
    result = fill(home.path, landing, select=RAW)
    assert failed(result) == ({PRODUCT_OF[name]} if name != "." else set(PRODUCT_OF.values()))
    for product in failed(result):
        assert ask(home.working, f"select count(*) from {product.replace('/', '.')}") == [(0,)]
    reasons = ask(home.working, "select reason from core.rejections where measured->>'traceback' is not null")
    assert {why.split(":")[0] for (why,) in reasons} == {"what was scanned cannot be read now"}
    away.rename(there)
    assert failed(fill(home.path, landing, select=RAW)) == set()
    raw = {name: rows for name, rows in content(filled[1].published).items() if name.startswith("raw.")}
    assert {name: rows for name, rows in content(home.published).items() if name in raw} == raw


@pytest.mark.parametrize("name", ["bts.csv", "photometry.parquet", "hosts.csv"])
def test_a_table_that_is_replaced_meanwhile_fails_and_the_rows_of_before_stay(name, landing, tmp_path, after_scan):
    home = Home(tmp_path / "home")
    fill(home.path, landing, select=RAW)
    before = content(home.published)
    after_scan(lambda: (landing / name).write_bytes((landing / name).read_bytes()[:-40]))
    result = fill(home.path, landing, select=RAW, recompute=(PRODUCT_OF[name],))
    assert failed(result) == {PRODUCT_OF[name]}
    table = PRODUCT_OF[name].replace("/", ".")
    assert content(home.published)[table] == before[table]


def test_a_packet_replaced_by_another_meanwhile_fails_and_the_next_refresh_reads_that(landing, tmp_path, after_scan):
    home, path = Home(tmp_path / "home"), min((landing / "alerts").rglob("*.avro"))
    after_scan(lambda: path.write_bytes(packet(candid=77)))
    assert fill(home.path, landing, select=("raw/alerts",))["assets"]["raw/alerts"]["failed"] == 1
    assert failed(fill(home.path, landing, select=("raw/alerts",))) == set()
    assert ask(home.published, "select count(*) from raw.alerts where candid = 77") == [(1,)]


def test_a_packet_that_vanished_for_good_before_it_was_stored_is_told_and_read_when_it_comes_back(landing, tmp_path, after_scan):
    home, path, away = Home(tmp_path / "home"), min((landing / "alerts").rglob("*.avro")), tmp_path / "away.avro"
    after_scan(lambda: path.rename(away))
    assert fill(home.path, landing, select=("raw/alerts",))["assets"]["raw/alerts"]["failed"] == 1
    assert failed(fill(home.path, landing, select=("raw/alerts",))) == set()
    told = (
        "select count(*) from core.rejections where stage = 'landing' and reason like '%vanished before this packet was stored%'"
    )
    assert ask(home.published, told) == [(1,)]
    away.rename(path)
    fill(home.path, landing, select=("raw/alerts",))
    n_packets = len(list((landing / "alerts").rglob("*.avro")))
    assert ask(home.published, f"select ({told}), count(*) from raw.alerts") == [(0, n_packets)]


def test_a_packet_that_cannot_be_read_when_looked_at_is_tried_again_though_it_never_changes(landing, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    with monkeypatch.context() as patched:
        patched.setattr(
            "needle_assets.landing.folder._opened", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
        )
        fill(home.path, landing, select=("raw/alerts",))
    assert ask(home.published, "select count(*) from raw.alerts") == [(0,)]
    fill(home.path, landing, select=("raw/alerts",))
    assert ask(home.published, "select count(*) from raw.alerts") == [(len(list((landing / "alerts").rglob("*.avro"))),)]
