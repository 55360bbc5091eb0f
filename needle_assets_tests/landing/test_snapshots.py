"""A catalogue, photometry or hosts file that cannot be read, shrank or is gone leaves what was read before, and says so."""

import gzip
import os

import polars as pl
import pytest

from needle_assets.home import Home
from needle_assets.landing.folder import scan
from needle_assets.landing.scanning import read_whole_file
from needle_assets.pipeline import read_landing
from needle_assets.pipeline.session import Session
from needle_assets_tests.homes import ask, fill

IDS = [f"ZTF21aaaaa{a}{b}" for a in "abcdefgh" for b in "vwxyz"]
NAMES = {"catalogue": "bts.csv", "photometry": "photometry.csv", "hosts": "hosts.csv"}


def catalogue(ids=IDS, kind="SN Ia"):
    return "ZTFID,RA,Dec,type\n" + "".join(f"{object_id},10:00:00,+10:00:00,{kind}\n" for object_id in ids)


def photometry(ids=IDS, n=2):
    rows = [f"{object_id},{59000 + k},g,18.5,0.1\n" for object_id in ids for k in range(n)]
    return "object_id,mjd,band,mag,mag_err\n" + "".join(rows)


def hosts(ids=IDS):
    return "object_id,host_ra,host_dec\n" + "".join(f"{object_id},150.001,10.0\n" for object_id in ids)


@pytest.fixture
def session(tmp_path):
    """A session in a home that has read a landing folder with 40 objects in each of the three files."""
    folder = tmp_path / "landing"
    folder.mkdir()
    for name, text in (("bts.csv", catalogue()), ("photometry.csv", photometry()), ("hosts.csv", hosts())):
        (folder / name).write_text(text, encoding="utf-8")
    home = Home(tmp_path / "home").prepare()
    opened = Session(home, home.settings(), workers=1).open()
    read_landing.scan(opened, folder)
    assert opened.problems == []
    return opened


def scanned(session, kind, **options):
    """How many objects the file of a kind is known to say something of, after looking again, and what was told."""
    session.problems.clear()
    read_landing.scan(session, session.home.landing(), **options)
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


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_lost_in_small_steps_adds_up_until_it_is_accepted(session, kind):
    text = {"catalogue": catalogue, "photometry": photometry, "hosts": hosts}[kind]
    path = session.home.landing() / NAMES[kind]
    for n_lost in (1, 2):
        path.write_text(text(IDS[n_lost:]), encoding="utf-8")
        assert scanned(session, kind) == (40 - n_lost, [])
    path.write_text(text(IDS[3:]), encoding="utf-8")
    n_objects, (told,) = scanned(session, kind)
    assert (n_objects, "lost 3 of its 40 objects, step by step" in told) == (38, True)
    assert scanned(session, kind, accept_shrunken=True) == (37, [])
    path.write_text(text(IDS[4:]), encoding="utf-8")
    assert scanned(session, kind) == (36, [])


def test_lost_rows_of_objects_that_stay_count_too(session):
    (session.home.landing() / "photometry.csv").write_text(photometry(n=1), encoding="utf-8")
    n_objects, (told,) = scanned(session, "photometry")
    assert n_objects == 40
    assert "40 of its 80 rows (50%, the limit is 5%)" in told


def test_a_catalogue_whose_types_are_gone_is_not_believed(session):
    (session.home.landing() / "bts.csv").write_text(catalogue(kind=""), encoding="utf-8")
    n_objects, (told,) = scanned(session, "catalogue")
    assert n_objects == 40
    assert "lost 40 of its 40 values of label (100%, the limit is 5%), 40 of its 40 values of label_source" in told


def test_a_catalogue_that_lost_a_tenth_of_its_types_is_not_believed(session):
    text = catalogue(IDS[:36]) + catalogue(IDS[36:], kind="-").partition("\n")[2]
    (session.home.landing() / "bts.csv").write_text(text, encoding="utf-8")
    assert "4 of its 40 values of type" in scanned(session, "catalogue")[1][0]


def test_objects_that_get_a_type_and_new_ones_without_are_no_loss(session):
    untyped = catalogue(IDS[:20], kind="-") + catalogue(IDS[20:]).partition("\n")[2]
    (session.home.landing() / "bts.csv").write_text(untyped, encoding="utf-8")
    assert scanned(session, "catalogue", accept_shrunken=True) == (40, [])
    grown = catalogue() + catalogue([f"ZTF22aaaaaa{c}" for c in "abcdefgh"], kind="-").partition("\n")[2]
    (session.home.landing() / "bts.csv").write_text(grown, encoding="utf-8")
    assert scanned(session, "catalogue") == (48, [])


