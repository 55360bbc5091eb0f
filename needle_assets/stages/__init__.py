"""The whole pipeline: every product, what it reads, which settings it uses. Data only, no computing.

A stage is a table, an asset and a function of the same name. It may read only the columns it names here: the warehouse selects
exactly those, and only their content enters the fingerprint that decides whether the stage is stale for an object.

The function of a stage is a text, because importing it would import torch and matplotlib. ``python -m needle_assets.stages`` prints
the file and line of each, which terminals and editors open with a click; :meth:`Stage.function` is where the text becomes a function.
"""

from collections.abc import Mapping
from functools import cache

from needle_assets.errors import NeedleError
from needle_assets.stages import landed, objects, sample
from needle_assets.stages.stage import Picture, Stage

__all__ = [
    "IMPORTED",
    "IMPORTED_STAGES",
    "REFRESHED",
    "SCORING",
    "STAGES",
    "TRAINED_FROM",
    "Picture",
    "Stage",
    "UnknownProductError",
    "made_from",
    "stage_named",
]

# In the order in which they are computed: what a stage reads stands before it.
STAGES: tuple[Stage, ...] = (*landed.STAGES, *objects.STAGES, *sample.STAGES)

REFRESHED = tuple(stage for stage in STAGES if not stage.is_on_demand)
# What a training brings up to date: everything computed from models, and the judgements of the whole sample.
SCORING = tuple(
    stage
    for stage in STAGES
    if stage.is_on_demand or stage.table in ("results.predictions", "results.metrics", "results.candidates")
)

_BY_TABLE = {stage.table: stage for stage in STAGES}


class UnknownProductError(NeedleError):
    """A name that no product has; the message says which there are."""


def stage_named(name: str) -> Stage:
    """The stage of a table (``core.masks``) or asset key (``core/masks``). Raises UnknownProductError with the names that exist."""
    table = name.replace("/", ".")
    if table not in _BY_TABLE:
        raise UnknownProductError(f"{name!r} is no product; choose among {', '.join(_BY_TABLE)}.")
    return _BY_TABLE[table]


# What trainings read and write: products like any other, apart from who makes them.
TRAINED_FROM: Mapping[str, tuple[str, ...]] = {
    "results.quality_models": ("core.stamps", "core.stamp_quality"),
    "results.fold_models": (
        *("core.splits", "core.features", "core.early_features", "core.masked_stamps", "core.synthetic_samples"),
    ),
    "results.other_models": (
        *("raw.objects", "raw.verdicts", "core.identities", "core.detections", "core.hosts", "core.epochs", "core.features"),
        "core.splits",
    ),
}


# What `needle import` brings into a home that has no packets, and what can be computed there.
IMPORTED = (
    *("raw.objects", "core.splits", "core.light_curves", "core.epochs", "core.features", "core.early_features"),
    *("core.masked_stamps", "core.synthetic_samples"),
)


def _computable() -> tuple[Stage, ...]:
    there, found = {*IMPORTED, *TRAINED_FROM}, []
    for stage in SCORING:
        if there.issuperset(stage.reads):
            there.add(stage.table)
            found.append(stage)
    return tuple(found)


IMPORTED_STAGES = _computable()


@cache
def made_from(table: str) -> frozenset[str]:
    """Every product that rows of ``table`` are made from, however far back, models included."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        name = waiting.pop()
        reads = tuple(_BY_TABLE[name].reads) if name in _BY_TABLE else TRAINED_FROM.get(name, ())
        waiting += [parent for parent in reads if parent not in found]
        found.update(reads)
    return frozenset(found)
