"""The verdicts of a landing folder as pages show them: read again when a file has grown, also before a refresh has landed them."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from needle_assets.errors import Rejection
from needle_assets.landing import verdicts as files

Verdict = Mapping[str, str]


class Book:
    """
    What people said, by object and by stamp.

    Parameters
    ----------
    find : function
        The landing folder as it is now; None while there is none, and then nothing was said, and nothing can be.
    """

    def __init__(self, find: Callable[[], Path | None]) -> None:
        self.find = find
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[tuple[int, int], list[dict[str, str]]]] = {}

    def of_objects(self) -> dict[str, list[Verdict]]:
        """Verdicts by object, the newest first; of each person the newest class only, but every follow-up and comment."""
        found: dict[str, list[Verdict]] = {}
        for row in reversed(self._rows(files.OBJECT_FILE)):
            said = found.setdefault(row["object_id"], [])
            if not any(_replaces(newer, row) for newer in said):
                said.append(row)
        return found

    def of_stamps(self) -> dict[tuple[str, str, str], Verdict]:
        """The newest verdict by object, packet and image."""
        return {(row["object_id"], row.get("candid", ""), row.get("image", "")): row for row in self._rows(files.STAMP_FILE)}

    def judged(self, verdict: str) -> tuple[str, ...]:
        """Objects of which somebody's verdict is this one; any at all for ``any``."""
        return tuple(
            object_id
            for object_id, said in self.of_objects().items()
            if any(row["verdict"] == verdict or (verdict == "any" and row["verdict"] != "comment") for row in said)
        )

    def add(self, name: str, given: Mapping[str, object]) -> dict[str, str]:
        """Append one verdict. Raises Rejection where it cannot be taken, OSError where it cannot be written."""
        folder = self.find()
        if folder is None or not folder.is_dir():
            raise Rejection("there is no landing folder to keep verdicts in; run `needle refresh --landing FOLDER` once.")
        return files.append(folder, name, given)

    def _rows(self, name: str) -> list[dict[str, str]]:
        folder = self.find()
        if folder is None:
            return []
        try:
            stat = (folder / name).stat()
        except OSError:
            return []
        with self._lock:
            seen = self._seen.get(name)
            if seen is None or seen[0] != (stat.st_size, stat.st_mtime_ns):
                seen = self._seen[name] = ((stat.st_size, stat.st_mtime_ns), files.read(folder, name))
            return seen[1]


def _replaces(newer: Verdict, older: Verdict) -> bool:
    same_person = newer.get("judged_by") == older.get("judged_by")
    both_class = newer["verdict"] in files.CLASSES and older["verdict"] in files.CLASSES
    return same_person and (both_class or (newer["verdict"] == older["verdict"] == "follow_up"))
