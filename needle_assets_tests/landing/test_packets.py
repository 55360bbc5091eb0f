"""One alert packet, from bytes to a checked row."""

import copy
import io
import math
from pathlib import Path

import duckdb
import fastavro
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import alert_row, one_row_per_packet, read_packet, read_packets
from needle_assets.landing.values import shown
from needle_assets.landing.ztf_packets import is_positive, is_ztf_id, packet_of
from needle_assets_tests.landing.test_avro import ADDED
from needle_assets_tests.lsst import container
from needle_assets_tests.packets import CANDID, JD, ZTF_ID, avro, packet, record, schema

DDL = Path(__file__).parents[2] / "warehouse" / "tables" / "raw.alerts.sql"


@pytest.mark.parametrize("version", ["3.3", "4.02"])
@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_packet_of_either_schema_reads_back(version, codec):
    found = read_packet(avro(record(version), version, codec))
    assert (found.object_id, found.candid, found.schema_version) == (ZTF_ID, CANDID, version)
    assert found.candidate["magpsf"] == 18.5
    assert found.candidate["xpos"] == 1000.25
    assert found.science == found.reference == found.difference != b""
    assert len(found.forced_photometry) == (1 if version == "4.02" else 0)


@pytest.mark.parametrize("place", ["top", "candidate", "prv_candidates", "fp_hists", "cutout"])
@pytest.mark.parametrize("kind", list(ADDED))
def test_a_packet_is_read_whatever_a_broker_adds_to_it(kind, place):
    added, (value, *_) = ADDED[kind]
    plan, made = schema("4.02"), copy.deepcopy(record("4.02"))
    holders = {
        "top": (plan, [made]),
        "candidate": (plan["fields"][4]["type"], [made["candidate"]]),
        "prv_candidates": (plan["fields"][5]["type"][0]["items"], made["prv_candidates"]),
        "fp_hists": (plan["fields"][6]["type"][1]["items"], made["fp_hists"]),
        "cutout": (plan["fields"][7]["type"][0], [made[f"cutout{name}"] for name in ("Science", "Template", "Difference")]),
    }
    described, entries = holders[place]
    described["fields"].insert(len(described["fields"]) // 2, {"name": "added", "type": added})
    for entry in entries:
        entry["added"] = value
    assert read_packet(avro(made, schema=plan)) == read_packet(avro(record("4.02"), "4.02"))


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) * 2 // 3], lambda data: data[:-20] + b"x" * 20])
def test_a_damaged_packet_is_refused_under_its_object_where_that_can_be_read(codec, damage):
    (why,) = read_packets(damage(avro(record(), codec=codec)))
    assert (why.candid, why.measured["object_id"]) == (CANDID, ZTF_ID)


@pytest.mark.parametrize(
    ("changes", "known"),
    [({"objectId": "x"}, (CANDID, None)), ({"candid": -1}, (None, ZTF_ID)), ({"candidate": {"candid": 7}}, (CANDID, ZTF_ID))],
)
def test_a_refusal_knows_of_its_packet_what_can_be_known(changes, known):
    made = record()
    made |= {name: made[name] | value if isinstance(value, dict) else value for name, value in changes.items()}
    (why,) = read_packets(avro(made))
    assert (why.candid, why.measured.get("object_id")) == known


@pytest.mark.parametrize(
    ("given", "kept"),
    [("ZTF (www.ztf.caltech.edu)", True), ("M\u00fcller & <b>Co</b>", True), ("a\x07b", False), ("x" * 501, False)],
)
def test_a_publisher_is_kept_as_it_came_or_is_a_refusal(given, kept):
    found = read_packet(avro(record() | {"publisher": given}))
    assert found.publisher == (given if kept else "")
    assert [why.measured["field"] for why in found.refused] == ([] if kept else ["publisher"])


def test_texts_that_are_none_do_not_spoil_what_is_read():
    plan = schema()
    plan["fields"].insert(0, {"name": "note", "type": "bytes"})
    data = avro(record() | {"note": b"\xff\xfe"}, schema=plan).replace(b'"note", "type": "bytes"', b'"note", "type":"string"')
    assert read_packet(data) == read_packet(avro(record()))


