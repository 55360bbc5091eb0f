"""The tables of a landing folder: every row is a row or a rejection."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import label_of, read_catalogue, read_hosts, read_photometry

TABLES = Path(__file__).parents[2] / "warehouse" / "tables"
HEADER = "ZTFID,IAUID,RA,Dec,peakt,peakfilt,peakmag,peakabs,duration,rise,fade,type,redshift,b,A_V"
ROW = "ZTF17aabtvsy,SN2022yei,10:35:32.09,+37:38:59.0,1870.99,r,18.0303,-19.41,>34.229,>6.01,28.219,SN Ia,0.06922,59.6,0.053"


def catalogue(tmp_path, *lines, header=HEADER, encoding="utf-8", ends="\n"):
    path = tmp_path / "bts.csv"
    path.write_bytes(ends.join((header, *lines, "")).encode(encoding))
    return read_catalogue(path)


def changed(**values):
    """ROW with the named columns replaced."""
    return ",".join(str(values.get(name, value)) for name, value in zip(HEADER.split(","), ROW.split(","), strict=True))


def test_a_row_of_the_bts_explorer_is_read_with_our_names_and_units(tmp_path):
    (row,), rejections = catalogue(tmp_path, ROW)
    assert rejections == []
    assert row["ra_deg"] == pytest.approx(15 * (10 + 35 / 60 + 32.09 / 3600))
    assert row["dec_deg"] == pytest.approx(37 + 38 / 60 + 59 / 3600)
    assert row["peak_mjd"] == pytest.approx(2458000 + 1870.99 - 2400000.5)
    assert (row["duration_days"], row["is_duration_lower_limit"]) == (34.229, True)
    assert (row["fade_days"], row["is_fade_lower_limit"]) == (28.219, False)
    assert (row["label"], row["label_reason"], row["redshift"], row["a_v_mag"]) == ("SN", None, 0.06922, 0.053)


@pytest.mark.parametrize(
    ("ra", "dec", "ra_deg", "dec_deg"),
    [
        ("00:00:00", "-00:30:00", 0.0, -0.5),
        ("23:59:59.99", "+90:00:00", 359.99996, 90.0),
        ("12 00 00", "-10 06 00.0", 180.0, -10.1),
        ("180.25", "-12.5", 180.25, -12.5),
        ("1.8025e2", "+.5", 180.25, 0.5),
    ],
)
def test_positions_are_sexagesimal_or_decimal(tmp_path, ra, dec, ra_deg, dec_deg):
    (row,), rejections = catalogue(tmp_path, changed(RA=ra, Dec=dec))
    assert (row["ra_deg"], row["dec_deg"]) == (pytest.approx(ra_deg), pytest.approx(dec_deg))
    assert rejections == []


@pytest.mark.parametrize(
    "values",
    [{"RA": "25:00:00"}, {"RA": "10:60:00"}, {"Dec": "+91:00:00"}, {"Dec": "north"}, {"RA": "1e999"}, {"redshift": "nan?"},
     {"redshift": "-3"}, {"A_V": "1e400"}, {"A_V": ">0.1"}, {"peakfilt": "q"}, {"peakmag": "99"}, {"rise": ">"}, {"fade": "> -1"},
     {"IAUID": "x\u2028y"}, {"type": "x" * 81}, {"redshift": "0x10"}, {"redshift": "1_0"}, {"redshift": "infinity"}],
)  # fmt: skip
def test_an_unreadable_value_is_null_with_a_rejection_and_the_row_stays(tmp_path, values):
    (row,), (why,) = catalogue(tmp_path, changed(**values))
    assert row["object_id"] == why.measured["object_id"] == "ZTF17aabtvsy"
    assert why.measured["column"] == next(iter(values)).lower()
    assert "left null" in why.reason


def test_dashes_and_empty_fields_are_unknown_without_a_rejection(tmp_path):
    (row,), rejections = catalogue(tmp_path, "ZTF17aabtvsy" + ",-" * 7 + "," * 7)
    assert rejections == []
    assert row["label_reason"] == "the catalogue has no type"
    assert {name for name, value in row.items() if value is not None} == {
        *("object_id", "label_reason", "is_duration_lower_limit", "is_rise_lower_limit", "is_fade_lower_limit"),
    }


@pytest.mark.parametrize(
    ("bts_type", "label"),
    [("SN Ia", "SN"), ("SN II", "SN"), ("Ia", "SN"), ("SNIa", "SN"), ("sn ia", "SN"), ("SN  Ia-pec", "SN"), ("Ib/c", "SN"),
     ("SN Ia (91T-like)", "SN"), ("SN", "SN"), ("Stripped Envelope", "SN"), ("SN Iax[02cx-like]", "SN"), ("SN Ca-rich-Ca", "SN"),
     ("SLSN-II", "SN"), ("SN II-SL", "SN"), ("SLSN IIn", "SN"),
     ("SLSN-I", "SLSN-I"), ("SLSN I", "SLSN-I"), ("SN SLSN-I", "SLSN-I"), ("SN Ic-SLSN", "SLSN-I"), ("Ic-SLSN", "SLSN-I"),
     ("SLSN\u2013I", "SLSN-I"), ("TDE", "TDE"), ("TDE-H-He", "TDE"), ("TDE H+He", "TDE"), ("TDE-featureless", "TDE"),
     ("SN Ic-BL?", None), ("SN?", None), ("SLSN-I?", None), ("TDE?", None), ("TDE-He (?)", None), ("SLSN-I.5", None), ("SLSN", None),
     ("SN Ia/Ic", None), ("SN Ic/SLSN", None), ("SN impostor", None), ("SNR", None), ("nova", None), ("LBV", None), ("AGN", None),
     ("SNX", None), ("SN TDE", None), ("TDEX", None), ("", None), (None, None)],
)  # fmt: skip
def test_types_become_labels(bts_type, label):
    found, reason = label_of(bts_type)
    assert found == label
    assert (reason is None) == (label is not None)


def test_markup_in_a_type_is_kept_in_its_column_and_not_in_the_reason(tmp_path):
    rows, refused = catalogue(tmp_path, changed(type="<script>alert(1)</script>"))
    assert rows[0]["type"] == "<script>alert(1)</script>"
    assert [("<" in why.reason, "<" in str(why.measured)) for why in refused] == [(False, False)]


def test_a_type_that_is_not_certain_or_not_known_is_a_rejection_with_the_type_and_a_nova_is_none(tmp_path):
    types = ("SN Ia?", "SNX", "nova", "-", "SN Ia")
    lines = [changed(ZTFID=f"ZTF18aaaaaa{k}", type=bts_type) for k, bts_type in zip("abcde", types, strict=True)]
    rows, rejections = catalogue(tmp_path, *lines)
    assert [row["label"] for row in rows] == [None, None, None, None, "SN"]
    assert [(why.measured["object_id"], why.measured["type"]) for why in rejections] == [
        ("ZTF18aaaaaaa", "SN Ia?"),
        ("ZTF18aaaaaab", "SNX"),
    ]


def test_where_a_label_comes_from_is_said_where_the_file_says_it(tmp_path):
    header = f"{HEADER},label_source,reported_by,classifier"
    rows, _ = catalogue(tmp_path, ROW + ",TNS,ePESSTO+,J. Doe", changed(ZTFID="ZTF18aaaaaab") + ",,-,", header=header)
    said = [(row["label_source"], row["type_reported_by"], row["type_classifier"]) for row in rows]
    assert said == [("TNS", "ePESSTO+", "J. Doe"), ("catalogue", None, None)]


@pytest.mark.parametrize(("encoding", "ends"), [("utf-8-sig", "\r\n"), ("utf-16", "\n"), ("latin-1", "\r"), ("utf-8", "\n\n")])
def test_encodings_and_line_ends_do_not_matter(tmp_path, encoding, ends):
    rows, rejections = catalogue(tmp_path, ROW, changed(ZTFID="ZTF18abcdefg"), encoding=encoding, ends=ends)
    assert ([row["object_id"] for row in rows], rejections) == (["ZTF17aabtvsy", "ZTF18abcdefg"], [])


def test_quoted_commas_and_extra_columns_are_read(tmp_path):
    line = changed(IAUID='"SN2022yei, probably"') + ",new"
    (row,), rejections = catalogue(tmp_path, line, header=HEADER + ",extra")
    assert (row["iau_name"], rejections) == ("SN2022yei, probably", [])


def test_a_broken_line_costs_only_itself(tmp_path):
    rows, rejections = catalogue(
        tmp_path, 'ZTF18aaaaaaa,"x', changed(ZTFID="ZTF18aaaaaab"), "ZTF18aaaaaac,SN20", "a\0b", ROW + ",1"
    )
    assert [row["object_id"] for row in rows] == ["ZTF18aaaaaab"]
    assert [why.measured["row"] for why in rejections] == [1, 3, 4, 5]


@pytest.mark.parametrize("bad", ["", "ZTF18", "'; drop table raw.objects; --", "<script>alert(1)</script>", "../../etc/passwd"])
def test_a_row_without_an_object_id_is_refused(tmp_path, bad):
    rows, (why,) = catalogue(tmp_path, changed(ZTFID=bad))
    assert rows == []
    assert not set(str(why.measured["given"])) & set("<>'\"()")


def test_an_object_listed_twice_alike_counts_once_and_differently_the_last_counts(tmp_path):
    rows, (why,) = catalogue(tmp_path, ROW, ROW, changed(A_V="0.2"))
    assert [row["a_v_mag"] for row in rows] == [0.2]
    assert (why.measured["row"], why.measured["used_row"]) == (2, 3)


def test_a_missing_column_is_null_with_one_rejection(tmp_path):
    header = HEADER.replace(",A_V", "")
    rows, rejections = catalogue(
        tmp_path, *[ROW.rpartition(",")[0], changed(ZTFID="ZTF18abcdefg").rpartition(",")[0]], header=header
    )
    assert [row["a_v_mag"] for row in rows] == [None, None]
    assert [why.measured for why in rejections] == [{"column": "a_v"}]


@pytest.mark.parametrize("header", ["", "object,RA", "\0", '"ZTFID'])
def test_a_file_without_a_usable_header_is_refused(tmp_path, header):
    with pytest.raises(Rejection, match=r"header|ZTFID"):
        catalogue(tmp_path, header=header)


def photometry(tmp_path, frame, name="photometry.parquet"):
    path = tmp_path / name
    frame.write_parquet(path) if name.endswith("parquet") else frame.write_csv(path)
    return read_photometry(path)


def light_curve(**changes):
    """Three rows of one object, with columns replaced."""
    columns = {
        "object_id": ["ZTF18abcdefg"] * 3,
        "mjd": [58002.0, 58001.0, 58001.0],
        "band": ["g", "r", "g"],
        "mag": [18.0, 18.5, 19.0],
    }
    return pl.DataFrame(columns | {"mag_err": [0.1, 0.1, 0.1]} | changes)


@pytest.mark.parametrize("name", ["photometry.parquet", "photometry.csv"])
def test_photometry_is_ordered_and_numbered_by_its_values(tmp_path, name):
    frame, rejections = photometry(tmp_path, light_curve(), name)
    assert rejections == []
    assert frame.select("row_number", "mjd", "band").rows() == [(1, 58001.0, "g"), (2, 58001.0, "r"), (3, 58002.0, "g")]
    assert frame["mw_corrected"].to_list() == [False] * 3
    assert frame["source"].to_list() == [None] * 3
    again, _ = photometry(tmp_path, light_curve().reverse(), name)
    assert again.equals(frame)


def test_repeated_measurements_are_all_kept(tmp_path):
    frame, _ = photometry(tmp_path, pl.concat([light_curve()] * 2))
    assert frame["row_number"].to_list() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("column", "bad", "match"),
    [("object_id", None, "object_id"), ("object_id", "x'; drop", "object_id"), ("mjd", float("nan"), "mjd"), ("mjd", 0.0, "mjd"),
     ("mag", float("inf"), "mag"), ("mag", None, "mag"), ("mag", 99.0, "mag"), ("mag_err", 0.0, "mag_err"),
     ("mag_err", -1.0, "mag_err"), ("mag_err", None, "mag_err"), ("band", "sdssg", "band"), ("band", "R", "band"),
     ("band", None, "band")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["photometry.parquet", "photometry.csv"])
def test_a_bad_row_of_photometry_is_a_rejection_with_its_row_and_values(tmp_path, column, bad, match, name):
    given = light_curve()
    frame, (why,) = photometry(tmp_path, light_curve(**{column: [given[column][0], bad, given[column][2]]}), name)
    assert len(frame) == 2
    assert why.measured["row"] == 2
    assert match in why.reason


def test_words_where_numbers_belong_are_rejections(tmp_path):
    frame, rejections = photometry(tmp_path, light_curve(mag=["18.0", "bright", " 19.0 "]), "photometry.csv")
    assert frame["mag"].to_list() == [19.0, 18.0]
    assert rejections[0].measured["mag"] == "bright"


def test_a_flag_is_read_in_its_spellings_and_nothing_else(tmp_path):
    frame, rejections = photometry(tmp_path, light_curve(mw_corrected=["True", "0", "perhaps"]), "photometry.csv")
    assert sorted(frame["mw_corrected"].to_list()) == [False, True]
    assert "mw_corrected" in rejections[0].reason


def test_a_table_without_a_needed_column_or_of_lists_is_refused(tmp_path):
    with pytest.raises(Rejection, match="no column mag_err"):
        photometry(tmp_path, light_curve().drop("mag_err"))
    with pytest.raises(Rejection, match="text, numbers or booleans"):
        photometry(tmp_path, light_curve(mag=[[1.0], [2.0], [3.0]]))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(Rejection, match="not a Parquet file"):
        read_photometry(tmp_path / "bad.parquet")


def test_a_column_that_comes_twice_is_refused(tmp_path):
    table = light_curve().to_arrow()
    pq.write_table(table.append_column("MAG", table["mag"]), tmp_path / "twice.parquet")
    with pytest.raises(Rejection, match="twice"):
        read_photometry(tmp_path / "twice.parquet")


def test_metadata_that_is_no_text_does_not_matter(tmp_path):
    table = light_curve().to_arrow().replace_schema_metadata({b"\xff": b"\xfe"})
    table = table.cast(pa.schema([field.with_metadata({b"\xff": b"\xfe"}) for field in table.schema]))
    pq.write_table(table, tmp_path / "odd.parquet")
    frame, rejections = read_photometry(tmp_path / "odd.parquet")
    assert (len(frame), rejections) == (3, [])


def hosts(tmp_path, *lines, header="object_id,host_ra,host_dec,separation_arcsec,gAp,rAp,iAp,zAp,yAp,mw_corrected,source"):
    path = tmp_path / "hosts.csv"
    path.write_text("\n".join((header, *lines)))
    return read_hosts(path)


def test_hosts_are_read_with_our_names_and_their_sentinels_are_null(tmp_path):
    frame, rejections = hosts(tmp_path, "ZTF18abcdefg,93.8,48.4,0.1,22.6,-999,,-999.0,21.5,true,FLEET")
    assert rejections == []
    assert frame.row(0)[:4] == ("ZTF18abcdefg", 93.8, 48.4, 0.1)
    assert frame.select("r_mag", "i_mag", "z_mag", "mw_corrected").row(0) == (None, None, None, True)
    assert frame["y_mag"].item() == pytest.approx(21.5)


def test_a_host_that_cannot_be_is_refused_and_a_magnitude_that_cannot_be_is_null(tmp_path):
    frame, rejections = hosts(
        tmp_path, "ZTF18aaaaaaa,,48,,,,,,,false,", "ZTF18aaaaaab,400,48,,,,,,,false,", "ZTF18aaaaaac,4,8,-1,77,x,,,,,"
    )
    assert frame.select("object_id", "separation_arcsec", "g_mag", "r_mag").rows() == [("ZTF18aaaaaac", None, None, None)]
    assert sorted((why.measured["row"], why.measured.get("column", "")) for why in rejections) == [
        (1, ""), (2, ""), (3, "gap"), (3, "rap"), (3, "separation_arcsec"),
    ]  # fmt: skip


def test_of_two_hosts_of_one_object_the_last_counts(tmp_path):
    frame, (why,) = hosts(tmp_path, *(f"ZTF18abcdefg,{ra},8,,,,,,,," for ra in (4, 4, 5)))
    assert frame["host_ra_deg"].to_list() == [5.0]
    assert why.measured["row"] == 2


@pytest.mark.parametrize("table", ["raw.objects", "raw.photometry", "raw.hosts"])
def test_rows_have_the_columns_of_their_table_and_go_in(tmp_path, table):
    if table == "raw.objects":
        rows = pl.DataFrame(catalogue(tmp_path, ROW)[0], infer_schema_length=None)
    elif table == "raw.photometry":
        rows, _ = photometry(tmp_path, light_curve())
    else:
        rows, _ = hosts(tmp_path, "ZTF18abcdefg,93.8,48.4,0.1,22.6,-999,,-999.0,21.5,true,FLEET")
    database = duckdb.connect()
    database.execute("create schema raw").execute((TABLES / f"{table}.sql").read_text())
    database.register("rows", rows.to_arrow())
    database.execute(f"insert into {table} by name select * from rows")
    assert set(database.table(table).columns) == set(rows.columns)


def test_the_real_catalogue_is_8410_rows(survey):
    rows, rejections = read_catalogue(survey / "bts.csv")
    assert len(rows) == 8410
    assert sorted(why.measured["type"] for why in rejections) == ["SN II?", "SN IIn?", *["SN Ia?"] * 4, "SN Ic-BL?", "SN Ic?"]
    labels = [row["label"] for row in rows]
    assert {label: labels.count(label) for label in ("SN", "SLSN-I", "TDE", None)} == {
        "SN": 8153,
        "SLSN-I": 123,
        "TDE": 84,
        None: 50,
    }


def test_the_real_photometry_is_88671_rows_and_the_real_hosts_3940(survey):
    frame, rejections = read_photometry(survey / "photometry.parquet")
    assert (len(frame), frame["object_id"].n_unique(), rejections) == (88_671, 2050, [])
    frame, rejections = read_hosts(survey / "hosts.csv")
    assert (len(frame), rejections) == (3940, [])
