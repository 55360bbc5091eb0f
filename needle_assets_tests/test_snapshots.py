"""A catalogue, photometry or hosts file that cannot be read, shrank or is gone leaves what was read before, and says so."""

import gzip
import os

import pytest

from needle_assets.home import Home
from needle_assets.refresh import Session
from needle_assets_tests.homes import ask

IDS = [f"ZTF21aaaaa{a}{b}" for a in "abcdefgh" for b in "vwxyz"]
NAMES = {"catalogue": "bts.csv", "photometry": "photometry.csv", "hosts": "hosts.csv"}


def catalogue(ids=IDS, kind="SN Ia"):
    return "ZTFID,RA,Dec,type\n" + "".join(f"{ztf_id},10:00:00,+10:00:00,{kind}\n" for ztf_id in ids)


def photometry(ids=IDS, n=2):
    rows = [f"{ztf_id},{59000 + k},g,18.5,0.1\n" for ztf_id in ids for k in range(n)]
    return "ztf_id,mjd,band,mag,mag_err\n" + "".join(rows)


def hosts(ids=IDS):
    return "ztf_id,host_ra,host_dec\n" + "".join(f"{ztf_id},150.001,10.0\n" for ztf_id in ids)


@pytest.fixture
def session(tmp_path):
    """A session in a home that has read a landing folder with 40 objects in each of the three files."""
    folder = tmp_path / "landing"
    folder.mkdir()
    for name, text in (("bts.csv", catalogue()), ("photometry.csv", photometry()), ("hosts.csv", hosts())):
        (folder / name).write_text(text, encoding="utf-8")
    home = Home(tmp_path / "home").prepare()
    opened = Session(home, home.settings(), workers=1).open()
    opened.scan(folder)
    assert opened.problems == []
    return opened


def scanned(session, kind, **options):
    """How many objects the file of a kind is known to say something of, after looking again, and what was told."""
    session.problems.clear()
    session.scan(session.home.landing(), **options)
    ((n_objects,),) = ask(session.home.working, "select count(*) from lineage.landing_rows where source = ?", kind)
    return n_objects, list(session.problems)


UNREADABLE = {
    "a web page": b"<!DOCTYPE html>\n<html><body>Service unavailable</body></html>\n",
    "nothing": b"",
    "blanks": b"\n\n  \n",
    "bytes": bytes(range(256)) * 40,
    "half a gzip": gzip.compress(catalogue().encode())[:60],
    "another table": b"name,x,y\na,1,2\n",
    "a Parquet head": b"PAR1" + b"\0" * 100,
}


@pytest.mark.parametrize("damage", UNREADABLE)
@pytest.mark.parametrize("kind", NAMES)
def test_a_snapshot_that_cannot_be_read_keeps_the_rows_of_before_and_is_told_every_time(session, kind, damage):
    (session.home.landing() / NAMES[kind]).write_bytes(UNREADABLE[damage])
    for _ in range(2):
        n_objects, (told,) = scanned(session, kind)
        assert n_objects == 40
        assert told.startswith(NAMES[kind])
        assert "the rows read before are kept" in told


@pytest.mark.parametrize(("kind", "text"), [("catalogue", catalogue), ("photometry", photometry), ("hosts", hosts)])
@pytest.mark.parametrize("n_left", [0, 20, 37])
def test_a_snapshot_that_lost_more_than_a_twentieth_is_believed_only_when_accepted(session, kind, text, n_left):
    (session.home.landing() / NAMES[kind]).write_text(text(IDS[:n_left]), encoding="utf-8")
    n_objects, (told,) = scanned(session, kind)
    assert n_objects == 40
    assert f"{40 - n_left} of its 40 objects" in told
    assert scanned(session, kind, accept_shrunken=True) == (n_left, [])
    assert scanned(session, kind) == (n_left, [])


@pytest.mark.parametrize("kind", NAMES)
def test_a_snapshot_may_lose_a_twentieth_and_grow(session, kind):
    text = {"catalogue": catalogue, "photometry": photometry, "hosts": hosts}[kind]
    (session.home.landing() / NAMES[kind]).write_text(text(IDS[2:]), encoding="utf-8")
    assert scanned(session, kind) == (38, [])
    (session.home.landing() / NAMES[kind]).write_text(text([*IDS, "ZTF22aaaaaaa"]), encoding="utf-8")
    assert scanned(session, kind) == (41, [])


def test_lost_rows_of_objects_that_stay_count_too(session):
    (session.home.landing() / "photometry.csv").write_text(photometry(n=1), encoding="utf-8")
    n_objects, (told,) = scanned(session, "photometry")
    assert n_objects == 40
    assert "40 of its 80 rows (50%, the limit is 5%)" in told


def test_a_catalogue_whose_types_are_gone_is_not_believed(session):
    (session.home.landing() / "bts.csv").write_text(catalogue(kind=""), encoding="utf-8")
    n_objects, (told,) = scanned(session, "catalogue")
    assert n_objects == 40
    assert "lost all values of label, label_source, type" in told


@pytest.mark.parametrize("kind", ["photometry", "hosts"])
def test_rows_of_a_snapshot_that_is_gone_are_kept_until_that_is_accepted(session, kind):
    (session.home.landing() / NAMES[kind]).unlink()
    n_objects, (told,) = scanned(session, kind)
    assert n_objects == 40
    assert "is gone from the landing folder" in told
    assert scanned(session, kind, accept_shrunken=True) == (0, [])
    assert scanned(session, kind) == (0, [])


def test_what_is_not_believed_stands_in_the_rejections_until_the_file_is_itself_again(session):
    path = session.home.landing() / "hosts.csv"
    before, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_text("ztf_id,host_ra,host_dec\n", encoding="utf-8")
    scanned(session, "hosts")
    assert session.is_doubtful()
    (told,) = [one for one in session.standing_files().refused if one.path == "hosts.csv"]
    assert (told.kind, "40 of its 40 objects" in told.reason) == ("hosts", True)
    path.write_bytes(before)
    os.utime(path, ns=times)
    assert scanned(session, "hosts") == (40, [])
    assert not session.is_doubtful()
