"""Avro container files from strangers: what they may cost is bounded by their size."""

import io
import json
import tracemalloc
import zlib

import fastavro
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.avro import containers as reader
from needle_assets.landing.avro.containers import MAX_FILE_BYTES, read_records, split
from needle_assets.landing.avro.schema import Wanted
from needle_assets_tests.packets import avro, record, schema

MAGIC, SYNC = b"Obj\x01", bytes(16)


def number(value: int) -> bytes:
    """A whole number as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    return number(len(value)) + value


def container(schema_json: bytes, block: bytes = b"", count: int = 1, codec: bytes = b"null") -> bytes:
    """A container file made by hand, so that it can lie."""
    header = number(2) + text(b"avro.schema") + text(schema_json) + text(b"avro.codec") + text(codec) + number(0)
    return MAGIC + header + SYNC + number(count) + text(block) + SYNC


def refused(schema_given: object, block: bytes = b"", count: int = 1) -> str:
    """The sentence with which a file of this schema is refused."""
    with pytest.raises(Rejection) as why:
        list(read_records(container(json.dumps(schema_given).encode(), block, count)))
    return why.value.reason


def fields(*types: object) -> dict[str, object]:
    return {"type": "record", "name": "r", "fields": [{"name": f"f{k}", "type": t} for k, t in enumerate(types)]}


def test_records_are_those_that_fastavro_reads():
    data = avro([record(), record()], codec="deflate")
    assert list(read_records(data)) == list(fastavro.reader(io.BytesIO(data)))


def test_a_schema_is_parsed_once_for_each_text():
    reader.reader_of.cache_clear()
    for _ in range(3):
        list(read_records(avro(record())))
    assert reader.reader_of.cache_info().misses == 1


@pytest.mark.parametrize("n_bytes", [0, 1, 3, 4, 5, 30, 500, 3000, -1, -16, -17, -100])
def test_a_file_that_ends_early_is_refused(n_bytes):
    with pytest.raises(Rejection):
        list(read_records(avro(record())[:n_bytes]))


def test_no_cut_is_taken_for_a_whole_file():
    data = avro(record())
    for n_bytes in range(0, len(data), 37):
        try:
            assert list(read_records(data[:n_bytes])) == []
        except Rejection:
            continue


def test_a_schema_that_contains_itself_is_refused():
    node = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"]}]}
    assert "contains itself" in refused(node, b"\x02" * 10**6)


def test_items_that_take_no_bytes_are_refused():
    assert "take no bytes" in refused(fields({"type": "array", "items": "null"}), number(2**60))
    assert "take no bytes" in refused(fields({"type": "record", "name": "empty", "fields": []}))


def test_small_records_may_not_repeat():
    small = {"type": "record", "name": "small", "fields": [{"name": "is_x", "type": "boolean"}]}
    assert "repeats a record of 1 bytes" in refused(fields({"type": "array", "items": small}), number(10) + b"\1" * 10)
    assert "repeats a record of 1 bytes" in refused(fields(small, {"type": "array", "items": "small"}))


def test_a_schema_that_grows_by_reuse_is_refused():
    levels = [{"type": "record", "name": "l0", "fields": [{"name": "x", "type": "int"}]}]
    for k in range(1, 20):
        names = [levels[-1] if k == 1 else f"l{k - 1}", f"l{k - 1}"]
        levels.append({"type": "record", "name": f"l{k}", "fields": [{"name": f"f{j}", "type": t} for j, t in enumerate(names)]})
    assert "more than 4000 parts" in refused(fields(*levels[1:]))


def test_deep_nesting_is_refused_however_deep():
    assert "nested" in refused(_nested_arrays(40))
    deep = b'{"type":"array","items":' * 15_000 + b'"int"' + b"}" * 15_000
    with pytest.raises(Rejection, match="not valid JSON"):
        list(read_records(container(deep)))


def _nested_arrays(depth: int) -> object:
    inner: object = "int"
    for k in range(depth):
        inner = fields(inner) | {"name": f"r{k}"}
    return inner


@pytest.mark.parametrize(
    "given",
    [5, None, [], [["int"]], {}, {"type": "map", "values": "int"}, {"type": "record", "name": "r"}, {"type": "nonsense"},
     {"type": "record", "fields": []}, {"type": "fixed", "name": "f", "size": -1}, fields({"type": "enum", "name": "e"}),
     {"type": "record", "name": "r", "fields": [1]}, fields({"type": "fixed", "name": "f", "size": 2**62}), fields("undefined")],
)  # fmt: skip
def test_a_schema_that_is_none_is_refused(given):
    refused(given)


def test_values_that_do_not_fit_their_schema_are_refused():
    refused(fields("string"), number(2**50) + b"x")
    refused(fields("string"), number(-5) + b"x")
    refused(fields(["null", "int"]), number(7))
    refused(fields("double"), b"\0\0")


def test_logical_types_are_read_as_what_they_are_made_of():
    huge = {"type": "bytes", "logicalType": "decimal", "precision": 10**6, "scale": 0}
    assert list(read_records(container(json.dumps(fields(huge)).encode(), text(b"12")))) == [{"f0": b"12"}]


def test_counts_are_not_believed():
    plain = json.dumps(fields("int")).encode()
    for count in (-1, 2**62, 10**6):
        with pytest.raises(Rejection):
            list(read_records(container(plain, b"\x02", count)))
    with pytest.raises(Rejection, match="entries"):
        list(read_records(MAGIC + number(2**40) + b"\0" * 100))


def test_records_beyond_the_count_are_not_passed_over_in_silence():
    assert "more than the 1 records" in refused(fields("int"), b"\x02\x04")


def test_a_deflate_bomb_is_not_unpacked():
    bomb = zlib.compress(bytes(50 * 2**20), 1)[2:-4]
    assert len(bomb) < 10**6
    with pytest.raises(Rejection, match="unpack"):
        list(read_records(container(json.dumps(fields("int")).encode(), bomb, codec=b"deflate")))


def test_an_unknown_codec_and_an_oversized_file_are_refused():
    with pytest.raises(Rejection, match="codec"):
        list(read_records(container(b'"int"', codec=b"snappy")))
    with pytest.raises(Rejection, match="at most"):
        list(read_records(bytes(MAX_FILE_BYTES + 1)))


def test_documentation_in_a_schema_changes_nothing():
    documented = schema() | {"doc": "x" * 1000, "fields": [f | {"doc": "y", "default": object} for f in schema()["fields"]]}
    text_of = json.dumps(documented, default=lambda _: "z").encode()
    block = next(fastavro.block_reader(io.BytesIO(avro(record())))).bytes_.getvalue()
    assert list(read_records(container(text_of, block))) == list(read_records(avro(record())))


# What a broker may add, as (type, values): none of it is wanted, so none may matter.
ADDED = {
    "map": ({"type": "map", "values": ["null", "string"]}, [{}, {"a": "x", "b": None}]),
    "map of floats": ({"type": "map", "values": "float"}, [{"a": 1.0, "b": float("nan")}]),
    "small records": ({"type": "array", "items": fields("boolean")}, [[], [{"f0": True}] * 3]),
    "nulls": ({"type": "array", "items": "null"}, [[None] * 5]),
    "arrays of arrays": ({"type": "array", "items": {"type": "array", "items": "long"}}, [[[1, 2], []]]),
    "record": (fields("string", {"type": "map", "values": "bytes"}), [{"f0": "x", "f1": {"k": b"y"}}]),
    "empty record": ({"type": "record", "name": "r", "fields": []}, [{}]),
    "union": (["null", "double", {"type": "map", "values": "int"}, "string"], [None, 1.5, {"a": 1}, "x"]),
    "enum": ({"type": "enum", "name": "e", "symbols": ["a", "b"]}, ["a", "b"]),
    "fixed": ({"type": "fixed", "name": "f", "size": 3}, [b"abc"]),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, [b"12"]),
    "time": ({"type": "long", "logicalType": "timestamp-micros"}, [10**15]),
    "list of itself": (
        {"type": "record", "name": "r", "fields": [{"name": "next", "type": ["null", "r"]}]}, [{"next": {"next": {"next": None}}}],
    ),
}  # fmt: skip
_WANTED = Wanted({"first": None, "entries": Wanted({"jd": None, "mag": None}), "last": None})


@pytest.mark.parametrize("place", ["top", "entry"])
@pytest.mark.parametrize("kind", list(ADDED))
def test_what_is_not_wanted_is_passed_over_whatever_it_is(kind, place):
    added, values = ADDED[kind]
    extra = [{"name": "added", "type": added}]
    entry = [{"name": "jd", "type": "double"}, *(extra if place == "entry" else []), {"name": "mag", "type": "double"}]
    entries = {"type": ["null", {"type": "array", "items": {"type": "record", "name": "entry", "fields": entry}}]}
    named = [
        {"name": "first", "type": "string"},
        {"name": "other", "type": "double"},
        *(extra if place == "top" else []),
        {"name": "entries", **entries},
    ]
    plan = {"type": "record", "name": "x", "fields": [*named, {"name": "last", "type": "double"}]}
    given = [
        {"first": "a", "other": 0.0, "added": value, "entries": [{"jd": 1.0, "mag": 2.0, "added": value}] * 2, "last": 3.0}
        for value in values
    ]
    found = list(read_records(avro(given, schema=plan), _WANTED))
    assert [(one["first"], one["last"]) for one in found] == [("a", 3.0)] * len(values)
    assert all([(e["jd"], e["mag"]) for e in one["entries"]] == [(1.0, 2.0)] * 2 for one in found)


def test_odd_values_of_what_is_not_wanted_do_not_matter():
    plan = fields("string", "double", {"type": "enum", "name": "e", "symbols": ["a"]}, "double")
    block = text(b"\xff\xfe") + bytes(8) + number(77) + bytes(8)
    (found,) = read_records(container(json.dumps(plan).encode(), block), Wanted({"f1": None, "f3": None}))
    assert (found["f1"], found["f3"]) == (0.0, 0.0)


def test_what_is_not_wanted_costs_no_more_than_its_bytes():
    plan = fields("double", {"type": "array", "items": "null"}, {"type": "array", "items": fields("boolean")}, "double")
    small = number(2**20) + bytes(2**20) + number(0)
    block = bytes(8) + number(2**40) + number(0) + small + bytes(8)
    tracemalloc.start()
    (found,) = read_records(container(json.dumps(plan).encode(), block), Wanted({"f0": None, "f3": None}))
    peak, _ = tracemalloc.get_traced_memory()[1], tracemalloc.stop()
    assert (found["f3"], peak < 20 * len(block)) == (0.0, True)


@pytest.mark.parametrize("cut", [number(2**40), number(-1) + number(2**40), number(5) + b"\1", number(-3) + number(-8)])
def test_what_is_passed_over_may_not_lead_beyond_the_end(cut):
    plan = fields("double", {"type": "array", "items": "long"}, "double")
    with pytest.raises(Rejection, match="damaged"):
        list(read_records(container(json.dumps(plan).encode(), bytes(8) + cut), Wanted({"f0": None, "f2": None})))


def test_a_wanted_value_of_a_type_out_of_bounds_says_so_and_the_rest_is_read():
    plan = fields("double", {"type": "map", "values": "int"}, "double")
    block = bytes(8) + number(1) + text(b"a") + number(5) + number(0) + bytes(8)
    (found,) = read_records(container(json.dumps(plan).encode(), block), Wanted({"f0": None, "f1": None, "f2": None}))
    assert "map" in repr(found["f1"])
    assert found["f2"] == 0.0


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("sync_interval", [10, 16_000, 10**9])
def test_a_file_of_any_size_is_split_into_its_records(codec, sync_interval):
    given = [record() | {"candid": k} for k in range(1, 40)]
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema()), given, codec=codec, sync_interval=sync_interval)
    pieces = list(split(io.BytesIO(out.getvalue())))
    expected = list(fastavro.reader(io.BytesIO(out.getvalue())))
    assert [one for piece in pieces for one in read_records(piece)] == expected
    assert list(fastavro.reader(io.BytesIO(pieces[-1]))) == expected[-1:]


def test_a_block_of_more_than_one_record_may_have_is_read_record_by_record(monkeypatch):
    given = [record() | {"candid": k} for k in range(1, 40)]
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema()), given, sync_interval=10**9)
    monkeypatch.setattr(reader, "MAX_RECORD_BYTES", 70_000)
    candids = [one["candid"] for piece in split(io.BytesIO(out.getvalue())) for one in read_records(piece)]
    assert candids == list(range(1, 40))
    monkeypatch.setattr(reader, "MAX_RECORD_BYTES", 10_000)
    with pytest.raises(Rejection, match="fit"):
        list(split(io.BytesIO(out.getvalue())))


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_containers_one_behind_the_other_are_read_like_one_each_by_its_own_schema(codec):
    first = avro([record() | {"candid": 1}, record() | {"candid": 2}], codec=codec)
    second = avro(record("4.02") | {"candid": 3}, "4.02", codec=codec)
    assert [found["candid"] for found in read_records(first + second)] == [1, 2, 3]
    parts = list(split(io.BytesIO(first + second)))
    assert [next(read_records(part))["candid"] for part in parts] == [1, 2, 3]
    assert [found["candid"] for found in read_records(first + first)] == [1, 2, 1, 2]
    with pytest.raises(Rejection, match="ends early or is damaged"):
        list(read_records(first + second[:-20]))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"\x1f\x8b" + b"x" * 99, "compressed once more"), (b"\n <html>", "a web page"), (b'{"a": 1}', "JSON"), (b"PK\x03\x04x", "a zip"),
     (b"a.avro".ljust(257, b"\0") + b"ustar  ", "a tar archive"), (b"hello", "not start as an Avro container does; an alert")],
)  # fmt: skip
def test_what_is_no_container_is_called_what_it_is(content, kind):
    with pytest.raises(Rejection, match=kind):
        list(read_records(content))
