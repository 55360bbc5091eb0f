"""Landed tables as people and brokers write them: separators, comments, compression, other names, units and signs."""

import gzip
from functools import partial

import polars as pl
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_photometry
from needle_assets_tests.landing.test_catalogues import HEADER, ROW, light_curve

# A parameter's bytes are part of its test's name: no time of day in them.
compressed = partial(gzip.compress, mtime=0)

SEMICOLONS = (
    "ZTF17aabtvsy;SN2022yei;10:35:32,09;+37:38:59,0;1870,99;r;18,0303;-19,41;>34,229;>6,01;28,219;SN Ia, odd;0,06922;59,6;0,053"
)


def file(tmp_path, content, name="bts.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def expected(tmp_path):
    """What ROW means."""
    (row,), _ = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW}\n", "expected.csv"))
    return row


@pytest.mark.parametrize(
    "content",
    [
        f"# https://example.org/?a=1,2\n# Oct 6, 2021\n{HEADER}\n{ROW}\n",
        f"<pre>\n{HEADER}\n{ROW}\n</pre>\n",
        f"<html><body><pre>{HEADER}\n{ROW}\n</pre></body></html>",
        f"<pre>{HEADER}<br>\n{ROW}<br/>\n</pre>\n",
        f"Query of Oct 6, 2021\n\n{HEADER}\n{ROW}\n# end\n",
        f"# {HEADER}\n{ROW}\n",
        f"{HEADER}\n{ROW}\n".replace(",", ";"),
        f"{HEADER}\n{ROW}\n".replace(",", "\t"),
        f"{HEADER}\n{ROW}\n".replace(",", " | "),
        compressed(f"{HEADER}\n{ROW}\n".encode()),
        f"{HEADER}\n{ROW}\n".encode("utf-16-le"),
    ],
)
def test_a_catalogue_is_read_whatever_stands_around_and_between_its_values(tmp_path, content, expected):
    rows, rejections = read_catalogue(file(tmp_path, content))
    assert (rows, rejections) == ([expected], [])


def test_decimal_commas_between_semicolons_are_points_and_commas_in_text_stay(tmp_path, expected):
    (row,), _ = read_catalogue(file(tmp_path, f"{HEADER.replace(',', ';')}\n{SEMICOLONS}\n"))
    assert row["type"] == "SN Ia, odd"
    same = [name for name in expected if name not in ("type", "label", "label_reason", "label_source")]
    assert {name: row[name] for name in same} == {name: expected[name] for name in same}


@pytest.mark.parametrize(("given", "redshift"), [('"0,06922"', 0.06922), ('"0,092"', 0.092), ('"1,234"', None)])
def test_a_decimal_comma_in_quotes_is_a_point_unless_it_may_part_thousands(tmp_path, given, redshift):
    (row,), rejections = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW.replace('0.06922', given)}\n"))
    assert (row["redshift"], len(rejections)) == (redshift, redshift is None)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("<!DOCTYPE html>\n<html><head><title>503</title></head></html>", r"is a web page.*line 1: .*DOCTYPE html"),
        ("\n<HTML>\n", r"is a web page.*line 2"),
        ('{"error": "no such table"}', r"no column ZTFID.*line 1: .*error"),
        (f"{HEADER}\n".replace("ZTFID", "name"), r"no column ZTFID.*line 1: name"),
        (b"PAR1....", "is a Parquet file"),
        (b"PK\x03\x04....", "spreadsheet"),
        (compressed(HEADER.encode() * 9)[:-12], "damaged or cut short"),
    ],
)
def test_what_is_no_catalogue_is_refused_for_its_true_cause(tmp_path, content, cause):
    with pytest.raises(Rejection, match=cause):
        read_catalogue(file(tmp_path, content))


def test_a_broken_line_is_named_by_its_place_in_the_file(tmp_path):
    _, (why,) = read_catalogue(file(tmp_path, f"# a comment\n\n{HEADER}\n{ROW}\nZTF18aaaaaac,SN20\n"))
    assert (why.measured["row"], why.measured["line"]) == (2, 5)
    assert "line 5" in why.reason


def test_names_of_packets_and_brokers_are_read_in_photometry_with_their_units_and_filters(tmp_path):
    lines = ("oid,jd,fid,magpsf,sigmapsf,isdiffpos,dereddened,candid",)
    lines += ("ZTF18abcdefg,2459281.25,2,18.5,0.1,f,true,7", "ZTF18abcdefg,2459282.25,1,19,0.2,t,0,8")
    notices = []
    frame, rejections = read_photometry(file(tmp_path, "\n".join(lines), "photometry.csv"), notices)
    assert rejections == []
    assert frame.select("mjd", "band", "is_positive", "mw_corrected").rows() == [
        (59280.75, "r", False, True),
        (59281.75, "g", True, False),
    ]
    assert "1 column is not read: candid." in notices[-1]
    assert "jd is read as mjd" in notices[0]


