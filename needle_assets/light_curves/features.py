"""The 33 features of Table 1, one function per family, as of a point in time. No scaling and no filling of what is missing.

In the formulas m is a magnitude and t a time; for a band b: ``first`` is its first detection, ``peak`` its brightest one so far,
``current`` the detection that the features describe (the peak so far by default, or the latest), ``previous`` the last detection
of that band at least ``min_previous_days`` before the current one.

A survey names two feature bands, a bluer and a redder one. In the names of features these are ``g`` and ``r`` whatever the survey
calls them (see ``surveys.survey.FEATURE_COLUMNS``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from needle_assets.light_curves.light_curve import LightCurve
from needle_assets.surveys.panstarrs import HOST_BANDS
from needle_assets.surveys.survey import BLUE, FEATURE_COLUMNS, RED

NAN = float("nan")

_OF_BAND = (
    "peak_mag",
    "discovery_mag",
    "rise_mag",
    "rise_days",
    "days_since_discovery",
    "recent_slope_mag_per_day",
    "discovery_slope_mag_per_day",
    "slope_change_mag_per_day",
)
_COLOURS = ("peak_g_minus_r_mag", "peak_g_minus_r_days", "discovery_g_minus_r_mag", "colour_change_mag")
_HOST = (
    "separation_arcsec",
    "peak_minus_host_mag_g",
    "peak_minus_host_mag_r",
    "peak_minus_host_g_minus_r_mag",
    *(f"host_{band}_mag" for band in HOST_BANDS),
    *(f"host_{blue}_minus_{red}_mag" for blue, red in pairwise(HOST_BANDS)),
)
HOSTLESS_FEATURES = (*(f"{name}_{column}" for column in FEATURE_COLUMNS for name in _OF_BAND), *_COLOURS)
HOSTED_FEATURES = (*HOSTLESS_FEATURES, *_HOST)


@dataclass(frozen=True)
class Host:
    """Dereddened magnitudes of a host by band [mag] and its distance on the sky [arcsec]; NaN or absent = not known."""

    mag: Mapping[str, float]
    separation_arcsec: float = NAN


NO_HOST = Host({})


def features(
    light_curve: LightCurve,
    as_of: float,
    host: Host = NO_HOST,
    *,
    bands: tuple[str, str],
    host_bands: tuple[str, str],
    current: str = "peak",
    min_previous_days: float = 0.5,
) -> dict[str, float]:
    """
    All features from what is known at a time.

    Parameters
    ----------
    light_curve : LightCurve
        Clean, dereddened points; other bands and anything after ``as_of`` are not looked at.
    as_of : float
        Time on the clock of the light curve, usually the classification epoch.
    host : Host
        The host, if there is one.
    bands : (str, str)
        The bluer and the redder feature band.
    host_bands : (str, str)
        Bands of the host's magnitudes that these are compared with.
    current : str
        'peak': features describe the brightest detection so far; 'latest': the newest.
    min_previous_days : float
        Slopes are taken over at least this long [d].

    Returns
    -------
    dict of str to float
        Under the names of ``HOSTED_FEATURES``, in that order; NaN = missing. Without a host all host features are NaN and the
        others are those of ``HOSTLESS_FEATURES``.

    Notes
    -----
    Table 1. The authors' code takes the detection after the peak for the recent slope, fills what is missing with zero and leaves
    out objects without r detections.
    """
    known = light_curve.in_bands(bands).sorted()
    known = known[known.mjd <= as_of]
    first = float(known.mjd[0]) if len(known) else NAN
    found = {}
    for band, column in zip(bands, FEATURE_COLUMNS, strict=True):
        of_band = band_features(known.in_band(band), first, current=current, min_previous_days=min_previous_days)
        found.update({f"{name}_{column}": value for name, value in of_band.items()})
    found.update(colour_features(known, bands))
    peaks = (found[f"peak_mag_{BLUE}"], found[f"peak_mag_{RED}"])
    found.update(host_features(host, peaks, host_bands))
    return {name: found[name] for name in HOSTED_FEATURES}


def band_features(
    points: LightCurve, first_any_band: float, *, current: str = "peak", min_previous_days: float = 0.5
) -> dict[str, float]:
    """
    Features of one band; all NaN without a point.

    Returns
    -------
    dict of str to float
        - ``peak_mag``: m_peak.
        - ``discovery_mag``: m_first.
        - ``rise_mag``: m_current - m_first, negative while rising [mag].
        - ``rise_days``: t_current - t_first in the band [d].
        - ``days_since_discovery``: t_current - t_first in either band [d].
        - ``recent_slope_mag_per_day``: (m_current - m_previous) / (t_current - t_previous); NaN without a previous detection.
        - ``discovery_slope_mag_per_day``: rise_mag / rise_days; NaN where the current detection is the first.
        - ``slope_change_mag_per_day``: discovery slope - recent slope.
    """
    if len(points) == 0:
        return dict.fromkeys(_OF_BAND, NAN)
    points = points.sorted()
    now = int(np.argmin(points.mag)) if current == "peak" else len(points) - 1
    rise_mag, rise_days = points.mag[now] - points.mag[0], points.mjd[now] - points.mjd[0]
    earlier = np.flatnonzero(points.mjd <= points.mjd[now] - min_previous_days)
    recent = _slope(points, int(earlier[-1]), now) if len(earlier) else NAN
    overall = float(rise_mag / rise_days) if rise_days > 0 else NAN
    values = (
        points.mag.min(),
        points.mag[0],
        rise_mag,
        rise_days,
        points.mjd[now] - first_any_band,
        recent,
        overall,
        overall - recent,
    )
    return dict(zip(_OF_BAND, map(float, values), strict=True))


def _slope(points: LightCurve, start: int, end: int) -> float:
    return float((points.mag[end] - points.mag[start]) / (points.mjd[end] - points.mjd[start]))


def colour_features(points: LightCurve, bands: tuple[str, str]) -> dict[str, float]:
    """
    Features of both bands together; all NaN unless both have a point.

    Returns
    -------
    dict of str to float
        - ``peak_g_minus_r_mag``: m_peak,g - m_peak,r, each at its own time.
        - ``peak_g_minus_r_days``: t_peak,g - t_peak,r [d].
        - ``discovery_g_minus_r_mag``: m_first,g - m_first,r.
        - ``colour_change_mag``: peak colour - discovery colour.
    """
    g, r = (points.in_band(band).sorted() for band in bands)
    if len(g) == 0 or len(r) == 0:
        return dict.fromkeys(_COLOURS, NAN)
    at_peak = float(g.mag.min() - r.mag.min())
    at_discovery = float(g.mag[0] - r.mag[0])
    lag = float(g.mjd[np.argmin(g.mag)] - r.mjd[np.argmin(r.mag)])
    return dict(zip(_COLOURS, (at_peak, lag, at_discovery, at_peak - at_discovery), strict=True))


def host_features(host: Host, peak_mag: tuple[float, float], host_bands: tuple[str, str]) -> dict[str, float]:
    """
    Features of the host and of the transient against it; NaN wherever a part is missing. ``peak_mag`` is of both feature bands.

    Returns
    -------
    dict of str to float
        - ``separation_arcsec``: distance between host centre and transient [arcsec].
        - ``peak_minus_host_mag_g``, ``..._r``: m_peak - m_host, negative where the transient outshines its host.
        - ``peak_minus_host_g_minus_r_mag``: the former minus the latter.
        - ``host_g_mag`` ... ``host_y_mag`` and the differences of neighbouring bands ``host_g_minus_r_mag`` ...
    """
    mag = {band: host.mag.get(band, NAN) for band in HOST_BANDS}
    contrast = [peak - mag[band] for peak, band in zip(peak_mag, host_bands, strict=True)]
    found = {
        "separation_arcsec": host.separation_arcsec,
        "peak_minus_host_mag_g": contrast[0],
        "peak_minus_host_mag_r": contrast[1],
        "peak_minus_host_g_minus_r_mag": contrast[0] - contrast[1],
    }
    found.update({f"host_{band}_mag": mag[band] for band in HOST_BANDS})
    for blue, red in pairwise(HOST_BANDS):
        found[f"host_{blue}_minus_{red}_mag"] = mag[blue] - mag[red]
    return found
