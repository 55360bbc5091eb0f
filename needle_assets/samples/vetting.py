"""What speaks against a new supernova or tidal disruption before any model is asked: stars, histories, bogus detections, age.

Nothing is dropped for it. Every reason has a name and a sentence, and who ranks puts objects without reasons first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from needle_assets.settings import VettingSettings

# Pan-STARRS gives this score to what it could not classify, above all to what saturates.
UNCLASSIFIED_SCORE = 0.5


@dataclass(frozen=True)
class Evidence:
    """
    What is known of an object as of its newest detection; None where nothing says.

    Attributes
    ----------
    n_epochs : int
        Cleaned epochs.
    age_days, days_since_peak : float
        From the first, and from the brightest cleaned epoch to the newest [d].
    negative_fraction : float
        Share of its detections that are fainter than the reference.
    source_star_score, source_separation_arcsec, source_mag : float
        Nearest catalogued source: 1 for a star, 0 for a galaxy; its distance; its magnitude [AB mag].
    bright_star_separation_arcsec, bright_star_mag : float
        Nearest bright star of Gaia.
    history_days : float
        From the first detection at this position that the survey knows to the newest [d].
    n_earlier_detections : int
        Detections at this position that the survey counts.
    real_bogus, deep_real_bogus : float
        Best scores of its packets, 1 for real.
    solar_system_arcsec : float
        Nearest to a known solar system object that any packet was.
    """

    n_epochs: int = 0
    age_days: float | None = None
    days_since_peak: float | None = None
    negative_fraction: float | None = None
    source_star_score: float | None = None
    source_separation_arcsec: float | None = None
    source_mag: float | None = None
    bright_star_separation_arcsec: float | None = None
    bright_star_mag: float | None = None
    history_days: float | None = None
    n_earlier_detections: int | None = None
    real_bogus: float | None = None
    deep_real_bogus: float | None = None
    solar_system_arcsec: float | None = None


REASONS = (
    *("is_on_star", "is_near_bright_star", "has_history", "is_fading_often", "is_bogus", "is_moving"),
    *("is_old", "is_past_peak", "has_few_detections"),
)


def reasons(evidence: Evidence, limits: VettingSettings) -> dict[str, str]:
    """
    What speaks against an object: names of :data:`REASONS` with a sentence for people, empty if nothing does.

    Notes
    -----
    The live filter of the paper's authors leaves out what has fewer than two detections, is more than ten days past its peak or
    older than sixty days. The other reasons are what alert brokers ask of a packet.
    """
    return dict([*_stars(evidence, limits), *_past(evidence, limits), *_detected(evidence, limits)])


def _stars(e: Evidence, limits: VettingSettings) -> Iterator[tuple[str, str]]:
    apart, score = e.source_separation_arcsec, e.source_star_score
    if apart is not None and score is not None and apart <= limits.star_separation_arcsec:
        if score >= limits.star_score:
            yield "is_on_star", f"a star{_of(e.source_mag)} within {apart:.1f} arcsec (score {score:.2f})"
        elif score == UNCLASSIFIED_SCORE and e.source_mag is not None and e.source_mag <= limits.saturated_mag:
            yield "is_on_star", f"a source{_of(e.source_mag)} within {apart:.1f} arcsec, too bright to be told from a star"
    near, mag = e.bright_star_separation_arcsec, e.bright_star_mag
    if near is not None and mag is not None and near <= limits.bright_star_arcsec and mag <= limits.bright_star_mag:
        yield "is_near_bright_star", f"a bright star{_of(mag)} {near:.0f} arcsec away"


def _of(mag: float | None) -> str:
    return "" if mag is None else f" of {mag:.1f} mag"


def _past(e: Evidence, limits: VettingSettings) -> Iterator[tuple[str, str]]:
    if _above(e.history_days, limits.max_history_days) and (e.n_earlier_detections or 0) >= limits.min_history_detections:
        yield "has_history", f"seen here {e.history_days:.0f} d before, {e.n_earlier_detections} times in all"
    if _above(e.negative_fraction, limits.max_negative_fraction):
        yield "is_fading_often", f"{100.0 * (e.negative_fraction or 0.0):.0f} % of its detections are fainter than the reference"
    if _above(e.age_days, limits.max_age_days):
        yield "is_old", f"{e.age_days:.0f} d since its first detection"
    if _above(e.days_since_peak, limits.max_days_past_peak):
        yield "is_past_peak", f"{e.days_since_peak:.0f} d past its peak"


def _detected(e: Evidence, limits: VettingSettings) -> Iterator[tuple[str, str]]:
    is_deep = e.deep_real_bogus is not None
    score, least = (e.deep_real_bogus, limits.min_deep_real_bogus) if is_deep else (e.real_bogus, limits.min_real_bogus)
    if score is not None and score < least:
        yield "is_bogus", f"{'deep ' if is_deep else ''}real-bogus score {score:.2f} at best"
    if e.solar_system_arcsec is not None and e.solar_system_arcsec <= limits.solar_system_arcsec:
        yield "is_moving", f"a known solar system object {e.solar_system_arcsec:.1f} arcsec away"
    if e.n_epochs < limits.min_detections:
        yield "has_few_detections", f"{e.n_epochs} detection{'' if e.n_epochs == 1 else 's'}"


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