def test_forced_photometry_is_kept_under_the_names_of_ztf():
    made = copy.deepcopy(record("4.02"))
    made["fp_hists"].append(made["fp_hists"][0] | {"forcediffimflux": -99999.0, "forcediffimfluxunc": -99999.0})
    row = alert_row(read_packet(avro(made, "4.02")))
    first, failed = row["fp_hists"]
    assert (first["jd"], first["fid"], first["forcediffimflux"], first["forcediffimfluxunc"]) == (JD - 9, 1, 12.0, 3.0)
    assert (failed["forcediffimflux"], failed["forcediffimfluxunc"]) == (None, None)


def test_previous_candidates_keep_detections_and_limits_apart():
    detection, limit = read_packet(packet()).previous
    assert (detection["candid"], detection["magpsf"], detection["isdiffpos"]) == (CANDID - 1, 19.0, "t")
    assert (limit["candid"], limit["magpsf"]) == (None, None)
    assert limit["diffmaglim"] == pytest.approx(20.4)


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("jd", math.nan, "jd is None"),
        ("jd", math.inf, "jd is None"),
        ("jd", 0.0, "outside"),
        ("fid", 4, "fid is 4"),
        ("ra", 361.0, "outside"),
        ("dec", -90.1, "outside"),
        ("magpsf", math.nan, "magpsf is None"),
        ("sigmapsf", -0.1, "sigmapsf"),
        ("isdiffpos", "maybe", "neither positive nor negative"),
    ],
)
def test_a_field_that_everything_stands_on_must_be_true(field, value, match):
    with pytest.raises(Rejection, match=match) as why:
        read_packet(packet(**{field: value}))
    assert why.value.candid == CANDID
    assert why.value.measured["object_id"] == ZTF_ID


@pytest.mark.parametrize("field", ["objectId", "candid", "candidate"])
def test_a_packet_without_its_identity_is_refused(field):
    given = record()
    del given[field]
    with pytest.raises(Rejection):
        packet_of(given)


@pytest.mark.parametrize("field", ["jd", "fid", "ra", "dec", "magpsf", "sigmapsf", "isdiffpos"])
@pytest.mark.parametrize("value", [None, "x", b"x", [], {}, True])
def test_a_field_of_another_type_is_refused(field, value):
    if (field, value) == ("isdiffpos", True):
        assert packet_of(record(isdiffpos=True)).candidate["isdiffpos"] == "t"
        return
    with pytest.raises(Rejection):
        packet_of(record(**{field: value}))


@pytest.mark.parametrize("candid", [0, -1, 2**63, 1.0, "1", None, True])
def test_a_candid_is_a_positive_64_bit_number(candid):
    with pytest.raises(Rejection, match="candid"):
        packet_of(record() | {"candid": candid})


def test_packet_and_candidate_must_agree_on_the_candid():
    with pytest.raises(Rejection, match="different candids"):
        packet_of(record(candid=CANDID + 1))


@pytest.mark.parametrize(
    "bad", ["", "ZTF18ABCDEFG", "ZTF18abcdef", "ZTF18abcdefgh", "ZTF18abcdefg\n", "ZTF1８abcdefg", "../../ZTF18abcdefg", 7, None,
            "'; drop table raw.alerts; --", "<img src=x onerror=alert(1)>"],
)  # fmt: skip
def test_only_an_object_id_is_an_object_id(bad):
    assert not is_ztf_id(bad)
    with pytest.raises(Rejection, match="object id") as why:
        packet_of(record() | {"objectId": bad})
    assert not set(why.value.reason) & set("<>'\"`[]\n")


def test_floats_that_are_not_finite_and_lost_values_are_none_in_the_row():
    row = alert_row(read_packet(packet(rb=math.nan, fwhm=math.inf, ssdistnr=0.0, distnr=0.0)))
    assert [row[name] for name in ("rb", "fwhm", "ssdistnr", "sgmag1")] == [None] * 4
    assert row["distnr"] == 0.0


def test_a_broken_previous_candidate_costs_only_itself():
    given = record()
    given["prv_candidates"] += [given["prv_candidates"][0] | {"jd": math.nan}, given["prv_candidates"][0] | {"isdiffpos": "?"}]
    found = packet_of(given)
    assert len(found.previous) == 2
    assert [why.candid for why in found.refused] == [CANDID, CANDID]
    assert "prv_candidates[2]" in found.refused[0].reason


