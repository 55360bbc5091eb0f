"""Avro container files from strangers: what they may cost is bounded by their size."""

import io
import json
import zlib

import fastavro
import pytest

from needle_assets import avro as reader
from needle_assets.avro import MAX_FILE_BYTES, read_records
from needle_assets.rejections import Rejection
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
    reader._decodable_schema.cache_clear()
    for _ in range(3):
        list(read_records(avro(record())))
    assert reader._decodable_schema.cache_info().misses == 1


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
    assert "takes no bytes" in refused(fields({"type": "record", "name": "empty", "fields": []}))


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
    refused(fields("string"), number(1) + b"\xff")
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
    bomb = zlib.compress(bytes(20 * 2**20), 1)[2:-4]
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
    assert reader._decodable_schema(text_of) == reader._decodable_schema(json.dumps(schema()).encode())
