"""Which objects of the Transient Name Server's list are known here, and which type counts."""

from pathlib import Path

import polars as pl
import pytest

from needle_assets.assets.objects import OBJECTS
from needle_assets.assets.tns import tns, with_tns
from needle_assets.landing.catalogues import read_catalogue
from needle_assets.settings import Settings
from needle_assets_tests.landing.test_tns import line, written

ZTF_ID, OTHER_ZTF_ID, LSST_ID = "ZTF17aabtvsy", "ZTF24zzzzzzz", "313893023095193658"
PLACES = {ZTF_ID: (158.8837, 37.6497), OTHER_ZTF_ID: (10.0, 10.0), LSST_ID: (62.5, -47.75)}
SIDE = "ZTFID,IAUID,RA,Dec,type,redshift\n"
FIRST_JD = 2459874.5 + 30.0


def told(folder: Path, name: str) -> pl.DataFrame:
    return pl.DataFrame({"landing": [str(folder)], "path": [name], "mtime_ns": [None], "size_bytes": [0]})


@pytest.fixture
def matched(tmp_path):
    """The product of raw.tns from lines of the list and of the catalogue, with a packet of each of three objects."""

    def made(*lines, catalogue="", jd=FIRST_JD):
        written(tmp_path, *lines)
        (tmp_path / "bts.csv").write_text(SIDE + catalogue)
        packets = [(name, jd, *place) for name, place in PLACES.items()]
        frames = {
            "landing.tns": told(tmp_path, "tns_public_objects.csv"),
            "landing.catalogue": told(tmp_path, "bts.csv"),
            "raw.alerts": pl.DataFrame(packets, schema=["object_id", "jd", "ra", "dec"], orient="row"),
            OBJECTS: pl.DataFrame({"object_id": list(PLACES)}),
        }
        return tns(frames, Settings())

    return made


def merged(tmp_path, product):
    rows, refused = read_catalogue(tmp_path / "bts.csv")
    named = [why for why in refused if "object_id" in why.measured]
    return with_tns(rows, named, pl.DataFrame(product.rows, infer_schema_length=None))


@pytest.mark.parametrize("spelled", [LSST_ID, f"LSST-AP-DO-{LSST_ID}", f"ATLAS26x, LSST-{LSST_ID}"])
def test_an_object_is_found_by_the_name_that_its_survey_gave_it(matched, spelled):
    (row,) = matched(line("2026abc", ra="1", dec="1", internal=spelled)).rows
    assert (row["object_id"], row["matched_by"], row["label"]) == (LSST_ID, "internal name", "SN")


def test_an_object_is_found_by_its_name_in_the_catalogue(matched):
    (row,) = matched(line(ra="1", dec="1", internal="x"), catalogue=f"{OTHER_ZTF_ID},AT2022yei,,,-,-\n").rows
    assert (row["object_id"], row["matched_by"], row["iau_name"]) == (OTHER_ZTF_ID, "IAU name", "SN2022yei")


@pytest.mark.parametrize(("arcsec", "n_found"), [(1.4, 1), (1.6, 0)])
def test_an_object_without_name_is_found_by_its_place(matched, arcsec, n_found):
    rows = matched(line(ra="62.5", dec=str(-47.75 + arcsec / 3600), internal="x")).rows
    assert [(row["matched_by"], round(row["separation_arcsec"], 3)) for row in rows] == [("position", arcsec)] * n_found


def test_a_name_counts_before_a_place(matched):
    (row,) = matched(
        line("2026a", ra="62.5", dec="-47.75", internal="x"), line("2026b", kind="TDE", ra="1", internal=LSST_ID)
    ).rows
    assert (row["iau_name"], row["label"]) == ("SN2026b", "TDE")


def test_an_unclassified_object_of_that_name_is_not_typed_by_its_neighbour(matched):
    near = {"ra": "62.5", "dec": "-47.75"}
    (row,) = matched(line("2026a", internal="x", **near), line("2026b", "AT", kind="", internal=LSST_ID, **near)).rows
    assert (row["iau_name"], row["type"], row["is_type_known"]) == ("AT2026b", None, False)
    unnamed = matched(line("2026a", internal="x", **near), line("2026b", "AT", kind="", internal="y", **near))
    assert unnamed.rows == []
    assert "(AT2026b unclassified, SN2026a SN Ia)" in unnamed.rejections[0].reason


