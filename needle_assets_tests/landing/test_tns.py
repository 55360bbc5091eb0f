"""The Transient Name Server's list: every row is an object, a refusal, or told."""

import zipfile
from pathlib import Path

import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import label_of, read_tns

HEADER = (
    '"objid","name_prefix","name","ra","declination","redshift","typeid","type","reporting_groupid","reporting_group",'
    '"source_groupid","source_group","discoverydate","discoverymag","discmagfilter","filter","reporters","time_received",'
    '"internal_names","Discovery_ADS_bibcode","Class_ADS_bibcodes","creationdate","lastmodified"'
)
DATE = '"2026-11-29 00:00:00"'


def line(
    name="2022yei", prefix="SN", ra="158.8837", dec="37.6497", redshift="0.069", kind="SN Ia", internal="ZTF17aabtvsy, ATLAS22x"
):
    fields = [
        "1",
        prefix,
        name,
        ra,
        dec,
        redshift,
        "3",
        kind,
        "1",
        "ZTF",
        "1",
        "ZTF",
        "2022-10-21 08:00:00.000",
        "19",
        "110",
        "g",
    ]
    rest = ["J. Doe, R. Roe", "2022-10-22", internal, "2022TNSTR", "2022TNSCR3", "2022-10-22", "2022-10-23"]
    return ",".join(f'"{field}"' for field in [*fields, *rest])


def written(folder: Path, *lines: str, name="tns_public_objects.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([DATE, HEADER, *lines, ""]), encoding="utf-8")
    return path


def test_a_row_is_read_with_our_names_and_units(tmp_path):
    frame, refused = read_tns(written(tmp_path, line()))
    row = frame.row(0, named=True)
    assert refused == []
    assert (row["iau_name"], row["designation"], row["type"], row["redshift"]) == ("SN2022yei", "2022yei", "SN Ia", 0.069)
    assert (row["ra_deg"], row["dec_deg"]) == (158.8837, 37.6497)
    assert row["discovery_mjd"] == pytest.approx(59873 + 8 / 24)
    assert (row["internal_names"], row["classified_in"]) == ("ZTF17aabtvsy, ATLAS22x", "2022TNSCR3")


def test_the_zip_that_is_published_holds_the_same(tmp_path):
    path = written(tmp_path, line(), line("2024abc", "AT", kind="", redshift=""))
    with zipfile.ZipFile(tmp_path / "tns_public_objects.csv.zip", "w") as archive:
        archive.write(path, path.name)
    assert read_tns(tmp_path / "tns_public_objects.csv.zip")[0].equals(read_tns(path)[0])


@pytest.mark.parametrize("content", [b"PK\x03\x04 broken", b"", HEADER.encode()])
def test_a_damaged_archive_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "t.csv.zip").write_bytes(content)
    with pytest.raises(Rejection, match=r"t\.csv\.zip is damaged or cut short"):
        read_tns(tmp_path / "t.csv.zip")


def test_an_archive_of_several_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "y")
    with pytest.raises(Rejection, match="holds 2 files; a zip archive of one CSV file is needed"):
        read_tns(tmp_path / "t.csv.zip")


def test_a_broken_line_costs_that_line(tmp_path):
    path = written(tmp_path, line(), line("2023b").replace('"SN Ia"', '"SN Ia'), line("2023c"), "1,2,3")
    frame, refused = read_tns(path)
    assert frame["designation"].to_list() == ["2022yei", "2023c"]
    assert [why.measured["row"] for why in refused] == [2, 4]


def test_what_cannot_be_true_is_null_and_a_row_without_name_is_none(tmp_path):
    frame, refused = read_tns(written(tmp_path, line(ra="400", redshift="12"), line(name="")))
    assert frame.select("ra_deg", "dec_deg", "redshift").row(0) == (None, 37.6497, None)
    assert [why.measured.get("column") for why in refused] == [None, "ra_deg", "redshift"]


def test_radio_bursts_are_told_and_no_objects(tmp_path):
    notices = []
    frame, refused = read_tns(written(tmp_path, line(), line("20180725A", "FRB")), notices)
    assert (len(frame), refused) == (1, [])
    assert notices == ["1 rows are no optical transients by their names and are not used."]


@pytest.mark.parametrize("text", ["name,x\n2024abc,1\n", "<!DOCTYPE html><html>Too many requests</html>", ""])
def test_another_table_is_refused(tmp_path, text):
    (tmp_path / "tns_public_objects.csv").write_text(text)
    with pytest.raises(Rejection):
        read_tns(tmp_path / "tns_public_objects.csv")


@pytest.mark.parametrize(
    ("spelled", "label"),
    [("SN I-faint", "SN"), ("SN I-rapid", "SN"), ("SN Ib/c-Ca-rich", "SN"), ("SN Ien", "SN"), ("TDE-Ftless", "TDE"),
     ("SLSN-I", "SLSN-I"), ("SLSN-II", "SN"), ("M dwarf", None), ("Impostor-SN", None), ("Light-Echo", None), ("Gap II", None),
     ("NUC", None), ("NA/Unknown", None), ("SLSN-R", None)],
)  # fmt: skip
def test_types_as_the_name_server_spells_them(spelled, label):
    assert label_of(spelled)[0] == label
