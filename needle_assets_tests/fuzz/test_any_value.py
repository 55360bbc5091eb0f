"""Whatever value, bytes or text comes in, what comes out is a result or a Rejection."""

import copy
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.landing.catalogues import label_of, read_catalogue, read_photometry
from needle_assets.landing.csv_parquet import is_no_row
from needle_assets.landing.names import kind_of
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import alert_row, read_packets
from needle_assets.landing.values import shown
from needle_assets.landing.ztf_packets import is_positive, packet_of
from needle_assets_tests.packets import record

FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
MANY = settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=30)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NAMES = st.sampled_from(sorted(record()))
INNER_NAMES = st.sampled_from(sorted(record()["candidate"]))


def holds_for_any_record(top, inner, previous):
    made = copy.deepcopy(record()) | top
    if isinstance(made["candidate"], dict):
        made["candidate"] |= inner
    if isinstance(made["prv_candidates"], list):
        made["prv_candidates"] = [previous, *made["prv_candidates"]]
    try:
        packet = packet_of(made)
    except Rejection:
        return
    row = alert_row(packet)
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    assert is_positive(row["isdiffpos"]) is not None


ANY_RECORD = given(st.dictionaries(NAMES, VALUES, max_size=3), st.dictionaries(INNER_NAMES, VALUES, max_size=4), VALUES)


@FEW
@ANY_RECORD
def test_any_record_is_a_packet_or_a_rejection(top, inner, previous):
    holds_for_any_record(top, inner, previous)


@pytest.mark.slow
@MANY
@ANY_RECORD
def test_very_many_records_are_packets_or_rejections(top, inner, previous):
    holds_for_any_record(top, inner, previous)


def holds_for_any_bytes(data):
    assert all(isinstance(found, Packet | Rejection) for found in read_packets(data))
    with pytest.raises(Rejection):
        decode_cutout(data)


ANY_BYTES = given(st.binary(max_size=2000) | st.binary(max_size=2000).map(b"Obj\x01".__add__))


@FEW
@ANY_BYTES
def test_any_bytes_are_refused(data):
    holds_for_any_bytes(data)


@pytest.mark.slow
@MANY
@ANY_BYTES
def test_very_many_bytes_are_refused(data):
    holds_for_any_bytes(data)


def holds_for_any_text(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text("ZTFID,RA,Dec,type,object_id,mjd,band,mag,mag_err\n" + text, encoding="utf-8", errors="replace")
    rows, rejections = read_catalogue(path)
    frame, refused = read_photometry(path)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines()[1:] if line.strip() and not is_no_row(line)]
    assert len(rows) + len(rejections) >= len(lines) > 0 or not lines
    assert len(frame) + len(refused) >= len(lines) > 0 or not lines


ANY_TABLE = given(text=st.text(st.characters(exclude_characters="\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=300))


@FEW
@ANY_TABLE
def test_every_line_of_any_table_is_a_row_or_a_rejection(tmp_path, text):
    holds_for_any_text(tmp_path, text)


@pytest.mark.slow
@MANY
@ANY_TABLE
def test_every_line_of_very_many_tables_is_a_row_or_a_rejection(tmp_path, text):
    holds_for_any_text(tmp_path, text)


@FEW
@given(SCALARS)
def test_any_value_can_be_shown(value):
    text = shown(value)
    assert text.isprintable()
    assert 0 < len(text) <= 60
    assert not set(text) & set("<>\"'`[](){}$\\")


@FEW
@given(st.text(max_size=40))
def test_any_type_and_path_have_a_meaning(text):
    label, reason = label_of(text)
    assert (label is None) == (reason is not None)
    assert kind_of(text) in ("catalogue", "packet", "archive", "photometry", "hosts", "unknown")