def test_every_packet_of_a_file_comes_out_and_a_bad_one_costs_only_itself():
    good, bad = record(), copy.deepcopy(record())
    bad["objectId"] = "nobody"
    found = list(read_packets(avro([good, bad, good])))
    assert [type(item) for item in found] == [Packet, Rejection, Packet]
    with pytest.raises(Rejection, match="nobody"):
        read_packet(avro([good, bad]))
    with pytest.raises(Rejection, match="2 packets"):
        read_packet(avro([good, good]))


def test_a_file_without_packets_says_so():
    (found,) = read_packets(avro([]))
    assert "no packet" in found.reason


def test_a_file_cut_off_gives_the_packets_before_the_cut():
    data = avro([record()] * 2)
    whole = list(read_packets(data[:-20] + b"x" * 20))
    assert isinstance(whole[-1], Rejection)


@pytest.mark.parametrize(
    ("text", "sign"), [("t", True), ("1", True), (True, True), ("f", False), ("0", False), ("", None), (None, None)]
)
def test_isdiffpos_is_read_in_all_its_spellings(text, sign):
    assert is_positive(text) is sign


def test_a_cutout_that_is_missing_is_none_and_a_wrong_one_is_refused():
    assert packet_of(record() | {"cutoutDifference": None}).difference is None
    with pytest.raises(Rejection, match="stampData"):
        packet_of(record() | {"cutoutScience": {"fileName": "x"}})
    with pytest.raises(Rejection, match="at most"):
        packet_of(record() | {"cutoutScience": {"stampData": bytes(2**20 + 1)}})


def test_text_for_messages_is_short_and_harmless():
    assert shown("<script>") == "?script?"
    assert len(shown("x" * 10**6)) == 60
    assert shown(None) == "None"


def test_the_row_has_the_columns_of_its_table_and_goes_in():
    row = alert_row(read_packet(packet())) | {"path": "alerts/1.avro", "member": None, "sha256": "0"}
    database = duckdb.connect()
    database.execute("create schema raw").execute(DDL.read_text())
    columns = [name for (name,) in database.execute("select column_name from duckdb_columns() where not internal").fetchall()]
    of_rubin = list(alert_row(read_packet(container())))
    assert [name for name in columns if name in row] == list(row)
    assert {*columns} == {*row, *of_rubin}
    database.execute(f"insert into raw.alerts ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values()))
    assert database.execute("select prv_candidates[1].magpsf from raw.alerts").fetchone() == (19.0,)


def _row(path, *, sha256="a", difference=True):
    given = record() | ({} if difference else {"cutoutDifference": None})
    return alert_row(packet_of(given)) | {"path": path, "member": None, "sha256": sha256}


def test_of_two_packets_of_one_candid_the_fuller_stays_whatever_the_order():
    rows = [_row("a", sha256="1", difference=False), _row("b", sha256="2")]
    for given in (rows, rows[::-1]):
        kept, refused = one_row_per_packet(given)
        assert [row["path"] for row in kept] == ["b"]
        assert [why.measured["path"] for why in refused] == ["a"]


def test_an_exact_copy_of_a_packet_is_refused_too():
    kept, refused = one_row_per_packet([_row("b"), _row("a")])
    assert [row["path"] for row in kept] == ["a"]
    assert [(why.reason, why.measured["path"]) for why in refused] == [("the packet landed twice.", "b")]


def test_every_real_packet_reads_as_fastavro_reads_it(survey):
    files = sorted((survey / "alerts").glob("*.avro"))
    for file in files:
        data = file.read_bytes()
        found, plain = read_packet(data), next(iter(fastavro.reader(io.BytesIO(data))))
        assert (found.object_id, found.candid) == (plain["objectId"], plain["candid"])
        assert found.science == plain["cutoutScience"]["stampData"]
        assert len(found.previous) + len(found.refused) == len(plain["prv_candidates"] or [])
        assert found.candidate["jd"] == plain["candidate"]["jd"] > JD - 1000
    assert len(files) == 646
