"""The whole pipeline on one page: every product, what it reads, which settings it uses. Data only, no computing.

A stage is a table, an asset and a function of the same name. It may read only the columns it names here: the warehouse selects
exactly those, and only their content enters the fingerprint that decides whether the stage is stale for an object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from needle_assets.errors import NeedleError
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import FEATURE_COLUMNS


class UnknownProductError(NeedleError):
    """A name that no product has; the message says which there are."""


@dataclass(frozen=True)
class Picture:
    """A figure of one object: ``draw`` is ``module:function``, given the frames of ``reads`` (table to columns)."""

    draw: str
    reads: Mapping[str, tuple[str, ...]]


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
    kinds : tuple of str
        Kinds shown in the asset graph.
    has_objects_below : bool
        For a product that is not per object: True if stages below read it object by object.
    picture : Picture, optional
        What the UI shows beside an object.
    counts : mapping of name to condition
        How many of the rows are what; conditions in SQL. Told with every event, of the object and of all objects.
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
    kinds: tuple[str, ...] = ("duckdb",)
    has_objects_below: bool = False
    picture: Picture | None = None
    counts: Mapping[str, str] = field(default_factory=dict)
    is_on_demand: bool = False

    def __post_init__(self) -> None:
        for parent, columns in self.reads.items():
            if isinstance(columns, str):
                raise TypeError(f"{self.table} reads {parent} as the text {columns!r}; a tuple of column names is needed.")


_PS1_SOURCES = tuple(
    f"{name}{k}" for name in ("objectidps", "distpsnr", "sgscore", "sgmag", "srmag", "simag", "szmag") for k in (1, 2, 3)
)

_POSITIONS = ("target_x_px", "target_y_px", "host_x_px", "host_y_px")

_OF_BAND = (
    *("peak_mag", "discovery_mag", "rise_mag", "rise_days", "days_since_discovery", "recent_slope_mag_per_day"),
    *("discovery_slope_mag_per_day", "slope_change_mag_per_day"),
)
_FEATURES = (
    *(f"{name}_{column}" for column in FEATURE_COLUMNS for name in _OF_BAND),
    *("peak_g_minus_r_mag", "peak_g_minus_r_days", "discovery_g_minus_r_mag", "colour_change_mag", "separation_arcsec"),
    *("peak_minus_host_mag_g", "peak_minus_host_mag_r", "peak_minus_host_g_minus_r_mag"),
    *(f"host_{band}_mag" for band in HOST_BANDS),
    *(f"host_{blue}_minus_{red}_mag" for blue, red in pairwise(HOST_BANDS)),
)
_MODEL = (
    *(
        "model_id",
        "ablation",
        "model_kind",
        "fold",
        "folds",
        "classes",
        "weights",
        "scaler",
        "feature_weights",
    ),
)

_CHECKER = ("model_id", "model_kind", "is_chosen", "weights")

STAGES: tuple[Stage, ...] = (
    Stage(
        table="raw.objects",
        compute="needle_assets.assets.landing:objects",
        reads={"landing.catalogue": ("content_hash",)},
        is_per_object=False,
        has_objects_below=True,
        code_version="2",
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="raw.alerts",
        compute="needle_assets.assets.landing:alerts",
        reads={"landing.packets": ("path", "member", "sha256")},
        code_version="3",
        is_bulk=True,
        keeps_previous=True,
        chunk_rows=512,
        kinds=("duckdb", "avro"),
    ),
    Stage(
        table="raw.photometry",
        compute="needle_assets.assets.landing:photometry",
        reads={"landing.photometry": ("content_hash",)},
        is_bulk=True,
        chunk_objects=2048,
        code_version="2",
        kinds=("duckdb", "parquet"),
    ),
    Stage(
        table="raw.hosts",
        compute="needle_assets.assets.landing:hosts",
        reads={"landing.hosts": ("content_hash",)},
        is_bulk=True,
        chunk_objects=4096,
        code_version="2",
        kinds=("duckdb", "csv"),
    ),
    Stage(
        table="core.detections",
        compute="needle_assets.assets.detections:detections",
        reads={
            "raw.alerts": (
                *("candid", "jd", "fid", "magpsf", "sigmapsf", "isdiffpos", "prv_candidates"),
                *("has_science_cutout", "has_reference_cutout"),
            ),
            "raw.photometry": ("mjd", "band", "mag", "mag_err", "mw_corrected", "is_positive", "source"),
        },
        settings=("detections",),
        code_version="2",
        group="detections",
    ),
    Stage(
        table="core.upper_limits",
        compute="needle_assets.assets.detections:upper_limits",
        reads={"raw.alerts": ("prv_candidates",), "core.detections": ("mjd", "band")},
        group="detections",
    ),
    Stage(
        table="core.hosts",
        compute="needle_assets.assets.detections:hosts",
        reads={
            "raw.alerts": ("jd", "ra", "dec", *_PS1_SOURCES),
            "raw.hosts": (
                *("host_ra_deg", "host_dec_deg", "separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag"),
                *("mw_corrected", "source"),
            ),
            "raw.objects": ("a_v_mag", "ra_deg", "dec_deg", "redshift"),
        },
        settings=("hosts",),
        code_version="3",
        group="detections",
    ),
    Stage(
        table="core.stamps",
        compute="needle_assets.assets.stamps:stamps",
        reads={
            "landing.packets": ("sha256",),
            "raw.alerts": ("candid", "jd", "fid", "ra", "dec", "xpos", "ypos", "path", "member"),
            "core.hosts": ("host_ra_deg", "host_dec_deg"),
        },
        code_version="2",
        is_bulk=True,
        keeps_previous=True,
        chunk_rows=256,
        group="images",
        kinds=("duckdb", "fits"),
        picture=Picture(
            "needle_assets.assets.pictures.montage:stamps",
            {
                "core.stamps": (
                    "candid",
                    "band",
                    "mjd",
                    "science",
                    "reference",
                    "target_x_px",
                    "target_y_px",
                    "host_x_px",
                    "host_y_px",
                )
            },
        ),
    ),
    Stage(
        table="core.light_curves",
        compute="needle_assets.assets.light_curves:light_curves",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "raw.objects": ("a_v_mag",),
        },
        settings=("light_curves",),
        group="light_curves",
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:light_curve",
            {"core.light_curves": ("band", "days_since_first", "mag", "mag_err")},
        ),
    ),
    Stage(
        table="core.epochs",
        compute="needle_assets.assets.light_curves:epochs",
        reads={"core.light_curves": ("band", "mjd", "last_mjd", "mag", "mag_err"), "raw.objects": ("label",)},
        settings=("epochs",),
        group="light_curves",
    ),
    Stage(
        table="core.stamp_quality",
        compute="needle_assets.assets.images:stamp_quality",
        reads={"core.stamps": ("candid", "band", "science", "reference"), "results.quality_models": _CHECKER},
        settings=("quality",),
        code_version="4",
        group="images",
        is_bulk=True,
        chunk_rows=256,
        counts={"good": "is_good", "bad": "not is_good"},
        picture=Picture(
            "needle_assets.assets.pictures.images:stamp_quality",
            {"core.stamps": ("candid", "science", "reference"), "core.stamp_quality": ("candid", "image", "is_good", "reasons")},
        ),
    ),
    Stage(
        table="core.restored_stamps",
        compute="needle_assets.assets.images:restored_stamps",
        reads={
            "core.stamps": ("candid", "band", "mjd", "science", "reference", "target_x_px", "target_y_px"),
            "core.stamp_quality": ("candid", "image", "is_good", "reasons"),
            "results.quality_models": _CHECKER,
        },
        settings=("quality", "restoration", "seed"),
        code_version="5",
        group="images",
        is_bulk=True,
        chunk_rows=256,
        counts={"recycled": "is_accepted", "refused_after_repair": "not is_accepted"},
        picture=Picture(
            "needle_assets.assets.pictures.images:restored_stamps",
            {"core.stamps": ("candid", "science", "reference", *_POSITIONS), "core.restored_stamps": ("*",)},
        ),
    ),
    Stage(
        table="core.masks",
        compute="needle_assets.assets.images:masks",
        reads={
            "core.stamps": ("candid", "science", "reference", *_POSITIONS),
            "core.stamp_quality": ("candid", "image", "is_good"),
            "core.restored_stamps": ("candid", "image", "pixels", "is_accepted"),
        },
        settings=("masking",),
        code_version="2",
        group="images",
        chunk_rows=256,
        picture=Picture(
            "needle_assets.assets.pictures.images:masks",
            {"core.stamps": ("candid", "science", "reference", *_POSITIONS), "core.masks": ("candid", "mask", "replaced")},
        ),
    ),
    Stage(
        table="core.masked_stamps",
        compute="needle_assets.assets.images:masked_stamps",
        reads={
            "core.stamps": ("candid", "band", "mjd", "science", "reference", *_POSITIONS),
            "core.stamp_quality": ("candid", "image", "is_good"),
            "core.restored_stamps": ("candid", "image", "pixels", "is_accepted"),
            "core.masks": ("candid", "mask", "replaced", "is_blended", "touches_border"),
            "core.epochs": ("classification_mjd",),
            "core.detections": ("candid", "mag", "is_positive"),
        },
        settings=("masking", "seed"),
        group="images",
        chunk_objects=64,
        picture=Picture("needle_assets.assets.pictures.images:masked_stamps", {"core.masked_stamps": ("*",)}),
    ),
    Stage(
        table="core.gp_fits",
        compute="needle_assets.assets.light_curves:gp_fits",
        reads={"core.light_curves": ("band", "days_since_first", "mag", "mag_err")},
        settings=("gaussian_process", "epochs"),
        group="light_curves",
        is_bulk=True,
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:gp_fit",
            {
                "core.light_curves": ("band", "days_since_first", "mag", "mag_err"),
                "core.gp_fits": ("is_usable", "reasons", "bands", "days_since_first", "mag_g", "mag_r", "mag_err_g", "mag_err_r"),
                "raw.objects": ("redshift",),
            },
        ),
    ),
    Stage(
        table="core.features",
        compute="needle_assets.assets.light_curves:features",
        reads={
            "core.detections": ("mjd", "band", "mag", "mag_err", "is_positive", "is_mw_corrected"),
            "core.epochs": ("classification_mjd",),
            "core.hosts": ("separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag", "is_hosted"),
            "raw.objects": ("a_v_mag", "redshift"),
        },
        settings=("features", "light_curves"),
        group="light_curves",
    ),
    Stage(
        table="core.splits",
        compute="needle_assets.assets.samples:splits",
        reads={
            "raw.objects": ("label", "redshift", "iau_name", "ra_deg", "dec_deg"),
            "core.detections": ("source",),
            "core.hosts": ("is_hosted",),
            "core.epochs": ("first_mjd", "n_rising_g", "n_rising_r"),
            "core.masked_stamps": ("candid",),
        },
        settings=("splits",),
        code_version="3",
        group="samples",
        is_per_object=False,
        keeps_previous=True,
        has_objects_below=True,
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:classes",
            {
                "core.splits": ("label",),
                "core.light_curves": ("band", "days_since_first", "mag", "mag_err"),
                "core.gp_fits": ("n_points", "bands", "days_since_first", "mag_g", "mag_r", "mag_err_g", "mag_err_r"),
            },
        ),
    ),
    Stage(
        table="results.feature_importance",
        compute="needle_assets.assets.light_curves:feature_importance",
        reads={"core.features": _FEATURES, "core.splits": ("label", "is_untouched")},
        settings=("seed",),
        group="results",
        is_per_object=False,
        is_on_demand=True,
        picture=Picture(
            "needle_assets.assets.pictures.light_curves:feature_overview",
            {
                "results.feature_importance": ("feature", "importance", "importance_err", "n_objects"),
                "core.features": _FEATURES,
                "core.splits": ("is_untouched",),
            },
        ),
    ),
    Stage(
        table="core.synthetic_samples",
        compute="needle_assets.assets.samples:synthetic_samples",
        reads={
            "raw.objects": ("redshift",),
            "core.hosts": ("is_hosted", "separation_arcsec", "g_mag", "r_mag", "i_mag", "z_mag", "y_mag"),
            "core.light_curves": ("band", "days_since_first", "mag", "mag_err"),
            "core.gp_fits": ("amplitude", "length_scale_days", "error_scale", "is_usable"),
            "core.masked_stamps": ("mask", *_POSITIONS),
            "core.splits": (
                *("label", "is_hosted", "has_good_pair", "has_redshift", "is_untouched", "validation_of", "n_folds", "identity"),
            ),
        },
        settings=("synthetic", "features", "epochs", "gaussian_process", "seed"),
        group="samples",
        is_per_object=False,
        keeps_previous=True,
    ),
    Stage(
        table="results.realism",
        compute="needle_assets.assets.samples:realism",
        reads={
            "core.features": _FEATURES,
            "core.splits": ("label", "is_hosted", "has_good_pair", "is_untouched", "validation_of", "identity"),
            "core.synthetic_samples": ("model_kind", "fold", "label", "image_parent", *_FEATURES),
        },
        settings=("seed",),
        group="samples",
        is_per_object=False,
        is_on_demand=True,
    ),
    Stage(
        table="results.predictions",
        compute="needle_assets.assets.models:predictions",
        reads={
            "core.features": _FEATURES,
            "core.masked_stamps": ("science", "reference", "science_unmasked", "reference_unmasked", "mask"),
            "core.splits": ("is_hosted", "has_good_pair", "is_untouched", "validation_of", "other_ids"),
            "results.fold_models": (*_MODEL, "trained_ids", "parent_ids"),
        },
        code_version="2",
        group="results",
        is_bulk=True,
        chunk_objects=1024,
    ),
    Stage(
        table="results.metrics",
        compute="needle_assets.assets.models:metrics",
        reads={
            "core.splits": ("label", "main_source"),
            "results.predictions": (
                *("ablation", "model_kind", "fold", "set", "p_sn", "p_slsn", "p_tde", "attention_fraction", "source_fraction"),
            ),
        },
        settings=("metrics", "seed"),
        code_version="3",
        group="results",
        is_per_object=False,
    ),
    Stage(
        table="results.candidates",
        compute="needle_assets.assets.models:candidates",
        reads={
            "raw.objects": ("type",),
            "raw.alerts": ("ra", "dec"),
            "core.hosts": ("is_hosted",),
            "core.epochs": ("first_mjd",),
            "core.features": ("as_of_mjd", "n_det_g", "n_det_r", *_FEATURES),
            "core.masked_stamps": ("candid", "science", "reference", "science_unmasked", "reference_unmasked", "mask"),
            "results.fold_models": _MODEL,
        },
        settings=("training",),
        code_version="2",
        group="results",
        is_bulk=True,
        keeps_previous=True,
        chunk_objects=1024,
    ),
)

REFRESHED = tuple(stage for stage in STAGES if not stage.is_on_demand)
# What a training brings up to date: everything computed from models, and the judgements of the whole sample.
SCORING = tuple(
    stage
    for stage in STAGES
    if stage.is_on_demand or stage.table in ("results.predictions", "results.metrics", "results.candidates")
)

_BY_TABLE = {stage.table: stage for stage in STAGES}


def stage_named(name: str) -> Stage:
    """The stage of a table (``core.masks``) or asset key (``core/masks``). Raises UnknownProductError with the names that exist."""
    table = name.replace("/", ".")
    if table not in _BY_TABLE:
        raise UnknownProductError(f"{name!r} is no product; choose among {', '.join(_BY_TABLE)}.")
    return _BY_TABLE[table]


# What trainings read and write: products like any other, apart from who makes them.
TRAINED_FROM: Mapping[str, tuple[str, ...]] = {
    "results.quality_models": ("core.stamps", "core.stamp_quality"),
    "results.fold_models": ("core.splits", "core.features", "core.masked_stamps", "core.synthetic_samples"),
}


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
