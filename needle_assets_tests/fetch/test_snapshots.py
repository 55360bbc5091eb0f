"""Photometry and hosts merged: own rows replaced, everybody else's kept to the letter."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needle_assets.fetch import FetchError
from needle_assets.fetch.folder import LandingFolder
from needle_assets.fetch.snapshots import (
    MARK,
    completed_source,
    merge_hosts,
    merge_photometry,
    read_host_rows,
)
from needle_assets.landing.catalogues import read_hosts, read_photometry

A, B = "ZTF24aaaaaaa", "ZTF24bbbbbbb"


def point(mjd: float, mag: float = 19.5, band: str = "g") -> dict[str, Any]:
    return {"mjd": mjd, "band": band, "mag": mag, "mag_err": 0.1}


def folder_at(path: Path, source: str = "alerce") -> LandingFolder:
    return LandingFolder(path, source)


def rows_of(path: Path, source: str | None = None) -> list[tuple[Any, ...]]:
    frame = read_photometry(path)[0]
    found = frame if source is None else frame.filter(pl.col("source") == source)
    return sorted(found.select("object_id", "mjd", "band", "source").iter_rows(), key=str)


def host(object_id: str, source: str, ra: Any = 10.5, **mags: float) -> dict[str, Any]:
    return {"ztf_id": object_id, "host_ra": ra, "host_dec": -3.25, "separation_arcsec": 1.5, **mags, "source": source}


def test_a_sources_rows_of_an_object_are_replaced_and_all_others_stay(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    assert merge_photometry(folder, "alerce", {A: [point(59000.5)], B: [point(59001.5)]}) == 2
    assert merge_photometry(folder, "fink", {A: [point(59000.5)]}) == 1
    assert merge_photometry(folder, "alerce", {A: [point(59002.5), point(59000.5, 19.25)]}) == 1
    assert rows_of(tmp_path / "photometry.parquet") == [
        (A, 59000.5, "g", "alerce"), (A, 59000.5, "g", "fink"), (A, 59002.5, "g", "alerce"), (B, 59001.5, "g", "alerce"),
    ]  # fmt: skip


def test_merging_the_same_again_touches_nothing(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    merge_photometry(folder, "alerce", {A: [point(59000.123456789), point(59001.5)]})
    before = (tmp_path / "photometry.parquet").stat().st_mtime_ns
    assert merge_photometry(folder, "alerce", {A: [point(59001.5), point(59000.123456789)]}) == 0
    assert (tmp_path / "photometry.parquet").stat().st_mtime_ns == before


def test_other_peoples_columns_and_types_survive(tmp_path: Path) -> None:
    theirs = pl.DataFrame({"ztf_id": [A], "mjd": [59000], "band": ["r"], "mag": [18.5], "mag_err": [0.1], "my_flag": ["good"]})
    theirs.write_parquet(tmp_path / "photometry.parquet")
    merge_photometry(folder_at(tmp_path), "alerce", {A: [point(59001.0)]})
    merged = pl.read_parquet(tmp_path / "photometry.parquet")
    assert merged.row(0, named=True).items() >= theirs.row(0, named=True).items()
    assert merged["my_flag"].to_list() == ["good", None]


def test_photometry_that_is_text_stays_text_with_its_broken_lines(tmp_path: Path) -> None:
    text = 'mjd,ztf_id,band,mag,mag_err,source\n59000.5,ZTF24aaaaaaa,r,18.5,0.1,mine\nthis line, is "broken\n'
    (tmp_path / "photometry.csv").write_text(text)
    folder = folder_at(tmp_path)
    assert merge_photometry(folder, "alerce", {A: [point(59001.123456789), point(59002.5)]}) == 2
    assert merge_photometry(folder, "alerce", {A: [point(59002.5)]}) == 0
    assert not (tmp_path / "photometry.parquet").exists()
    assert 'this line, is "broken' in (tmp_path / "photometry.csv").read_text()
    assert rows_of(tmp_path / "photometry.csv") == [(A, 59000.5, "r", "mine"), (A, 59002.5, "g", "alerce")]


@pytest.mark.parametrize(("name", "content"), [("photometry.parquet", b"PAR1 no"), ("photometry.csv", b"a,b\n1,2\n")])
def test_photometry_that_cannot_be_read_is_left_alone(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FetchError, match="left as it is"):
        merge_photometry(folder_at(tmp_path), "alerce", {A: [point(59001.0)]})
    assert (tmp_path / name).read_bytes() == content


Given = Mapping[str, Sequence[int]]
_rows = st.dictionaries(st.sampled_from([A, B]), st.lists(st.integers(59000, 59010), max_size=4, unique=True), max_size=2)


@settings(max_examples=15)
@given(
    merges=st.lists(st.tuples(st.sampled_from(["alerce", "fink"]), _rows), max_size=5), kind=st.sampled_from(["parquet", "csv"])
)
def test_the_file_holds_what_each_source_said_last(merges: list[tuple[str, Given]], kind: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("landing")
    if kind == "csv":
        (path / "photometry.csv").write_text("ztf_id,mjd,band,mag,mag_err,source\n")
    last: dict[tuple[str, str], Sequence[int]] = {}
    for source, rows in merges:
        merge_photometry(folder_at(path), source, {object_id: [point(mjd) for mjd in mjds] for object_id, mjds in rows.items()})
        last |= {(source, object_id): mjds for object_id, mjds in rows.items()}
    expected = sorted(
        ((object_id, float(mjd), "g", source) for (source, object_id), mjds in last.items() for mjd in mjds), key=str
    )
    assert (rows_of(path / f"photometry.{kind}") if (path / f"photometry.{kind}").exists() else []) == expected


def test_a_host_of_nobody_else_is_written_and_replaced(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    assert merge_hosts(folder, [host(A, "Sherlock" + MARK)]) == 1
    assert merge_hosts(folder, [host(A, completed_source("Sherlock" + MARK), gAp=18.25)]) == 1
    assert merge_hosts(folder, [host(A, completed_source("Sherlock" + MARK), gAp=18.25)]) == 0
    accepted, refused = read_hosts(tmp_path / "hosts.csv")
    assert accepted.select("object_id", "g_mag", "source").rows() == [(A, 18.25, f"Sherlock; Pan-STARRS DR2{MARK}")]
    assert not refused


def test_a_host_that_somebody_gave_stays_in_force(tmp_path: Path) -> None:
    text = f'source,ztf_id,host_ra,host_dec,note\nFLEET,{A},10.25,-3.5,"mine, all mine"\n'
    (tmp_path / "hosts.csv").write_text(text)
    assert merge_hosts(folder_at(tmp_path), [host(A, "Sherlock" + MARK), host(B, "Sherlock" + MARK)]) == 1
    assert read_host_rows(folder_at(tmp_path))[A]["source"] == "FLEET"
    assert f'FLEET,{A},10.25,-3.5,"mine, all mine"' in (tmp_path / "hosts.csv").read_text()
    assert set(read_hosts(tmp_path / "hosts.csv")[0]["object_id"]) == {A, B}


def test_magnitudes_complete_a_host_that_somebody_gave_without_changing_it(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text(f"ztf_id,host_ra,host_dec,source\n{A},10.50,-3.25,FLEET\n")
    completed = host(A, completed_source("FLEET"), ra="10.50", gAp=19.5, yAp=18.0)
    assert merge_hosts(folder_at(tmp_path), [completed]) == 1
    accepted, _ = read_hosts(tmp_path / "hosts.csv")
    assert accepted.select("g_mag", "y_mag", "source").row(0) == (19.5, 18.0, f"FLEET; Pan-STARRS DR2{MARK}")
    assert f"{A},10.50,-3.25,FLEET" in (tmp_path / "hosts.csv").read_text()


def test_magnitudes_of_a_host_that_moved_go(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text(f"ztf_id,host_ra,host_dec,source\n{A},10.50,-3.25,FLEET\n")
    merge_hosts(folder_at(tmp_path), [host(A, completed_source("FLEET"), ra="10.50", gAp=19.5)])
    text = (tmp_path / "hosts.csv").read_text()
    (tmp_path / "hosts.csv").write_text(text.replace("10.50,-3.25,FLEET,", "10.75,-3.25,FLEET,"))
    merge_hosts(folder_at(tmp_path), [])
    row = read_host_rows(folder_at(tmp_path))[A]
    assert (row["host_ra"], row["gAp"], row["source"]) == ("10.75", "", "FLEET")


def test_broken_lines_and_windows_line_ends_are_kept(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_bytes(b'ztf_id,host_ra,host_dec\r\n"unclosed,1,2\r\nZTF24aaaaaaa,1.5,2.5\r\n')
    merge_hosts(folder_at(tmp_path), [host(B, "Sherlock" + MARK)])
    text = (tmp_path / "hosts.csv").read_text()
    assert '"unclosed,1,2' in text
    accepted, refused = read_hosts(tmp_path / "hosts.csv")
    assert accepted.height == 2
    assert len(refused) == 1


def test_hosts_without_a_header_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text("1,2,3\n")
    with pytest.raises(FetchError, match=r"hosts\.csv has no header line with object_id or ztf_id"):
        merge_hosts(folder_at(tmp_path), [host(B, "Sherlock" + MARK)])
    assert (tmp_path / "hosts.csv").read_text() == "1,2,3\n"


@pytest.mark.parametrize("name", ["object_id", "objectId", "ZTFID", "oid"])
def test_a_file_that_names_the_object_otherwise_is_merged_with_and_keeps_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.csv").write_text(f"{name},host_ra,host_dec,source\n{A},10.50,-3.25,FLEET\n")
    (tmp_path / "photometry.csv").write_text(f"mjd,{name},band,mag,mag_err,source\n59000.5,{A},r,18.5,0.1,mine\n")
    assert merge_hosts(folder_at(tmp_path), [host(B, "lasair" + MARK)]) == 1
    assert merge_photometry(folder_at(tmp_path), "alerce", {A: [point(59001.5)]}) == 1
    assert (tmp_path / "hosts.csv").read_text().startswith(f"{name},host_ra,host_dec,source,separation_arcsec")
    assert set(read_host_rows(folder_at(tmp_path))) == set(read_hosts(tmp_path / "hosts.csv")[0]["object_id"]) == {A, B}
    assert rows_of(tmp_path / "photometry.csv") == [(A, 59000.5, "r", "mine"), (A, 59001.5, "g", "alerce")]


def test_a_parquet_file_that_names_the_object_otherwise_is_merged_with_and_keeps_its_name(tmp_path: Path) -> None:
    theirs = {"object_id": [A], "mjd": [59000.5], "band": ["r"], "mag": [18.5], "mag_err": [0.1], "source": ["mine"]}
    pl.DataFrame(theirs).write_parquet(tmp_path / "photometry.parquet")
    assert merge_photometry(folder_at(tmp_path), "alerce", {A: [point(59001.5)]}) == 1
    assert pl.read_parquet_schema(tmp_path / "photometry.parquet").names()[0] == "object_id"
    assert rows_of(tmp_path / "photometry.parquet") == [(A, 59000.5, "r", "mine"), (A, 59001.5, "g", "alerce")]
