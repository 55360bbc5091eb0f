"""What a stage is. Which there are stands in the modules beside."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Picture:
    """A figure of one object: ``draw`` is ``module:function``, given the frames of ``reads`` (table to columns)."""

    draw: str
    reads: Mapping[str, tuple[str, ...]]

    def function(self) -> Callable[..., Any]:
        """What draws it."""
        return _resolved(self.draw)


@dataclass(frozen=True)
class Stage:
    """
    One product.

    Parameters
    ----------
    table : str
        ``schema.name``; the asset key is ``schema/name``.
    compute : str
        ``module:function`` that makes the rows (see ``assets``).
    reads : mapping of table to columns
        Parents, and the columns of each that are read.
    settings : tuple of str
        Sections of the settings whose values matter to this stage.
    code_version : str
        Raised by hand when the result of the code changes.
    group : str
        Group in the asset graph.
    is_per_object : bool
        True: partitioned by object. False: one computation over all rows.
    is_bulk : bool
        True: the function receives all objects of a chunk at once; False: one object at a time.
    keeps_previous : bool
        True: the function also receives the rows it wrote before, under its own table's name; they do not enter the fingerprint.
    chunk_objects, chunk_rows : int
        Most objects, and most rows read of one table, that are computed and stored together: few where rows hold pixels.
    surveys : tuple of str
        Whose packets it opens; none: those of every survey.
    kinds : tuple of str
        Kinds shown in the asset graph.
    has_objects_below : bool
        For a product that is not per object: True if stages below read it object by object.
    picture : Picture, optional
        What the UI shows beside an object.
    counts : mapping of name to condition
        How many of the rows are what; conditions in SQL. Told with every event, of the object and of all objects.
    wanted_with : str
        A landed file, as a parent in the schema landing, without which there is nothing to do: where none has landed, the stage is computed
        once and then never stale.
    is_on_demand : bool
        True: judges the sample as a whole, so that any change makes it stale. Computed by a training, or when asked for by name;
        never by a refresh of everything.
    """

    table: str
    compute: str
    reads: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...] = ()
    code_version: str = "1"
    group: str = "landing"
    is_per_object: bool = True
    is_bulk: bool = False
    keeps_previous: bool = False
    chunk_objects: int = 512
    chunk_rows: int = 50_000
    surveys: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("duckdb",)
    has_objects_below: bool = False
    picture: Picture | None = None
    counts: Mapping[str, str] = field(default_factory=dict)
    wanted_with: str = ""
    is_on_demand: bool = False

    def __post_init__(self) -> None:
        for parent, columns in self.reads.items():
            if isinstance(columns, str):
                raise TypeError(f"{self.table} reads {parent} as the text {columns!r}; a tuple of column names is needed.")

    def function(self) -> Callable[..., Any]:
        """What makes the rows; it is imported when it is first asked for."""
        return _resolved(self.compute)


def _resolved(name: str) -> Callable[..., Any]:
    """The function that ``module:function`` names: the one place where such a text becomes one."""
    module, _, function = name.partition(":")
    resolved: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return resolved
