"""Every scientific number a user may change, typed, with presets. Reads one TOML file; nothing else."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

SOURCES = ("bts", "archive", "alerce", "lasair", "fink", "panstarrs")


@dataclass(frozen=True)
class ScheduleSettings:
    """
    When the nightly run and, where it is switched on, the training begin.

    The night asks ``sources`` first, in the order of SOURCES; with none of them it refreshes what others landed.
    """

    sources: tuple[str, ...] = ("bts", "alerce", "panstarrs")
    cron: str = "0 13 * * *"
    train_cron: str = "0 18 * * 6"
    timezone: str = "UTC"
    landing_check_seconds: int = 60

    def __post_init__(self) -> None:
        for source in self.sources:
            _require_choice("schedule: sources", source, SOURCES)


@dataclass(frozen=True)
class LightCurveSettings:
    """How light curves are cleaned (paper, sections 4.1 and 4.2)."""

    merge_window_days: float = 0.5
    merge_in_flux: bool = True
    outlier_method: str = "left_out"  # "left_out" or "residual", the letter of the paper
    outlier_sigma: float = 3.0
    outlier_smoothing_mag: float = 0.1
    outlier_min_points: int = 5
    peak_support_days: float = 3.0
    max_gap_days: float = 100.0

    def __post_init__(self) -> None:
        _require_choice("light_curves: outlier_method", self.outlier_method, ("left_out", "residual"))


@dataclass(frozen=True)
class EpochSettings:
    """When a training object is classified: this long after its peak (paper, section 4)."""

    days_after_peak: float = 5.0


@dataclass(frozen=True)
class GaussianProcessSettings:
    """What the Gaussian process is fitted to, and when a fit may be resampled (paper, section 4.2)."""

    background: str = "zero"  # "zero" or "biweight", the authors' typical flux per band
    flux_error_floor: float = 0.02
    is_error_scale_fitted: bool = True
    wavelength_scale_angstrom: float = 6000.0
    max_days_since_first: float = 3000.0
    max_days_after_peak: float = 150.0
    faintest_mag: float = 25.0
    min_rising_points: int = 3
    min_rising_points_in_a_band: int = 2
    min_rise_mag: float = 0.2
    usable_length_scale_days: tuple[float, float] = (2.0, 500.0)
    max_chi2: float = 5.0
    max_left_out_chi2: float = 5.0
    max_rise_err_mag: float = 0.3
    max_dip_mag: float = 0.3

    def __post_init__(self) -> None:
        _require_choice("gaussian_process: background", self.background, ("zero", "biweight"))


@dataclass(frozen=True)
class HostSettings:
    """How a host is chosen among a packet's Pan-STARRS sources, where none landed."""

    star_score: float = 0.5
    largest_p_chance: float = 0.1


@dataclass(frozen=True)
class QualitySettings:
    """When an image of a stamp is good (paper, section 3.1)."""

    good_threshold: float = 0.75
    min_finite_fraction: float = 1.0
    sentinels: tuple[float, ...] = (-999.0,)
    line_sigma: float = 5.0
    negative_sigma: float = 20.0
    dark_spot_sigma: float = 7.5
    faint_line_sigma: float = 6.0
    banding_ratio: float = 3.1
    hollow_fraction: float = 0.45
    min_foreign_sources: int = 2


@dataclass(frozen=True)
class CheckerSettings:
    """How the learned checker of images is trained (paper, section 3.1); no product depends on it but through the checker."""

    epochs: int = 25
    learning_rate: float = 1e-3
    batch_size: int = 32
    max_training_images: int = 3000
    held_out_fraction: float = 0.3
    bad_weight: float = 2.0
    min_completeness: float = 0.5
    max_good_rejected: float = 0.05


@dataclass(frozen=True)
class RestorationSettings:
    """How a bad image is repaired from a good one of the same field (paper, section 3.2)."""

    method: str = "matched"  # "matched", "paper" (Eq. 2 as printed) or "needle2" (the authors' code)
    restored_threshold: float = 0.75
    max_prior_detections: int = 5
    max_repaired_fraction: float = 0.5
    min_own_fraction: float = 0.9
    max_mismatch_fraction: float = 0.6
    ssim_threshold: float = 0.2
    transient_radius_px: float = 3.0
    guard_radius_px: float = 5.0

    def __post_init__(self) -> None:
        _require_choice("restoration: method", self.method, ("matched", "paper", "needle2"))


