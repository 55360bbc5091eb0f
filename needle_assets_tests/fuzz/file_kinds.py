"""Bad archives and tables by kind: each function makes one case, as the bytes of a file, from a random generator."""

import io
import tarfile
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from needle_assets_tests.fuzz.bytes_damage import cut_off, flipped, spliced
from needle_assets_tests.fuzz.packet_kinds import NASTY_TEXTS, pick
from needle_assets_tests.landing.test_archives import special, tar
from needle_assets_tests.landing.test_catalogues import HEADER, ROW
from needle_assets_tests.packets import packet

NASTY_VALUES = (
    *("", "-", "nan", "inf", "-inf", "1e999", "-1e999", "1e-999", "0x10", "1_000", "१२", ">", ">>1", "> -5", "--5", "1,2", "1;2"),
    *("99999999999999999999", "-0", "true", "NULL", "=1+1", "@SUM(A1)", "\t", " ", '"', '""', '"a', "\0", "\x1b[31m", "25:61:61"),
    *("12:34", "::", "+", "é", "\ufeff", "\u2028", "10:00:00.0000000000000000000001", *NASTY_TEXTS),
)
PATHS = (
    *("../../x.avro", "/etc/x.avro", "a/../../../x.avro", "..", ".", "", "a//b.avro", "..\\..\\x.avro", "C:\\x.avro", "~/x.avro"),
    *(
        "a\nb.avro",
        "x\x1b[2J.avro",
        "n" * 5000 + ".avro",
        "\u202e.avro",
        "<b>.avro",
        "x'; drop table t;--.avro",
        "x.avro/",
        "/x.avro",
    ),
)
KINDS = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)


def _night(rng: np.random.Generator, real: list[bytes], *, compressed: bool) -> bytes:
    members = [(f"{k}.avro", pick(rng, real)) for k in range(int(rng.integers(1, 5)))]
    return tar(*members, compressed=compressed)


