"""Where the tables of a home lie, if not in its file: catalogue and data of a lake."""

import json
from dataclasses import dataclass
from pathlib import Path

from needle_assets.home import LAKE, PUBLISHED, WORKING

FILLED = "lake-filled"


@dataclass(frozen=True)
class Lake:
    """
    Where a lake lies.

    ``catalogue`` is what DuckLake attaches, such as ``postgres:dbname=needle host=db`` or ``sqlite:/home/.state/catalogue.sqlite``;
    ``data`` the folder or address of the Parquet files, with a slash at the end; ``spill`` where a query puts what memory does not hold.
    """

    catalogue: str
    data: str
    spill: Path

    @property
    def kind(self) -> str:
        """What keeps the catalogue: postgres or sqlite."""
        return self.catalogue.partition(":")[0]

    @property
    def connects_to(self) -> str:
        """How the catalogue is reached, without what keeps it."""
        return self.catalogue.partition(":")[2]

    def __str__(self) -> str:
        return f"the lake {self.catalogue} with its data in {self.data}"


def mark_filled(working: Path) -> None:
    """Remember that something was published: an empty lake is not a new one from then on."""
    (working.parent / FILLED).touch()


def is_marked_filled(working: Path) -> bool:
    """Whether :func:`mark_filled` was ever said."""
    return (working.parent / FILLED).exists()


def lake_of(path: Path) -> Lake | None:
    """The lake that a home's working or published file stands for; None where it is a file, as any other path is."""
    if path.name == WORKING:
        state = path.parent
    elif path.name == PUBLISHED:
        state = path.parent / ".state"
    else:
        return None
    try:
        told = json.loads((state / LAKE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Lake(told["catalogue"], told["data"], state / "spilled")