@dataclass(frozen=True)
class MaskSettings:
    """Which pixels of a pair are kept, and what replaces the others (paper, section 3.3)."""

    method: str = "clusters"  # "clusters" or "needle2" (the authors' code)
    clip: str = "symmetric"  # "symmetric" or "eq3", as the paper prints it
    threshold_sigma: float = 3.0
    eps_px: float = 1.5
    min_samples: int = 3
    target_tolerance_px: float = 1.0
    host_tolerance_px: float = 2.0
    fixed_half_width_px: int = 1
    is_host_block_kept: bool = False
    is_outside_host_kept: bool = True  # what reaches into the stamp of a host beyond its edge
    grow_px: int = 1
    replace: str = "inverse"  # "inverse" or "sources", which leaves the sky as observed
    noise: str = "symmetric"  # "symmetric" or "eq3"
    faint_sigma: float = 1.0
    blended_fraction: float = 0.25
    rival_ratio: float = 0.05
    rival_distance_px: float = 3.0

    def __post_init__(self) -> None:
        _require_choice("masking: method", self.method, ("clusters", "needle2"))
        _require_choice("masking: clip", self.clip, ("symmetric", "eq3"))
        _require_choice("masking: noise", self.noise, ("symmetric", "eq3"))
        _require_choice("masking: replace", self.replace, ("inverse", "sources"))


@dataclass(frozen=True)
class FeatureSettings:
    """Which detection the features of Table 1 describe."""

    current: str = "peak"  # "peak", the brightest so far, or "latest"
    min_previous_days: float = 0.5

    def __post_init__(self) -> None:
        _require_choice("features: current", self.current, ("peak", "latest"))


@dataclass(frozen=True)
class SplitSettings:
    """Which labelled objects are kept aside, and how the others are divided (paper, sections 6.2 and 6.3)."""

    scheme: str = "folds"  # "folds", or "holdouts": the authors' repeated random 80/20 divisions
    n_folds: int = 10
    holdout_fraction: float = 0.2
    untouched_from: str = "2024-02-25"
    untouched_until: str = "2025-06-03"
    untouched_ids: tuple[str, ...] = ()  # if given, these instead of the window
    deal: int = 1  # raise it to deal all objects anew; nothing else moves one

    def __post_init__(self) -> None:
        _require_choice("splits: scheme", self.scheme, ("folds", "holdouts"))


@dataclass(frozen=True)
class SyntheticSettings:
    """How synthetic samples are drawn (paper, sections 4.3 to 5)."""

    n_per_class: int = 200
    classes: tuple[str, ...] = ("SLSN-I", "TDE")
    redshift_tolerance: float = 0.2
    max_attempts_per_sample: int = 50
    cadence: str = "own"  # the parent's epochs; "observed": these moved along the phase; "daily": whole days, as the authors
    jitter_days: float = 0.5
    is_depth_own: bool = True  # seen as deep as the parent was, at least to 20.5 mag; or to 20.5 mag always
    sampled_days_after_peak: float = 30.0  # the sample's own peak then decides where it is cut, as for real objects
    is_thinned: bool = False  # every epoch again, or a random number of them
    min_points: int = 1
    is_posterior_drawn: bool = True
    is_spectrum_shifted: bool = False
    is_self_allowed: bool = False

    def __post_init__(self) -> None:
        _require_choice("synthetic: cadence", self.cadence, ("own", "observed", "daily"))


@dataclass(frozen=True)
class TrainingSettings:
    """How the classifiers are trained (paper, section 6; Table 4)."""

    ablations: tuple[str, ...] = ("unmasked", "masked", "masked_upsampled", "metadata", "metadata_upsampled")
    deployed: tuple[str, ...] = ("masked_upsampled", "metadata_upsampled")
    epochs: int = 150
    patience: int = 15
    batch_size: int = 32
    learning_rate: float = 3e-4
    learning_rate_decay: float = 0.96
    smallest_learning_rate: float = 2e-6
    weight_decay: float = 1e-4
    balanced_draws: int = 0  # samples an epoch shows, drawn evenly from the classes; 0: every sample once
    is_augmented: bool = True
    focal_alpha: tuple[float, ...] = (0.02, 0.49, 0.49)
    focal_gamma: tuple[float, ...] = (0.0, 2.0, 2.5)
    feature_weights: str = "mean_one"  # importances scaled to mean 1, "sum_one" as the authors, or "none"
    seed: int = 0  # another one: other first weights and another order, of the same training set
    device: str = "auto"

    def __post_init__(self) -> None:
        _require_choice("training: feature_weights", self.feature_weights, ("mean_one", "sum_one", "none"))
        _require_choice("training: device", self.device, ("auto", "cpu", "cuda"))