def test_what_was_discovered_years_before_is_not_found_by_place(matched):
    lines = (line(ra="62.5", dec="-47.75", internal="x"),)
    assert len(matched(*lines, jd=FIRST_JD + 900).rows) == 1
    assert matched(*lines, jd=FIRST_JD + 1100).rows == []


def test_two_classes_under_one_id_are_none(matched):
    product = matched(line("2026a", internal=LSST_ID), line("2026b", kind="TDE", internal=LSST_ID))
    assert product.rows == []
    assert "several objects by this object's internal name that are not of one class" in product.rejections[0].reason


@pytest.mark.parametrize("kind", ["SLSN-R", "SN Ia?"])
def test_a_type_that_is_not_certain_or_not_known_gives_no_label_and_says_so(matched, kind):
    product = matched(line(kind=kind))
    assert (product.rows[0]["label"], product.rows[0]["is_type_known"]) == (None, False)
    assert [why.object_id for why in product.rejections] == [ZTF_ID]


@pytest.mark.parametrize(
    ("own", "listed", "label", "source", "n_refused"),
    [("SN Ia", "SN Ia", "SN", "catalogue", 0), ("SN Ia", "SN Ic-BL", "SN", "catalogue", 0), ("TDE", "AGN", "TDE", "catalogue", 1),
     ("nova", "CV", None, None, 0), ("nova", "SN II", None, None, 1), ("-", "TDE-He", "TDE", "TNS", 0), ("-", "CV", None, None, 0),
     ("SN Ia?", "SLSN-I", "SLSN-I", "TNS", 0), ("SN Ia?", "SLSN-R", None, None, 1), ("SN Ia", "SLSN-R", "SN", "catalogue", 0)],
)  # fmt: skip
def test_the_catalogues_type_counts_where_it_is_certain_and_known(matched, tmp_path, own, listed, label, source, n_refused):
    product = matched(line(kind=listed), catalogue=f"{ZTF_ID},-,,,{own},-\n")
    found = merged(tmp_path, product)
    assert [(row["label"], row["label_source"]) for row in found.rows] == [(label, source)]
    assert [why.object_id for why in found.rejections] == [ZTF_ID] * n_refused


def test_an_object_of_rubins_alone_has_type_place_and_redshift_of_the_list(matched, tmp_path):
    product = matched(line("2026abc", kind="TDE", ra="62.5", dec="-47.75", redshift="0.3", internal=LSST_ID))
    (row,) = merged(tmp_path, product).rows
    assert (row["object_id"], row["label"], row["label_source"], row["redshift"]) == (LSST_ID, "TDE", "TNS", 0.3)
    assert (row["ra_deg"], row["dec_deg"], row["iau_name"]) == (62.5, -47.75, "SN2026abc")


def test_another_id_of_a_catalogued_object_has_its_type_and_no_redshift(matched, tmp_path):
    both = f"{ZTF_ID}, {LSST_ID}"
    product = matched(line(kind="AGN", internal=both), catalogue=f"{ZTF_ID},SN2022yei,,,TDE,0.07\n")
    found = {row["object_id"]: row for row in merged(tmp_path, product).rows}
    assert [(found[name]["label"], found[name].get("redshift")) for name in (ZTF_ID, LSST_ID)] == [("TDE", 0.07), ("TDE", None)]


def test_of_two_ids_that_no_catalogue_lists_one_has_the_redshift(matched, tmp_path):
    found = merged(tmp_path, matched(line(ra="1", internal=f"{LSST_ID}, {OTHER_ZTF_ID}"))).rows
    told = [(row["object_id"], row["label"], row.get("redshift")) for row in found]
    assert told == [(OTHER_ZTF_ID, "SN", 0.069), (LSST_ID, "SN", None)]
