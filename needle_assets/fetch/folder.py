"""The landing folder as fetchers write it: whole files or none, answers as they came, what was asked when. No network.

``answers/<source>/...`` keeps a service's answers, ``answers/<source>/state.json`` what was asked and what failed; the reader of
the landing folder lists both as unknown. A file appears under its name only when it is complete; before, it begins with a dot.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from needle_assets.errors import Rejection
from needle_assets.fetch.around import FetchError
from needle_assets.landing.catalogues import read_catalogue
from needle_assets.landing.names import ALERTS_FOLDER, CATALOGUE_NAME
from needle_assets.landing.values import shown
from needle_assets.landing.ztf_packets import checked_ztf_id
from needle_assets.surveys.known import id_examples, is_object_id
from needle_assets.surveys.survey import Survey
from needle_assets.surveys.ztf import ZTF

ANSWERS_FOLDER = "answers"
FOLLOW_NAME = "follow.txt"
# Packets put together from a service's rows and cutouts; the survey's own packet is still wanted beside them.
ASSEMBLING_SOURCES = ("fink", "lasair")


class LandingFolder:
    """
    One landing folder, written by one source.

    Parameters
    ----------
    path : Path
        The folder; made if it is missing.
    source : str
        Who writes: the name of the folder of answers.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self.answers = path / ANSWERS_FOLDER / source
        if path.exists() and not path.is_dir():
            raise FetchError(f"{path} is not a folder; name the landing folder.")
        self.answers.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs of the same source out. Raises FetchError if one is under way."""
        with _locked(self.answers / ".lock", wait=False) as is_ours:
            if not is_ours:
                raise FetchError(f"another fetch of {self.source} is writing {self.path}; wait for it or stop it.")
            yield

    @contextlib.contextmanager
    def merging(self) -> Iterator[None]:
        """Wait until no other source is replacing a table of this folder."""
        with _locked(self.path / ANSWERS_FOLDER / ".merging", wait=True):
            yield

    def write(self, path: Path, content: bytes) -> bool:
        """Put ``content`` at ``path`` in one step; False if it is there already, byte for byte, and nothing was touched."""
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return True

    def answer_path(self, kind: str, object_id: str) -> Path:
        """Where the answer about one object is kept."""
        if not is_object_id(object_id):  # nothing else can reach a path
            raise Rejection(f"the object id is {shown(object_id)}, an id like {id_examples()} is needed.")
        return self.answers / kind / f"{object_id}.json"

    def packet_path(self, object_id: str, candid: int) -> Path:
        """Where this source puts a packet of an object."""
        return self.path / ALERTS_FOLDER / self.source / checked_ztf_id(object_id) / f"{int(candid)}.avro"

    def landed_candids(self) -> set[int]:
        """Packets that lie in the folder under their number; those put together by fetchers count only for such a fetcher."""
        alerts = self.path / ALERTS_FOLDER
        passed_over = () if self.source in ASSEMBLING_SOURCES else ASSEMBLING_SOURCES
        found: set[int] = set()
        for folder, below, names in os.walk(alerts):
            if Path(folder) == alerts:
                below[:] = [name for name in below if name not in passed_over]
            stems = (name.removesuffix(".avro") for name in names if name.endswith(".avro"))
            found.update(int(stem) for stem in stems if stem.isdecimal() and stem.isascii())
        return found

    def catalogue(self) -> list[Mapping[str, Any]]:
        """Rows of the BTS catalogue that lies here; none if there is none. Raises FetchError if it cannot be read."""
        try:
            return read_catalogue(self.path / CATALOGUE_NAME)[0]
        except FileNotFoundError:
            return []
        except Rejection as why:
            raise FetchError(f"{CATALOGUE_NAME} cannot be read ({why.reason}); fetch it again with `needle fetch bts`.") from why

    def followed(self, survey: Survey = ZTF) -> list[str]:
        """Ids of ``follow.txt`` (one a line) and of the objects that a Lasair query found, beside the catalogue's."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.path / FOLLOW_NAME).read_text(encoding="utf-8", errors="replace").split()
            return sorted({line for line in lines if survey.has_id(line)} | set(self._found(survey)))
        return sorted(self._found(survey))

    def _found(self, survey: Survey) -> list[str]:
        found = read_state(self.path / ANSWERS_FOLDER / "lasair").get("found", [])
        return [object_id for object_id in found if survey.has_id(object_id)]

    def state(self) -> dict[str, Any]:
        """What was asked when; empty at first and where the file is damaged, since all of it can be asked again."""
        return read_state(self.answers)

    def write_state(self, state: dict[str, Any]) -> None:
        """Keep what was asked when."""
        self.write(self.answers / "state.json", json.dumps(state, indent=1, sort_keys=True).encode())


def read_state(answers: Path) -> dict[str, Any]:
    """The state that a source keeps among its answers; empty if there is none or it cannot be read."""
    try:
        state = json.loads((answers / "state.json").read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock at ``path``; False if another process has it and we do not wait. It is freed when a process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
