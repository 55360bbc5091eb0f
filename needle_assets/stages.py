"""The whole pipeline on one page: every product, what it reads, which settings it uses. Data only, no computing.

A stage is a table, an asset and a function of the same name. It may read only the columns it names here: the warehouse selects
exactly those, and only their content enters the fingerprint that decides whether the stage is stale for an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    kinds : tuple of str
        Kinds shown in the asset graph.
    """

    table: str
    compute: str
    reads: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...] = ()
    code_version: str = "1"
    group: str = "landing"
    is_per_object: bool = True
    is_bulk: bool = False
    kinds: tuple[str, ...] = field(default=("duckdb",))


STAGES: tuple[Stage, ...] = (
    Stage(
        table="core.light_curves",
        compute="needle_assets.assets.light_curves:light_curves",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "raw.objects": ("a_v_mag",),
        },
        settings=("light_curves",),
        group="light_curves",
    ),
    Stage(
        table="core.epochs",
        compute="needle_assets.assets.light_curves:epochs",
        reads={"core.light_curves": ("band", "mjd", "last_mjd", "mag", "mag_err"), "raw.objects": ("label",)},
        settings=("epochs",),
        group="light_curves",
    ),
)
