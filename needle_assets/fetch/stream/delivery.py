"""What becomes of one message of a stream: a file of the landing folder that survives a power cut. Knows no broker."""

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.fetch.folder import LandingFolder
from needle_assets.landing.names import ALERTS_FOLDER, SCHEMAS_FOLDER
from needle_assets.landing.packets import read_packet

ASIDE_FOLDER = "aside"
MAX_TOPIC_IN_NAME = 150


@dataclass(frozen=True)
class Message:
    """One message: where it stood in the stream, and what it carries."""

    topic: str
    partition: int
    offset: int
    value: bytes
    key: bytes = b""
    headers: Sequence[tuple[str, bytes]] = ()

    def __str__(self) -> str:
        return f"message {self.offset} of {self.topic} [{self.partition}]"


@dataclass
class Delivery:
    """
    Puts messages into a landing folder; ``sync`` makes what was put there since the last time safe.

    A packet lies under its object and number. What cannot be read as one packet lies in ``aside/``, where a refresh reads it again and
    says what is wrong with it, and what the stream said of it lies among the answers.
    """

    folder: LandingFolder
    _touched: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        with contextlib.suppress(PermissionError):  # who may write a folder may not be allowed to look above it
            _sync_folder(self._root.resolve().parent)

    def put(self, message: Message) -> tuple[bool, Rejection | None]:
        """Whether the message was new, and why it is no packet, if it is none. Raises OSError if it cannot be written."""
        try:
            packet = read_packet(message.value, self.folder.path / SCHEMAS_FOLDER)
        except Rejection as why:
            return self._put_aside(message, why), why
        return self._put(self._alerts / packet.object_id / f"{packet.candid}.avro", message.value), None

    def sync(self) -> None:
        """Return when every folder that got a file is on the disk, and every folder above it. Raises OSError."""
        folders = {above for folder in self._touched for above in (folder, *folder.parents) if above.is_relative_to(self._root)}
        for folder in sorted(folders, key=lambda path: -len(path.parts)):
            _sync_folder(folder)
        self._touched.clear()

    @property
    def _root(self) -> Path:
        return self.folder.path

    @property
    def _alerts(self) -> Path:
        return self._root / ALERTS_FOLDER / self.folder.source

    def _put(self, path: Path, content: bytes) -> bool:
        """Other contents under the same name (a packet sent anew) get a name of their own; the same contents lie once."""
        if path.exists() and path.read_bytes() != content:
            path = path.with_name(f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}")
        self._touched.add(path.parent)
        return self.folder.write(path, content)

    def _put_aside(self, message: Message, why: Rejection) -> bool:
        name = f"{message.partition}-{message.offset}-{message.topic[:MAX_TOPIC_IN_NAME]}"
        self._put(self.folder.answers / ASIDE_FOLDER / f"{name}.json", _described(message, why))
        return self._put(self._alerts / ASIDE_FOLDER / f"{name}.avro", message.value)


def _described(message: Message, why: Rejection) -> bytes:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    told = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "reason": why.reason,
        "key_base64": text(message.key),
        "headers_base64": [[name, text(data)] for name, data in message.headers],
    }
    return json.dumps(told, indent=1).encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