@dataclass(frozen=True)
class MetricSettings:
    """How scores are summarised (paper, section 6.4)."""

    n_bootstrap: int = 500
    min_untouched: int = 10


@dataclass(frozen=True)
class ServiceSettings:
    """
    Where a survey service is and how gently it is asked.

    ``url`` is the documented public address; ``interval_seconds`` passes between two requests, ``max_requests`` are made in a
    run, ``batch`` things are asked for at once, and stamps of at most ``cutouts`` detections of an object (0: of all).
    """

    url: str
    interval_seconds: float = 0.5
    max_requests: int = 20_000
    batch: int = 10
    cutouts: int = 0


@dataclass(frozen=True)
class FetchSettings:
    """How the landing folder is filled from live services."""

    bts: ServiceSettings = ServiceSettings("https://sites.astro.caltech.edu/ztf/bts/explorer.php?f=s&format=csv")
    alerce: ServiceSettings = ServiceSettings("https://api.alerce.online/ztf/v1", batch=50)
    alerce_packets: ServiceSettings = ServiceSettings("https://avro.alerce.online")
    lasair: ServiceSettings = ServiceSettings("https://lasair-ztf.lsst.ac.uk/api", max_requests=100, cutouts=5)
    lasair_images: ServiceSettings = ServiceSettings("https://lasair-ztf.lsst.ac.uk", max_requests=2_000)
    fink: ServiceSettings = ServiceSettings(
        "https://api.ztf.fink-portal.org/api/v1", interval_seconds=1.0, max_requests=3_000, cutouts=5
    )
    panstarrs: ServiceSettings = ServiceSettings("https://catalogs.mast.stsci.edu/api/v0.1/panstarrs/dr2", batch=50)
    archive: ServiceSettings = ServiceSettings("https://ztf.uw.edu/alerts/public", interval_seconds=5.0)
    lasair_conditions: str = ""  # SQL after WHERE; objects it finds are followed beside those of the catalogue
    lasair_tables: str = "objects"
    archive_nights: int = 3
    timeout_seconds: float = 30.0
    answer_seconds: float = 300.0
    slowest_bytes_per_second: float = 2_000.0
    tries: int = 4
    first_wait_seconds: float = 2.0
    longest_wait_seconds: float = 300.0
    failures_in_a_row: int = 5
    absent_tries: int = 5
    active_days: float = 150.0
    ask_again_hours: float = 12.0
    ask_old_again_days: float = 90.0
    smallest_catalogue_fraction: float = 0.95
    host_radius_arcsec: float = 5.0
    host_duplicate_arcsec: float = 1.0