@pytest.mark.parametrize("spelled", ["g", "ztfg", "ZTF_g", "ZTF-g", "ztf g", "zg", "1", "1.0"])
def test_a_filter_of_ztf_is_known_in_its_spellings(tmp_path, spelled):
    frame, rejections = read_photometry(file(tmp_path, light_curve(band=[spelled] * 3).write_csv(), "photometry.csv"))
    assert (frame["band"].to_list(), rejections) == (["g"] * 3, [])


@pytest.mark.parametrize(
    ("column", "sign"),
    [*((said, True) for said in ("t", "T", "true", "1", "1.0", "+")), *((said, False) for said in ("f", "0", "-1", "-1.0", "-"))]
    + [(said, None) for said in ("", "nan", "null")],
)
def test_a_sign_is_known_in_its_encodings_and_null_where_nothing_is_said(tmp_path, column, sign):
    text = light_curve(isdiffpos=[column] * 3).write_csv()
    frame, rejections = read_photometry(file(tmp_path, text, "photometry.csv"))
    assert (frame["is_positive"].to_list(), rejections) == ([sign] * 3, [])


@pytest.mark.parametrize(("values", "signs"), [([1, -1, 0], {True, False}), ([True, False, False], {True, False})])
def test_a_sign_is_a_number_or_a_boolean_in_parquet(tmp_path, values, signs):
    light_curve(isdiffpos=values).write_parquet(tmp_path / "photometry.parquet")
    frame, _ = read_photometry(tmp_path / "photometry.parquet")
    assert set(frame["is_positive"]) == signs
    assert frame["is_positive"].sum() == 1


def test_a_sign_that_says_neither_costs_its_row(tmp_path):
    text = light_curve(isdiffpos=["t", "perhaps", "2"]).write_csv()
    frame, rejections = read_photometry(file(tmp_path, text, "photometry.csv"))
    assert len(frame) == 1
    assert ["sign" in why.reason for why in rejections] == [True, True]


def test_mast_names_are_read_in_hosts_and_those_of_point_sources_are_not(tmp_path):
    text = "objectId,raMean,decMean,angDist,gMeanApMag,rApMag,gMeanPSFMag,mw_corr\nZTF18abcdefg,93.8,48.4,0.5,22.6,21.5,23.9,1\n"
    notices = []
    frame, rejections = read_hosts(file(tmp_path, text, "hosts.csv"), notices)
    assert rejections == []
    assert frame.select("host_ra_deg", "host_dec_deg", "separation_arcsec", "mw_corrected").row(0) == (93.8, 48.4, 0.5, True)
    assert frame.select("g_mag", "r_mag", "i_mag").row(0) == (pytest.approx(22.6), pytest.approx(21.5), None)
    assert "not read: gmeanpsfmag" in notices[-1]


@pytest.mark.parametrize(
    ("column", "value", "arcsec"),
    [
        ("separation", 3.0, 3.0),
        ("sep", 3.0, 3.0),
        ("sep_arcmin", 0.05, 3.0),
        ("separation_deg", 0.001, 3.6),
        ("angDist", 3.0, 3.0),
    ],
)
def test_a_separation_is_read_in_the_unit_of_its_name(tmp_path, column, value, arcsec):
    notices = []
    text = f"object_id,host_ra,host_dec,{column}\nZTF18abcdefg,93.8,48.4,{value}\n"
    frame, _ = read_hosts(file(tmp_path, text, "hosts.csv"), notices)
    assert frame["separation_arcsec"].item() == pytest.approx(arcsec)
    assert f"{column.lower()} is read as separation_arcsec" in notices[0] or column == "separation_arcsec"


def test_the_documented_name_goes_before_another_and_the_other_is_told(tmp_path):
    frame = light_curve().with_columns(jd=pl.lit(2.0), magpsf=pl.lit(5.0))
    frame.write_parquet(tmp_path / "photometry.parquet")
    notices = []
    assert read_photometry(tmp_path / "photometry.parquet", notices)[0]["mag"].min() == 18.0
    assert notices == ["2 columns are not read: jd, magpsf."]


