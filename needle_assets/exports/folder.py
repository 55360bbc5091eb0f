"""Folders that leave: written whole or not at all, every file with its checksum."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from needle_assets.errors import NeedleError

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"


class ExportError(NeedleError):
    """Something cannot be exported or imported; the message says why and what to do."""


@contextmanager
def written(target: Path, kind: str) -> Iterator[Path]:
    """
    A folder to write to, which takes the place of ``target`` when all is done; an earlier export of the same kind is replaced.

    Raises
    ------
    ExportError
        If ``target`` is a file, or holds something that is no export of this kind.
    """
    _require_free(target, kind)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        _write_sums(partial)
        if target.exists():
            shutil.rmtree(target)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_free(target: Path, kind: str) -> None:
    if target.is_file():
        raise ExportError(f"{target} is a file; name a folder that does not exist yet, or one of an earlier export.")
    if target.is_dir() and any(target.iterdir()) and kind_of(target) != kind:
        raise ExportError(f"{target} holds something that is no exported {kind}; name a folder that does not exist yet.")


def kind_of(folder: Path) -> str | None:
    """What was exported to a folder, such as "training set"; None if it is no export."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Plain values as JSON that people can read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_sums(folder: Path) -> None:
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    (folder / SUMS).write_text("".join(f"{sha256_of(folder / path)}  {path}\n" for path in paths), encoding="utf-8")


def require_whole(folder: Path, kind: str) -> dict[str, Any]:
    """
    The manifest of an exported folder, every file of which has the checksum that stands in ``SHA256SUMS``.

    Raises
    ------
    ExportError
        If it is no export of this kind, or a file is missing or changed.
    """
    found = kind_of(folder)
    if found != kind:
        what = f"an exported {found}" if found else "no export"
        raise ExportError(
            f"{folder} is {what}; give the folder of an exported {kind} (`needle export {kind.replace(' ', '-')} DIR`)."
        )
    wrong = [path for digest, path in _sums(folder) if not _has_sum(folder / path, digest)]
    if wrong:
        raise ExportError(
            f"{folder}: {', '.join(wrong[:5])} is missing or was changed since it was exported; get the folder again."
        )
    return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))


def _sums(folder: Path) -> list[tuple[str, str]]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ExportError(f"{folder / SUMS} cannot be read ({error.strerror}); get the folder again.") from error
    return [(digest, path) for digest, _, path in (line.partition("  ") for line in lines)]


def _has_sum(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
