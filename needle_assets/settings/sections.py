"""The numbers of the science, one section for each stage that reads them, with what each may be."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from needle_assets.settings.limits import (
    AblationName,
    Count,
    CountOrNone,
    Day,
    Days,
    Distinct,
    Fraction,
    Label,
    Magnitude,
    MagnitudeStep,
    NotNegative,
    ObjectId,
    Pixels,
    Positive,
    PositiveFraction,
    RadiusPx,
    Seed,
    later,
    require_order,
)


@dataclass(frozen=True)
class LandingSettings:
    """When a landed snapshot (bts.csv, photometry, hosts) is believed: not if it lost more of its objects, rows or values."""

    largest_loss_fraction: Fraction = 0.05


@dataclass(frozen=True)
class DetectionSettings:
    """What counts as a detection: a flux so many times its error. ZTF alerts reach 5; forced photometry also lists noise."""

    min_signal_to_noise: Annotated[float, Ge(0.0), Le(100.0)] = 3.0


@dataclass(frozen=True)
class LightCurveSettings:
    """How light curves are cleaned (paper, sections 4.1 and 4.2)."""

    merge_window_days: Days = 0.5
    merge_in_flux: bool = True
    outlier_method: Literal["left_out", "residual"] = "left_out"  # "residual": the letter of the paper
    outlier_sigma: Positive = 3.0
    outlier_smoothing_mag: MagnitudeStep = 0.1
    outlier_min_points: Count = 5
    peak_support_days: Days = 3.0
    max_gap_days: Days = 100.0


@dataclass(frozen=True)
class EpochSettings:
    """When a training object is classified: this long after its peak (paper, section 4)."""

    days_after_peak: Days = 5.0


@dataclass(frozen=True)
class GaussianProcessSettings:
    """What the Gaussian process is fitted to, and when a fit may be resampled (paper, section 4.2)."""

    points: Literal["detections", "forced"] = later("detections")  # "forced": fluxes of forced photometry too, seen or not
    forced_days_before: Days = later(60.0)  # how long before the first detection forced photometry counts
    background: Literal["zero", "biweight"] = "zero"  # "biweight": the authors' typical flux per band
    flux_error_floor: Fraction = 0.02
    is_error_scale_fitted: bool = True
    wavelength_scale_angstrom: Positive = 6000.0
    max_days_since_first: Days = 3000.0
    max_days_after_peak: Days = 150.0
    faintest_mag: Magnitude = 25.0
    min_rising_points: CountOrNone = 3
    min_rising_points_in_a_band: CountOrNone = 2
    min_rise_mag: MagnitudeStep = 0.2
    usable_length_scale_days: tuple[Days, Days] = (2.0, 500.0)
    max_chi2: Positive = 5.0
    max_left_out_chi2: Positive = 5.0
    max_rise_err_mag: MagnitudeStep = 0.3
    max_dip_mag: MagnitudeStep = 0.3

    def __post_init__(self) -> None:
        shortest, longest = self.usable_length_scale_days
        if shortest >= longest:
            raise ValueError(f"usable_length_scale_days = {[shortest, longest]} must begin with the shorter one")


@dataclass(frozen=True)
class HostSettings:
    """
    How a host is chosen among a packet's Pan-STARRS sources, where none landed, and which landed host is too far to be one.

    The discs of galaxies end below 100 kpc; a transient of unknown redshift has its host within a minute of arc, or is so near that
    its redshift is known.
    """

    largest_offset_kpc: Positive = 100.0
    largest_offset_arcsec: Positive = 60.0
    star_score: Fraction = 0.5
    largest_p_chance: Fraction = 0.1


@dataclass(frozen=True)
class QualitySettings:
    """When an image of a stamp is good (paper, section 3.1)."""

    good_threshold: Fraction = 0.75
    min_finite_fraction: Fraction = 1.0
    sentinels: tuple[float, ...] = (-999.0,)
    line_sigma: Positive = 5.0
    negative_sigma: Positive = 20.0
    dark_spot_sigma: Positive = 7.5
    faint_line_sigma: Positive = 6.0
    banding_ratio: Positive = 3.1
    hollow_fraction: Fraction = 0.45
    min_foreign_sources: Count = 2


@dataclass(frozen=True)
class CheckerSettings:
    """
    How the learned checker of images is trained (paper, section 3.1); no product depends on it but through the checker.

    ``trains_on_verdicts``: what people say of stamps counts for more than the rules. What they call good is taken for good, what they
    call bad is shown to the networks as bad.
    """

    epochs: Count = 25
    learning_rate: PositiveFraction = 1e-3
    batch_size: Count = 32
    max_training_images: Count = 3000
    held_out_fraction: Annotated[float, Gt(0.0), Lt(1.0)] = 0.3
    bad_weight: Positive = 2.0
    min_completeness: Fraction = 0.5
    max_good_rejected: Fraction = 0.05
    trains_on_verdicts: bool = False


@dataclass(frozen=True)
class RestorationSettings:
    """How a bad image is repaired from a good one of the same field (paper, section 3.2)."""

    method: Literal["matched", "paper", "needle2"] = "matched"  # "paper": Eq. 2 as printed; "needle2": the authors' code
    restored_threshold: Fraction = 0.75
    max_prior_detections: CountOrNone = 5
    max_repaired_fraction: Fraction = 0.5
    min_own_fraction: Fraction = 0.9
    max_mismatch_fraction: Fraction = 0.6
    ssim_threshold: Annotated[float, Ge(-1.0), Le(1.0)] = 0.2
    transient_radius_px: RadiusPx = 3.0
    guard_radius_px: RadiusPx = 5.0

    def __post_init__(self) -> None:
        require_order(self, "transient_radius_px", "guard_radius_px")


@dataclass(frozen=True)
class MaskSettings:
    """Which pixels of a pair are kept, and what replaces the others (paper, section 3.3)."""

    method: Literal["clusters", "needle2"] = "clusters"  # "needle2": the authors' code
    clip: Literal["symmetric", "eq3"] = "symmetric"  # "eq3": as the paper prints it
    threshold_sigma: Positive = 3.0
    eps_px: Annotated[float, Gt(0.0), Le(30.0)] = 1.5
    min_samples: Count = 3
    target_tolerance_px: RadiusPx = 1.0
    host_tolerance_px: RadiusPx = 2.0
    fixed_half_width_px: Pixels = 1
    is_host_block_kept: bool = False
    is_outside_host_kept: bool = True  # what reaches into the stamp of a host beyond its edge
    grow_px: Pixels = 1
    replace: Literal["inverse", "sources"] = "inverse"  # "sources" leaves the sky as observed
    noise: Literal["symmetric", "eq3"] = "symmetric"
    faint_sigma: Positive = 1.0
    blended_fraction: Fraction = 0.25
    rival_ratio: NotNegative = 0.05
    rival_distance_px: RadiusPx = 3.0


@dataclass(frozen=True)
class FeatureSettings:
    """Which detection the features of Table 1 describe."""

    current: Literal["peak", "latest"] = "peak"  # the brightest so far
    min_previous_days: Days = 0.5


@dataclass(frozen=True)
class EarlySettings:
    """As of when labelled objects are judged too, beside their classification epoch: so long after their first detection."""

    days_after_discovery: Annotated[tuple[Days, ...], MinLen(1), Distinct] = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)


@dataclass(frozen=True)
class VettingSettings:
    """What speaks against a candidate before any model is asked; such candidates are ranked behind all others, never dropped."""

    star_score: Fraction = 0.76
    star_separation_arcsec: NotNegative = 1.5
    saturated_mag: Magnitude = 16.0  # a source as bright without a star score is taken for a star
    bright_star_arcsec: NotNegative = 20.0
    bright_star_mag: Magnitude = 12.0
    max_history_days: Days = 200.0
    min_history_detections: Count = 10
    max_negative_fraction: Fraction = 0.2
    min_real_bogus: Fraction = 0.4
    min_deep_real_bogus: Fraction = 0.5
    solar_system_arcsec: NotNegative = 10.0
    max_age_days: Days = 100.0  # the slowest SLSN-I take 60 days to their peak
    max_days_past_peak: Days = 10.0
    min_detections: Count = 2


@dataclass(frozen=True)
class OtherSettings:
    """
    How the model of what is none of the classes is trained.

    ``prior``: the share of such objects among what arrives, for which probabilities are given. ``trains_on_verdicts``: what people
    call other or junk trains it too, where the catalogue has no type.
    """

    min_examples: Annotated[int, Ge(2), Le(100_000)] = 10
    prior: Annotated[float, Gt(0.0), Lt(1.0)] = 0.5
    trains_on_verdicts: bool = False


@dataclass(frozen=True)
class IdentitySettings:
    """Which ids of two surveys are one object: so close on the sky, and within so many errors of both positions."""

    radius_arcsec: Annotated[float, Gt(0.0), Le(60.0)] = 1.5
    largest_sigma: Positive = 5.0


@dataclass(frozen=True)
class SplitSettings:
    """Which labelled objects are kept aside, and how the others are divided (paper, sections 6.2 and 6.3)."""

    scheme: Literal["folds", "holdouts"] = "folds"  # "holdouts": the authors' repeated random 80/20 divisions
    n_folds: Annotated[int, Ge(2), Le(100)] = 10
    holdout_fraction: Annotated[float, Gt(0.0), Lt(1.0)] = 0.2
    untouched_from: Day = "2024-02-25"
    untouched_until: Day = "2025-06-03"
    untouched_ids: Annotated[tuple[ObjectId, ...], Distinct] = ()  # if given, these instead of the window
    deal: Count = 1  # raise it to deal all objects anew; nothing else moves one

    def __post_init__(self) -> None:
        require_order(self, "untouched_from", "untouched_until")


@dataclass(frozen=True)
class SyntheticSettings:
    """How synthetic samples are drawn (paper, sections 4.3 to 5)."""

    n_per_class: Annotated[int, Ge(0), Le(100_000)] = 200
    classes: Annotated[tuple[Label, ...], Distinct] = ("SLSN-I", "TDE")
    redshift_tolerance: NotNegative = 0.2
    max_attempts_per_sample: Count = 50
    cadence: Literal["own", "observed", "daily"] = (
        "own"  # the parent's epochs; "observed": these moved along the phase; "daily": whole days, as the authors
    )
    jitter_days: Days = 0.5
    is_depth_own: bool = True  # seen as deep as the parent was, at least to 20.5 mag; or to 20.5 mag always
    sampled_days_after_peak: Days = 30.0  # the sample's own peak then decides where it is cut, as for real objects
    is_thinned: bool = False  # every epoch again, or a random number of them
    min_points: Count = 1
    is_posterior_drawn: bool = True
    is_spectrum_shifted: bool = False
    is_self_allowed: bool = False
    turns: Literal["quarter", "any"] = "quarter"  # "any": complete pairs by any angle (section 3.4)


@dataclass(frozen=True)
class TrainingSettings:
    """How the classifiers are trained (paper, section 6; Table 4)."""

    ablations: Annotated[tuple[AblationName, ...], MinLen(1), Distinct] = (
        "unmasked",
        "masked",
        "masked_upsampled",
        "metadata",
        "metadata_upsampled",
        "trees",
        "stacked",
        "stacked_early",
    )
    # of each kind of model the first that is trained; candidates come at any age, so without stamps it is one trained early
    deployed: Annotated[tuple[AblationName, ...], Distinct] = ("masked_upsampled", "stacked_early", "metadata_upsampled")
    schedule: Literal["one_cycle", "early_stopping"] = (
        "one_cycle"  # all epochs, the rate rising and falling once; "early_stopping": the rate decays, the best epoch is kept
    )
    epochs: Count = 30
    n_members: Count = 4  # networks that a model without stamps averages, under "one_cycle"
    batch_size: Count = 64
    learning_rate: PositiveFraction = 1e-3  # the largest
    patience: Count = 15  # this and the next two: of "early_stopping"
    learning_rate_decay: PositiveFraction = 0.96
    smallest_learning_rate: Fraction = 2e-6
    weight_decay: Fraction = 1e-4
    n_moments: Count = 3  # of the moments of [early], how many of each object an ablation trained early sees, drawn once
    balanced_draws: CountOrNone = 0  # samples an epoch shows, drawn evenly from the classes; 0: every sample once
    is_augmented: bool = True
    class_weights: Literal["loss_shares", "focal_alpha"] = "loss_shares"  # "focal_alpha": Table 4, whatever the numbers
    loss_shares: tuple[Positive, Positive, Positive] = (0.4, 0.3, 0.3)  # of SN, SLSN-I, TDE, synthetic samples included
    focal_alpha: tuple[NotNegative, NotNegative, NotNegative] = (0.02, 0.49, 0.49)
    focal_gamma: tuple[NotNegative, NotNegative, NotNegative] = (0.0, 2.0, 2.5)
    feature_scaling: Literal["rank", "standard"] = "rank"  # normal scores of ranks; "standard": Equation 1
    missing_features: Literal["median", "mask"] = "mask"  # the median, and a column that says so beside it, or not
    feature_weights: Literal["mean_one", "sum_one", "none"] = (
        "mean_one"  # importances scaled to mean 1, "sum_one" as the authors, or "none"
    )
    seed: Seed = 0  # another one: other first weights and another order, of the same training set
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        require_order(self, "smallest_learning_rate", "learning_rate")


@dataclass(frozen=True)
class MetricSettings:
    """How scores are summarised (paper, section 6.4)."""

    n_bootstrap: Annotated[int, Ge(2), Le(100_000)] = 500
    min_untouched: CountOrNone = 10
