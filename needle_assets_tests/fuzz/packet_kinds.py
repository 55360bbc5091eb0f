"""Bad alert packets by kind: each function makes one case, as the bytes of an Avro file, from a random generator."""

import copy
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import fastavro
import numpy as np

from needle_assets_tests.fuzz.bytes_damage import cut_off, flipped, spliced
from needle_assets_tests.landing.test_avro import ADDED, container, fields, number
from needle_assets_tests.packets import avro, cutout, fits, packet, record, schema

Make = Callable[[np.random.Generator, list[bytes]], bytes]

REQUIRED = ("jd", "fid", "ra", "dec", "magpsf", "sigmapsf", "isdiffpos")
NASTY_TEXTS = (
    "'; drop table raw.alerts; --",
    '" or 1=1 --',
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "../../../etc/passwd",
    "ZTF18abcdefg\n; select 1",
    "ZTF18abcdefg\0",
    "{{7*7}}",
    "%s%s%n",
    "\u202eZTF18abcdefg",
    "ＺＴＦ18abcdefg",
    "x" * 100_000,
)


def pick(rng: np.random.Generator, choices: Any) -> Any:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


def _version(rng: np.random.Generator) -> str:
    return str(pick(rng, ("3.3", "4.02")))


def not_avro(rng: np.random.Generator, real: list[bytes]) -> bytes:
    start = pick(rng, (b"", b"Obj", b"Obj\x01", b"Obj\x02", b"\x1f\x8b", b"PAR1", b"SIMPLE  =", b"<html>"))
    return bytes(start + rng.bytes(int(rng.integers(0, 3000))))