def test_a_missing_column_is_told_with_its_other_names_and_what_is_there(tmp_path):
    with pytest.raises(Rejection, match=r"no column host_ra.*raMean.*It has object_id, ra, dec".replace("raMean", "ramean")):
        read_hosts(file(tmp_path, "object_id,ra,dec\nZTF18abcdefg,1,2\n", "hosts.csv"))


def test_a_line_of_many_tags_takes_no_time(tmp_path):
    rows, _ = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW}\n{'<a>  ' * 39}x\n"))
    assert len(rows) == 1


def test_texts_of_raw_stay_as_they_came(tmp_path):
    source = "ZTF (www.ztf.caltech.edu) \u2013 M\u00fcller & Co <i>"
    frame, rejections = read_photometry(file(tmp_path, light_curve(source=[source] * 3).write_csv(), "photometry.csv"))
    assert (frame["source"].to_list(), rejections) == ([source] * 3, [])
    (row,), _ = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW.replace('SN2022yei', 'SN2022yei (Müller)')}\n"))
    assert row["iau_name"] == "SN2022yei (Müller)"


def test_a_source_that_cannot_be_kept_is_null_with_a_rejection(tmp_path):
    frame, (why,) = read_photometry(file(tmp_path, light_curve(source=["x\x07y"] * 3).write_csv(), "photometry.csv"))
    assert frame["source"].to_list() == [None] * 3
    assert (why.measured["object_id"], why.measured["column"]) == ("ZTF18abcdefg", "source")


def test_every_column_of_the_real_tables_is_read(survey):
    notices = []
    read_catalogue(survey / "bts.csv", notices)
    read_photometry(survey / "photometry.parquet", notices)
    read_hosts(survey / "hosts.csv", notices)
    assert notices == []


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-32", "utf-16"])
def test_wide_encodings_are_read_with_and_without_their_mark(tmp_path, expected, encoding):
    rows, rejections = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW}\n".encode(encoding)))
    assert (rows, rejections) == ([expected], [])


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_comma_that_may_part_thousands_is_no_decimal_point_among_points(tmp_path, separator):
    line = ROW.replace(",", separator).replace("1870.99", "1,870")
    (row,), (why,) = read_catalogue(file(tmp_path, f"{HEADER.replace(',', separator)}\n{line}\n"))
    assert (row["peak_mjd"], why.measured["column"], row["redshift"]) == (None, "peakt", 0.06922)


def test_quotes_after_blanks_are_no_part_of_a_field(tmp_path, expected):
    line = ROW.replace("SN Ia", '"SN Ia"').replace(",", ", ")
    assert read_catalogue(file(tmp_path, f"{HEADER}\n{line}\n")) == ([expected], [])


def test_a_position_out_of_range_is_refused_with_the_range(tmp_path):
    _, (why,) = read_catalogue(file(tmp_path, f"{HEADER}\n{ROW.replace('10:35:32.09', '-0.5')}\n"))
    assert "ra in row 1 of the catalogue is not a position from 0 to 360 in decimal degrees" in why.reason


@pytest.mark.parametrize(("column", "values"), [("mag", [True, False]), ("mag", [0.0, -2.5]), ("band", [-1, -3])])
def test_what_stands_for_nothing_is_no_value_of_photometry(tmp_path, column, values):
    path = tmp_path / "photometry.parquet"
    light_curve(**{column: [*values, values[0]]}).write_parquet(path)
    frame, refused = read_photometry(path)
    assert (len(frame), [why.reason.split(": ")[1].split(" ")[0] for why in refused]) == (0, [column] * 3)


def test_a_host_of_0_mag_has_no_magnitude(tmp_path):
    frame, (why,) = read_hosts(file(tmp_path, "object_id,host_ra,host_dec,gAp\nZTF18abcdefg,1,2,0\n", "hosts.csv"))
    assert (frame["g_mag"].to_list(), why.measured["column"]) == ([None], "gap")


def test_julian_dates_of_32_bits_are_refused_and_such_modified_ones_told(tmp_path):
    days, notices = light_curve().with_columns(pl.col("mjd").cast(pl.Float32)), []
    days.write_parquet(tmp_path / "photometry.parquet")
    assert len(read_photometry(tmp_path / "photometry.parquet", notices)[0]) == len(days)
    assert "up to 3 minutes off" in notices[-1]
    days.with_columns(pl.col("mjd") + 2400000.5).rename({"mjd": "jd"}).write_parquet(tmp_path / "photometry.parquet")
    with pytest.raises(Rejection, match=r"column jd of photometry.parquet holds 32 bits or fewer, which are hours off"):
        read_photometry(tmp_path / "photometry.parquet")
