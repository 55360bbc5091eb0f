"""What is made of the whole sample: splits, synthetic samples and what is judged of them; and what models say."""

from itertools import pairwise

from needle_assets.stages.objects import POSITIONS
from needle_assets.stages.stage import Picture, Stage
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import FEATURE_COLUMNS

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
_MODEL = ("model_id", "ablation", "model_kind", "fold", "folds", "classes", "weights", "scaler", "feature_weights")

STAGES: tuple[Stage, ...] = (
    Stage(
        table="core.splits",
        compute="needle_assets.assets.samples:splits",
        reads={
            "raw.objects": ("label", "redshift", "iau_name", "ra_deg", "dec_deg"),
            "core.identities": ("other_id", "label"),
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
            "core.masked_stamps": ("mask", *POSITIONS),
            "core.splits": (
                *("label", "is_hosted", "has_good_pair", "has_redshift", "is_untouched", "validation_of", "n_folds", "identity"),
            ),
        },
        settings=("synthetic", "features", "epochs", "gaussian_process", "seed"),
        code_version="2",
        group="samples",
        is_per_object=False,
        keeps_previous=True,
    ),
    Stage(
        table="results.realism",
        compute="needle_assets.assets.realism:realism",
        reads={
            "core.features": _FEATURES,
            "core.splits": ("label", "is_hosted", "has_good_pair", "is_untouched", "validation_of", "identity"),
            "core.synthetic_samples": (
                *("model_kind", "fold", "label", "image_parent", "rotation_deg", "flip", "seed", *_FEATURES),
            ),
            "core.masked_stamps": ("science", "reference", "mask", "science_noise", "reference_noise", *POSITIONS),
        },
        settings=("seed",),
        code_version="2",
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
        chunk_objects=512,
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
        code_version="4",
        group="results",
        is_per_object=False,
    ),
    Stage(
        table="results.early_metrics",
        compute="needle_assets.assets.early:early_metrics",
        reads={
            "core.early_features": ("moment", "days_after_discovery", "as_of_mjd", "n_det_g", "n_det_r", *_FEATURES),
            "core.epochs": ("peak_mjd",),
            "core.splits": ("label", "is_untouched", "validation_of", "other_ids"),
            "results.fold_models": (*_MODEL, "trained_ids", "parent_ids"),
        },
        settings=("metrics", "seed"),
        group="results",
        is_per_object=False,
        is_on_demand=True,
    ),
    Stage(
        table="results.candidates",
        compute="needle_assets.assets.candidates:candidates",
        reads={
            "raw.objects": ("type",),
            "raw.alerts": ("ra", "dec"),
            "core.hosts": ("is_hosted",),
            "core.epochs": ("first_mjd",),
            "core.features": ("as_of_mjd", "n_det_g", "n_det_r", *_FEATURES),
            "core.masked_stamps": ("candid", "science", "reference", "science_unmasked", "reference_unmasked", "mask"),
            "results.fold_models": _MODEL,
            # Where none was trained none is there, and what is not there makes nothing stale.
            "results.other_models": ("features", "trained_ids", "fold_of", "weights", "slope", "intercept"),
        },
        settings=("training",),
        code_version="3",
        group="results",
        is_bulk=True,
        keeps_previous=True,
        chunk_objects=512,
    ),
)