def empty(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return bytes(int(rng.integers(0, 3)) * int(rng.integers(0, 2000)))


def truncated(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return cut_off(rng, pick(rng, real))


def flipped_bytes(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return flipped(rng, pick(rng, real))


def spliced_bytes(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return spliced(rng, pick(rng, real))


def missing_fields(rng: np.random.Generator, real: list[bytes]) -> bytes:
    version = _version(rng)
    made, plan = record(version), schema(version)
    place = pick(rng, ("top", "candidate"))
    holder = plan["fields"] if place == "top" else plan["fields"][4]["type"]["fields"]
    name = pick(rng, ("objectId", "candid", "candidate", "cutoutScience") if place == "top" else REQUIRED)
    holder[:] = [field for field in holder if field["name"] != name]
    if name == "cutoutScience":  # the type was defined there
        plan["fields"] = [field for field in plan["fields"] if not field["name"].startswith("cutout")]
    return avro(made, schema=plan)


def wrong_types(rng: np.random.Generator, real: list[bytes]) -> bytes:
    kinds = {"string": "text", "bytes": b"\xff\0", "boolean": True, "long": 2**62, "double": 1.5}
    kinds_nested: dict[Any, Any] = {"array": [1, 2], "record": {"x": 1}}
    plan, made = schema("3.3"), copy.deepcopy(record("3.3"))
    names = [field["name"] for field in plan["fields"][4]["type"]["fields"]]
    for name in {pick(rng, names) for _ in range(int(rng.integers(1, 4)))}:
        field = next(f for f in plan["fields"][4]["type"]["fields"] if f["name"] == name)
        kind = pick(rng, [*kinds, *kinds_nested])
        nested = {"type": "array", "items": "int"} if kind == "array" else fields("int") | {"name": f"r_{name}"}
        field["type"] = kind if kind in kinds else nested
        made["candidate"][name] = kinds.get(kind, kinds_nested.get(kind))
        if kind == "record":
            made["candidate"][name] = {"f0": 1}
    return avro(made, schema=plan)


def not_finite(rng: np.random.Generator, real: list[bytes]) -> bytes:
    names = [name for name, value in record()["candidate"].items() if isinstance(value, float)]
    chosen = {str(pick(rng, names)): pick(rng, (math.nan, math.inf, -math.inf)) for _ in range(int(rng.integers(1, 6)))}
    return packet(_version(rng), **chosen)


def absurd_numbers(rng: np.random.Generator, real: list[bytes]) -> bytes:
    floats = (1e38, -1e38, 1e-45, 0.0, -999.0, -1.0, 3e38)
    wholes = (2**31 - 1, -(2**31), 0, -1, 99)
    made = record()["candidate"]
    chosen: dict[str, Any] = {}
    for name in {pick(rng, list(made)) for _ in range(int(rng.integers(1, 5)))}:
        if isinstance(made[name], float) or made[name] is None:
            chosen[name] = pick(rng, floats)
        elif isinstance(made[name], int) and name != "candid":
            chosen[name] = pick(rng, wholes)
    return packet(_version(rng), **_only_numbers(chosen))


def _only_numbers(chosen: dict[str, Any]) -> dict[str, Any]:
    whole = ("fid", "pid", "programid", "nid", "rcid", "field", "ndethist", "objectidps1")
    kept = {name: int(value) if name in whole and abs(value) < 2**31 else value for name, value in chosen.items()}
    return {
        name: value for name, value in kept.items() if name != "ssnamenr" and not (name in whole and isinstance(value, float))
    }


def absurd_sizes(rng: np.random.Generator, real: list[bytes]) -> bytes:
    made = copy.deepcopy(record())
    size = int(10 ** rng.uniform(4, 6.8))
    what = pick(rng, ("publisher", "cutout", "previous", "trailing", "name"))
    if what == "cutout":
        made["cutoutScience"] = {"fileName": "x", "stampData": bytes(size)}
    elif what == "previous":
        made["prv_candidates"] = made["prv_candidates"][:1] * (size // 500)
    elif what == "name":
        made["cutoutScience"] = {"fileName": "x" * size, "stampData": b"x"}
    else:
        made["publisher"] = "x" * size
    return avro(made) + (bytes(size) if what == "trailing" else b"")


def injected_ids(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return packet(_version(rng), object_id=str(pick(rng, NASTY_TEXTS)))


def injected_texts(rng: np.random.Generator, real: list[bytes]) -> bytes:
    made = copy.deepcopy(record())
    made[str(pick(rng, ("publisher", "schemavsn")))] = pick(rng, NASTY_TEXTS)
    made["candidate"][str(pick(rng, ("ssnamenr", "isdiffpos")))] = pick(rng, NASTY_TEXTS)
    return avro(made)


def bad_schema_json(rng: np.random.Generator, real: list[bytes]) -> bytes:
    text = json.dumps(schema(_version(rng))).encode()
    damaged = pick(rng, (cut_off, flipped, spliced))(rng, text)
    return container(damaged, rng.bytes(500))


def hostile_schema(rng: np.random.Generator, real: list[bytes]) -> bytes:
    depth = int(10 ** rng.uniform(1.5, 4))
    node = {"type": "record", "name": "n", "fields": [{"name": "next", "type": ["null", "n"]}]}
    kinds = (
        json.dumps(node),
        json.dumps(fields({"type": "array", "items": node})),
        '{"type":"array","items":' * depth + '"int"' + "}" * depth,
        "[" * depth + "]" * depth,
        json.dumps(fields({"type": "array", "items": "null"})),
        json.dumps(fields({"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}})),
        json.dumps(fields({"type": "array", "items": fields("boolean") | {"name": "b"}})),
        json.dumps(fields(*[fields("int") | {"name": "same"}] * 3)),
        json.dumps(_growing(int(rng.integers(12, 40)))),
        json.dumps(fields(*["int"] * depth)) if depth > 4000 else json.dumps(fields("nowhere")),
    )
    block = number(2 ** int(rng.integers(1, 62))) + b"\x02" * int(10 ** rng.uniform(1, 5))
    return container(str(pick(rng, kinds)).encode(), block, count=int(10 ** rng.uniform(0, 4)))


def _growing(n_levels: int) -> dict[str, Any]:
    types: list[Any] = [fields("int") | {"name": "l0"}]
    types += [fields(f"l{k}", f"l{k}") | {"name": f"l{k + 1}"} for k in range(n_levels)]
    return fields(*types)


def deflate_bomb(rng: np.random.Generator, real: list[bytes]) -> bytes:
    bomb = _deflated_zeros(int(pick(rng, (9, 12, 25))))
    junk = rng.bytes(int(rng.integers(0, 20)))
    return container(json.dumps(schema()).encode(), bomb + junk, codec=b"deflate")


@lru_cache
def _deflated_zeros(n_mib: int) -> bytes:
    squeeze = zlib.compressobj(1, wbits=-15)
    return squeeze.compress(bytes(n_mib * 2**20)) + squeeze.flush()


def added_by_a_broker(rng: np.random.Generator, real: list[bytes]) -> bytes:
    """A packet with fields of other surveys in it, of which some lie about their length."""
    plan, made = schema(), copy.deepcopy(record())
    for n in range(int(rng.integers(1, 4))):
        kind, values = pick(rng, list(ADDED.values()))
        renamed = json.loads(json.dumps(kind).replace('"r"', f'"r{n}"').replace('"e"', f'"e{n}"').replace('"f"', f'"f{n}"'))
        plan["fields"].insert(int(rng.integers(len(plan["fields"]) + 1)), {"name": f"added{n}", "type": renamed})
        made[f"added{n}"] = pick(rng, values)
    data = avro(made, schema=plan)
    return flipped(rng, data) if rng.random() < 0.3 else data


def lying_counts(rng: np.random.Generator, real: list[bytes]) -> bytes:
    count = int(pick(rng, (-(2**62), -1, 2, 1000, 2**40, 2**62)))
    text, block = json.dumps(schema()).encode(), _encoded(record())
    return pick(rng, (container(text, block, count), container(text, block * 3, count), container(text, b"", count)))


def _encoded(made: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema()), made)
    return out.getvalue()


def flipped_values(rng: np.random.Generator, real: list[bytes]) -> bytes:
    """A sound file around a record of which a few bytes are others."""
    block = bytearray(_encoded(record()))
    for place in rng.integers(0, len(block) if rng.random() < 0.5 else 400, int(rng.integers(1, 6))):
        block[place] = int(rng.integers(256))
    return container(json.dumps(schema()).encode(), bytes(block))


def duplicate_candid(rng: np.random.Generator, real: list[bytes]) -> bytes:
    made = [copy.deepcopy(record(magpsf=float(rng.uniform(15, 20)))) for _ in range(int(rng.integers(2, 6)))]
    return avro(made)


def cutout_not_gzip(rng: np.random.Generator, real: list[bytes]) -> bytes:
    good = fits(np.ones((63, 63), dtype="f4"))
    return _with_cutout(
        pick(rng, (good, rng.bytes(500), b"", gzip.compress(good)[: int(rng.integers(1, 60))], zlib.compress(good)))
    )


def cutout_bomb(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return _with_cutout(_gzipped_zeros(int(pick(rng, (5, 8, 40)))) + rng.bytes(int(rng.integers(0, 20))))


@lru_cache
def _gzipped_zeros(n_mib: int) -> bytes:
    return gzip.compress(b"SIMPLE  =" + bytes(n_mib * 2**20), 1)


def bad_fits(rng: np.random.Generator, real: list[bytes]) -> bytes:
    shapes = ((63, 63), (5,), (2, 3, 4), (1, 1), (0, 5), (64, 64), (63, 40))
    image = rng.normal(0, 1e3, pick(rng, shapes)).astype(pick(rng, ("f4", "f8", "i2", "i4", "u1")))
    cards = pick(rng, ((), ("BSCALE = nan",), ("BZERO = 1e400",), ("BLANK = x",), ("NAXIS = 99",), ("BSCALE = 1e300",)))
    content = fits(image, *cards)
    if rng.random() < 0.6:
        content = pick(rng, (flipped, spliced, cut_off, _header_flipped))(rng, content)
    return _with_cutout(gzip.compress(content, 1))


def _header_flipped(rng: np.random.Generator, content: bytes) -> bytes:
    return flipped(rng, content[:480]) + content[480:]


def cutout_of_noise(rng: np.random.Generator, real: list[bytes]) -> bytes:
    image = rng.normal(0, 1, (63, 63)).astype("f4")
    image[rng.random((63, 63)) < rng.random()] = pick(rng, (np.nan, np.inf, -np.inf, 3e38, -999))
    return _with_cutout(cutout(image))


def _with_cutout(data: bytes) -> bytes:
    made = copy.deepcopy(record())
    made["cutoutScience"] = {"fileName": "x", "stampData": data}
    return avro(made)