def archive_paths(rng: np.random.Generator, real: list[bytes]) -> bytes:
    names = [str(pick(rng, PATHS)) for _ in range(int(rng.integers(1, 5)))]
    links = [special(str(pick(rng, PATHS)) or "x", pick(rng, KINDS), str(pick(rng, PATHS)) or "y")]
    form = int(pick(rng, (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
    return tar(*((name, b"not a packet") for name in names), *links, compressed=bool(rng.random() < 0.5), tar_format=form)


def archive_truncated(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return cut_off(rng, _night(rng, real, compressed=bool(rng.random() < 0.5)))


def archive_damaged(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return bytes(pick(rng, (flipped, spliced))(rng, _night(rng, real, compressed=bool(rng.random() < 0.5))))


def archive_headers(rng: np.random.Generator, real: list[bytes]) -> bytes:
    """A plain archive whose first header has other bytes, with a right checksum."""
    data = bytearray(_night(rng, [packet()], compressed=False))
    for place in rng.integers(0, 512, int(rng.integers(1, 12))):
        data[place] = int(rng.integers(256))
    if rng.random() < 0.3:
        data[124:136] = bytes([int(pick(rng, (0x80, 0xFF)))]) + rng.bytes(11)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


def archive_bomb(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return _bomb(int(pick(rng, (1, 2))), int(pick(rng, (9, 20, 80))))


@lru_cache
def _bomb(n_members: int, n_mib: int) -> bytes:
    return tar(*((f"{k}.avro", bytes(n_mib * 2**20)) for k in range(n_members)))


def table_of_noise(rng: np.random.Generator, real: list[bytes]) -> bytes:
    start = pick(rng, (b"", HEADER.encode() + b"\n", b"object_id,mjd,band,mag,mag_err\n", b"\xff\xfe", b"\xef\xbb\xbf", b"PAR1"))
    return bytes(start + rng.bytes(int(rng.integers(0, 3000))))


def catalogue_values(rng: np.random.Generator, real: list[bytes]) -> bytes:
    lines = [HEADER]
    for _ in range(int(rng.integers(1, 8))):
        values = ROW.split(",")
        for place in rng.integers(0, len(values), int(rng.integers(1, 6))):
            values[place] = str(pick(rng, NASTY_VALUES))
        lines.append(",".join(values[: int(rng.integers(1, 17))] if rng.random() < 0.2 else values))
    text = str(pick(rng, ("\n", "\r\n", "\r"))).join(lines)
    return text.encode(str(pick(rng, ("utf-8", "utf-8-sig", "utf-16"))), "replace")


def catalogue_damaged(rng: np.random.Generator, real: list[bytes]) -> bytes:
    return bytes(pick(rng, (flipped, spliced, cut_off))(rng, "\n".join([HEADER, *[ROW] * 20]).encode()))


def photometry_values(rng: np.random.Generator, real: list[bytes]) -> bytes:
    lines = ["object_id,mjd,band,mag,mag_err,source,mw_corrected"]
    for _ in range(int(rng.integers(1, 10))):
        values = ["ZTF18abcdefg", "58000.5", "g", "18.5", "0.1", "somebody", "false"]
        for place in rng.integers(0, len(values), int(rng.integers(1, 4))):
            values[place] = str(pick(rng, NASTY_VALUES))
        lines.append(",".join(values))
    return "\n".join(lines).encode("utf-8", "replace")


def hosts_values(rng: np.random.Generator, real: list[bytes]) -> bytes:
    lines = ["object_id,host_ra,host_dec,separation_arcsec,gAp,rAp,iAp,zAp,yAp,mw_corrected,source"]
    for _ in range(int(rng.integers(1, 10))):
        values = ["ZTF18abcdefg", "150.5", "2.5", "1.0", "20", "19", "", "", "-999", "false", "somebody"]
        for place in rng.integers(0, len(values), int(rng.integers(1, 4))):
            values[place] = str(pick(rng, NASTY_VALUES))
        lines.append(",".join(values))
    return "\n".join(lines).encode("utf-8", "replace")


def _light_curve(rng: np.random.Generator) -> pl.DataFrame:
    n = int(rng.integers(1, 40))
    return pl.DataFrame(
        {
            "object_id": ["ZTF18abcdefg"] * n,
            "mjd": 58000 + rng.uniform(0, 100, n),
            "band": rng.choice(["g", "r", "i"], n),
            "mag": rng.uniform(15, 20, n).astype(np.float32),
            "mag_err": rng.uniform(0.01, 0.3, n),
            "source": ["somebody"] * n,
        }
    )


def parquet_damaged(rng: np.random.Generator, real: list[bytes]) -> bytes:
    out = io.BytesIO()
    _light_curve(rng).write_parquet(out, compression=str(pick(rng, ("uncompressed", "snappy", "zstd"))))
    return bytes(pick(rng, (flipped, spliced, cut_off))(rng, out.getvalue()))


def parquet_types(rng: np.random.Generator, real: list[bytes]) -> bytes:
    """A sound Parquet file whose columns have other types, no values, or absurd ones."""
    n = 4
    columns = {
        "ints": pa.array(rng.integers(-(2**62), 2**62, n)),
        "texts": pa.array([str(pick(rng, NASTY_VALUES)) for _ in range(n)]),
        "bytes": pa.array([rng.bytes(5) for _ in range(n)], pa.binary()),
        "lists": pa.array([[1.0], [], None, [2.0]]),
        "records": pa.array([{"x": 1}] * n),
        "times": pa.array([0, 1, 2, None], pa.timestamp("us")),
        "flags": pa.array([True, False, None, True]),
        "nothing": pa.nulls(n),
        "not finite": pa.array([np.nan, np.inf, -np.inf, None]),
        "decimals": pa.array([1, 2, 3, None]).cast(pa.decimal128(38, 2)),
        "categories": pa.array(["g", "r", "x", None]).dictionary_encode(),
        "halves": pa.array(np.ones(n, dtype=np.float16)),
    }
    names = ("object_id", "mjd", "band", "mag", "mag_err", "source", "mw_corrected")
    good = _light_curve(rng)[:1].select("object_id", "mjd", "band", "mag", "mag_err", "source").to_arrow()
    table = {name: pa.concat_arrays([good.column(name).combine_chunks()] * n) for name in good.column_names}
    for name in {str(pick(rng, names)) for _ in range(int(rng.integers(1, 3)))}:
        table[name] = columns[str(pick(rng, list(columns)))]
    out = io.BytesIO()
    pq.write_table(pa.table(table), out)
    return out.getvalue()