def test_rows_of_other_objects_do_not_make_up_for_lost_ones(session):
    text = (
        photometry(n=1) + photometry([f"ZTF22aaaa{a}{b}{c}" for a in "ab" for b in "cd" for c in "efghi"], n=4).partition("\n")[2]
    )
    (session.home.landing() / "photometry.csv").write_text(text, encoding="utf-8")
    n_objects, (told,) = scanned(session, "photometry")
    assert n_objects == 40
    assert "40 of its 80 rows" in told


def test_a_file_of_another_survey_is_not_believed_however_long(session):
    (session.home.landing() / "bts.csv").write_text(catalogue([f"ZTF23bbbbb{a}{b}" for a in "abcdefgh" for b in "vwxyz"]))
    assert "40 of its 40 objects" in scanned(session, "catalogue")[1][0]


@pytest.mark.parametrize(
    ("n_before", "n_now", "is_believed"), [(1, 0, False), (2, 1, True), (6, 5, True), (6, 4, False), (6, 0, False)]
)
@pytest.mark.parametrize("kind", NAMES)
def test_of_few_objects_one_may_go_but_not_the_last(session, kind, n_before, n_now, is_believed):
    text = {"catalogue": catalogue, "photometry": photometry, "hosts": hosts}[kind]
    path = session.home.landing() / NAMES[kind]
    path.write_text(text(IDS[:n_before]), encoding="utf-8")
    scanned(session, kind, accept_shrunken=True)
    path.write_text(text(IDS[:n_now]), encoding="utf-8")
    n_objects, told = scanned(session, kind)
    assert (n_objects, not told) == ((n_now, True) if is_believed else (n_before, False))


def test_of_two_files_of_a_kind_the_one_that_is_there_is_read_however_often_the_other_comes_and_goes(session):
    folder = session.home.landing()
    parquet, kept = folder / "photometry.parquet", folder / "kept"
    pl.read_csv(folder / "photometry.csv").head(78).write_parquet(parquet)
    assert scanned(session, "photometry") == (39, [])
    parquet.rename(kept)
    assert scanned(session, "photometry") == (40, [])
    kept.rename(parquet)
    assert scanned(session, "photometry") == (39, [])
    parquet.unlink()
    assert scanned(session, "photometry") == (40, [])


def test_a_refusal_of_the_catalogue_is_stored_once(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    broken = "no id,1,2,SN Ia\nZTF21aaaaaaa,1\nZTF21aaaaaab,north,+10:00:00,SN Ia?\n"
    (folder / "bts.csv").write_text(catalogue() + broken, encoding="utf-8")
    fill(tmp_path / "home", folder, select=("raw/objects",))
    refused = ask(tmp_path / "home" / "needle.duckdb", "select reason from core.rejections")
    assert len(refused) == len(set(refused))
    assert sum("no usable ZTFID" in reason or "2 fields" in reason or "not certain" in reason for (reason,) in refused) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bts.csv", "ZTFID,type\nztf21aaaaaaa,SN Ia\nztf21aaaaaab,TDE\n"),
        ("photometry.csv", "object_id,mjd,band,mag,mag_err\nZTF21aaaaaaa,2459000.5,g,18,0.1\nZTF21aaaaaab,2459001.5,r,18,0.1\n"),
        ("hosts.csv", "object_id,host_ra,host_dec\nZTF21aaaaaaa,north,10\n,1,2\n"),
    ],
)
def test_a_table_whose_rows_are_all_refused_is_a_problem_though_none_was_there_before(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    (file,) = [file for file in scan(tmp_path) if file.path == name]
    report, said = read_whole_file(tmp_path, file)
    assert (report.is_readable, said) == (False, {})
    assert report.rejections[0].reason.startswith(f"no row of {name} can be used, 2 are refused; the first: row 1 of")


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
    path.write_text("object_id,host_ra,host_dec\n", encoding="utf-8")
    scanned(session, "hosts")
    assert read_landing.is_doubtful(session)
    (told,) = [one for one in read_landing.standing_files(session).refused if one.path == "hosts.csv"]
    assert (told.kind, "40 of its 40 objects" in told.reason) == ("hosts", True)
    path.write_bytes(before)
    os.utime(path, ns=times)
    assert scanned(session, "hosts") == (40, [])
    assert not read_landing.is_doubtful(session)


def test_hosts_of_objects_that_are_not_there_are_told_until_they_come(session):
    where, misspelt = session.home.landing(), "ZTF21zzzzzzz"
    (where / "hosts.csv").write_text(hosts([*IDS, misspelt]), encoding="utf-8")
    scanned(session, "hosts")
    said = f"1 of its 41 objects (such as {misspelt}) have neither packets nor photometry; their hosts wait for them."
    assert [tuple(one) for one in session.files.notices] == [("hosts.csv", said)]
    assert ("hosts.csv", said) in read_landing.standing_files(session).notices
    (where / "photometry.csv").write_text(photometry([*IDS, misspelt]), encoding="utf-8")
    scanned(session, "photometry")
    assert read_landing.standing_files(session).notices == []