@dataclass(frozen=True)
class Settings:
    """All settings of one home. Sections are named after the stage that reads them."""

    preset: str = "default"
    seed: int = 42
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    hosts: HostSettings = field(default_factory=HostSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    checker: CheckerSettings = field(default_factory=CheckerSettings)
    restoration: RestorationSettings = field(default_factory=RestorationSettings)
    masking: MaskSettings = field(default_factory=MaskSettings)
    light_curves: LightCurveSettings = field(default_factory=LightCurveSettings)
    epochs: EpochSettings = field(default_factory=EpochSettings)
    gaussian_process: GaussianProcessSettings = field(default_factory=GaussianProcessSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    splits: SplitSettings = field(default_factory=SplitSettings)
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    metrics: MetricSettings = field(default_factory=MetricSettings)


# Each preset lists only what differs from `default`: {section: {key: value}}.
PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "light_curves": {"merge_in_flux": False, "outlier_method": "residual"},
        "gaussian_process": {"flux_error_floor": 0.0, "is_error_scale_fitted": False, "max_days_after_peak": 3000.0},
        "restoration": {"method": "paper", "restored_threshold": 0.5, "min_own_fraction": 1.0},
        "masking": {"clip": "eq3", "noise": "eq3", "grow_px": 0, "is_outside_host_kept": False},
        "synthetic": {
            "cadence": "observed",
            "is_depth_own": False,
            "sampled_days_after_peak": 5.0,
            "is_thinned": True,
            "is_posterior_drawn": False,
        },
        "training": {
            "patience": 150,
            "learning_rate": 8e-5,
            "weight_decay": 0.0,
            "is_augmented": False,
            "feature_weights": "sum_one",
        },
    },
    "needle2": {
        "light_curves": {"merge_in_flux": False, "outlier_method": "residual"},
        "gaussian_process": {
            "background": "biweight",
            "flux_error_floor": 0.0,
            "is_error_scale_fitted": False,
            "max_days_since_first": 300.0,
            "max_days_after_peak": 3000.0,
        },
        "quality": {"good_threshold": 0.5},
        "restoration": {"method": "needle2", "restored_threshold": 0.8, "min_own_fraction": 1.0},
        "masking": {"method": "needle2"},
        "splits": {"scheme": "holdouts"},
        "synthetic": {
            "cadence": "daily",
            "is_depth_own": False,
            "sampled_days_after_peak": 5.0,
            "is_thinned": True,
            "is_posterior_drawn": False,
            "is_self_allowed": True,
        },
        "training": {
            "patience": 150,
            "learning_rate": 8e-5,
            "weight_decay": 0.0,
            "is_augmented": False,
            "feature_weights": "sum_one",
        },
    },
    "demo": {
        "splits": {"n_folds": 3},
        "synthetic": {"n_per_class": 60},
        "training": {
            "ablations": ("unmasked", "masked", "masked_upsampled", "metadata_upsampled"),
            "epochs": 12,
            "patience": 4,
            "learning_rate": 1e-3,
        },
        "metrics": {"n_bootstrap": 200},
        "checker": {"epochs": 2, "max_training_images": 320, "batch_size": 16},
    },
}


class SettingsError(ValueError):
    """A settings file or preset that cannot be used; the message names the key and the remedy."""


def preset_settings(name: str) -> Settings:
    """Settings of a named preset. Raises SettingsError for a name that is not in PRESETS."""
    if name not in PRESETS:
        raise SettingsError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}.")
    return _merged(replace(Settings(), preset=name), PRESETS[name], where=f"preset {name}")


def read_settings(path: Path, preset: str | None = None) -> Settings:
    """
    Settings from ``path`` (TOML), starting from its ``preset`` key, or from ``preset`` where the file does not exist.

    Raises SettingsError where the file names another preset than the one asked for, an unknown key, or a value of another type.
    """
    if not path.exists():
        return preset_settings(preset or "default")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML ({error}); mend that line or remove the file.") from error
    stored = given.pop("preset", "default")
    if preset is not None and preset != stored:
        raise SettingsError(
            f"{path} belongs to preset {stored!r}, but {preset!r} was asked for; "
            f"use another NEEDLE_HOME for {preset!r}, or leave --preset out."
        )
    return _merged(preset_settings(str(stored)), given, where=str(path))


def as_nested_dict(settings: Settings) -> dict[str, Any]:
    """Settings as plain nested dictionaries, in declared order."""
    return asdict(settings)


def _merged(section: Any, given: dict[str, Any], *, where: str) -> Any:
    known = {f.name: getattr(section, f.name) for f in fields(section)}
    changes: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise SettingsError(f"{where}: {key!r} is not a setting; known here are {', '.join(known)}.")
        changes[key] = _checked(known[key], value, f"{where}: {key}")
    return replace(section, **changes)


def _checked(current: Any, value: Any, where: str) -> Any:
    if is_dataclass(current):
        if not isinstance(value, dict):
            raise SettingsError(f"{where} is a section; give it as a [table] of its settings.")
        return _merged(current, value, where=where)
    if isinstance(current, tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(current, float) and type(value) is int:
        return float(value)
    if current is not None and type(value) is not type(current):
        raise SettingsError(f"{where} must be {type(current).__name__}, but {value!r} was given.")
    return value


def _require_choice(where: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{where} is {value!r}; choose one of {', '.join(choices)}.")
