"""Bare Avro records as Kafka carries them: a zero byte, the number of a schema in four bytes, the record without its schema.

The schemas are looked for below a folder, as the survey publishes them (``11/1/lsst.v11_1.alert.avsc`` and those it refers to), and
then in the package lsst-alert-packet, if it is installed.
"""

import importlib.util
import io
import json
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastavro.schema

from needle_assets.errors import Rejection
from needle_assets.landing.avro.containers import DECODING_ERRORS, MAX_FILE_BYTES, reader_of
from needle_assets.landing.avro.reading import Read
from needle_assets.landing.avro.schema import Wanted
from needle_assets.landing.names import SCHEMAS_FOLDER

MAGIC = b"\0"
PACKAGE = "lsst.alert.packet"

_HEADER_BYTES = 5


def is_message(data: bytes) -> bool:
    """Whether the bytes begin as a message does; an Avro container never does."""
    return data.startswith(MAGIC)


def read_messages(data: bytes, folder: Path | None, wanted: Wanted) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    The number of its schema and the wanted part of each record, of one message or several one after the other.

    Parameters
    ----------
    data : bytes
        At most 8 MiB.
    folder : Path or None
        Where schemas are looked for before the package.
    wanted : Wanted
        What is read of a record.

    Raises
    ------
    Rejection
        If nobody has the schema (``is_passing``: it may be there the next time), or the bytes do not fit it.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Rejection(f"the file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read.", n_bytes=len(data))
    stream = io.BytesIO(data)
    while header := stream.read(_HEADER_BYTES):
        if len(header) < _HEADER_BYTES or not is_message(header):
            raise Rejection(f"a message ends early or is damaged after {stream.tell()} bytes; fetch it again.", n_bytes=len(data))
        (number,) = struct.unpack(">I", header[1:])
        yield number, _record(stream, number, reader_of(schema_text(number, folder), wanted))


def _record(stream: io.BytesIO, number: int, read: Read) -> dict[str, Any]:
    try:
        value: dict[str, Any] = read(stream)
    except DECODING_ERRORS as error:
        why = f"the message does not fit schema {number} ({type(error).__name__}); it is damaged, or of another schema."
        raise Rejection(why, schema=number) from error
    return value


def schema_text(number: int, folder: Path | None) -> bytes:
    """The schema of that number (1101 is version 11.1) as JSON. Raises Rejection if nobody has it."""
    for root in (folder, _packaged()):
        path = root and _path_below(root, number)
        if path:
            return _loaded(path, path.stat().st_mtime_ns)
    major, minor = divmod(number, 100)
    why = Rejection(
        f"the message is written in schema {number} (version {major}.{minor} as Rubin counts them), which is not known here; install "
        f"the newest lsst-alert-packet, or put the schema's .avsc files below {SCHEMAS_FOLDER}/ of the landing folder.",
        schema=number,
    )
    why.is_passing = True
    raise why


def _packaged() -> Path | None:
    """The package's folder of schemas; nothing of the package is imported."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        return None
    return Path(found.origin).parent / "schema" if found and found.origin else None


def _path_below(root: Path, number: int) -> Path | None:
    major, minor = divmod(number, 100)
    names = (f"{major}/{minor}/lsst.v{major}_{minor}.alert.avsc", f"lsst.v{major}_{minor}.alert.avsc", f"{number}.avsc")
    return next((root / name for name in names if (root / name).is_file()), None)


@lru_cache(maxsize=16)
def _loaded(path: Path, _mtime_ns: int) -> bytes:
    try:
        schema: Any = fastavro.schema.load_schema(str(path))
    except Exception as error:
        raise Rejection(f"the Avro schema {path.name} cannot be used ({type(error).__name__}).") from error
    return json.dumps({name: value for name, value in schema.items() if not name.startswith("__")}).encode()
