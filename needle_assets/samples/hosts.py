"""Which galaxy hosts a transient, and how bright it is outside the Milky Way (paper, sections 2.2 and 4.1)."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import extinction
import numpy as np

from needle_assets.errors import Rejection
from needle_assets.settings import HostSettings
from needle_assets.surveys.panstarrs import EXTINCTION_WAVELENGTH_ANGSTROM

R_V = 3.1
# Not 1/120: with that, positions of known sources come out up to 2.6 arcsec off; with this, the packets' own distances are met.
PS1_ZONE_HEIGHT_DEG = 0.0083333

# Given and computed separations differ by the scatter of a transient's position, of which each publisher has its own: by 0.7 arcsec
# at most in 3,364 real rows. A separation in other units (degrees, arcmin) is always off by more than this.
LEAST_TOLERANCE_ARCSEC, LARGEST_TOLERANCE_ARCSEC = 1.0, 3.0
# Below this redshift, peculiar motion says more than distance does.
SMALLEST_REDSHIFT = 0.002
HUBBLE_DISTANCE_KPC, OMEGA_MATTER = 299792.458 / 70.0 * 1000.0, 0.3

# How ``source`` of a host row that a fetch wrote begins and ends; with COMPLETED its magnitudes were asked for by position.
SHERLOCK, PACKET, COMPLETED, FETCHED = "Sherlock via Lasair", "ZTF packet: PS1", "; Pan-STARRS DR2", " [needle fetch]"
LEGACY = "Legacy Surveys DR10"
# That catalogue looked there and has no likely galaxy, or it never looked; and how a row without a position says so.
NO_HOST, NOT_COVERED = "no host", "not covered"
WITHOUT_HOST = {f"{LEGACY}: {outcome}{FETCHED}": outcome for outcome in (NO_HOST, NOT_COVERED)}
_REDSHIFT = re.compile(r", photometric redshift (\d+\.\d+)(?: \+- (\d+\.\d+))?")


def origin(source: str | None) -> tuple[str, str]:
    """
    Who says where a landed host is, and who says how bright it is.

    The first is ``sherlock``, ``packet`` (the rule of :func:`packet_host`, applied by a fetch) or ``landed`` (somebody's own row),
    the second ``panstarrs`` or ``landed``. ``source`` is that of the row; None is somebody's own.
    """
    said = source or ""
    if not said.endswith(FETCHED):
        return "landed", "landed"
    association = "sherlock" if said.startswith(SHERLOCK) else "packet" if said.startswith(PACKET) else "landed"
    return association, "panstarrs" if said.endswith(COMPLETED + FETCHED) else "landed"


def search_outcome(source: str | None) -> str | None:
    """What a landed row without a host tells of the search for one: ``no host`` or ``not covered``; None where it tells nothing."""
    return WITHOUT_HOST.get(source or "")


def photometric_redshift(source: str | None) -> tuple[float | None, float | None]:
    """
    Photometric redshift of a host and its standard deviation, as ``needle fetch legacy`` writes them into ``source``.

    Either is None where the catalogue has none; both are for a row that somebody else wrote.
    """
    said = source or ""
    found = _REDSHIFT.search(said) if said.startswith(LEGACY) and said.endswith(FETCHED) else None
    if found is None:
        return None, None
    return float(found[1]), None if found[2] is None else float(found[2])


def position_of_ps1_object(ps1_id: int) -> tuple[float, float] | None:
    """
    Right ascension and declination [deg] that a Pan-STARRS object id spells out, or None if it is no such id.

    The id is made of the declination zone (30 arcsec high, counted from the south pole), the right ascension in micro-degrees and
    the rest of the declination in units of 1e-4 zones; the position is exact to some 0.01 arcsec.
    """
    zone, rest = divmod(ps1_id, 10**13)
    right_ascension, remainder = divmod(rest, 10**4)
    ra_deg, dec_deg = right_ascension / 1e6, (zone + remainder / 1e4) * PS1_ZONE_HEIGHT_DEG - 90.0
    return (ra_deg, dec_deg) if 0 <= ra_deg < 360 and -90 <= dec_deg <= 90 and zone > 0 else None


def separation_on_sky_arcsec(ra_deg: float, dec_deg: float, other_ra_deg: float, other_dec_deg: float) -> float:
    """Angle between two directions [arcsec] (haversine: exact for small angles, and around right ascension 0)."""
    ra, dec, other_ra, other_dec = np.radians([ra_deg, dec_deg, other_ra_deg, other_dec_deg])
    half = np.sin((dec - other_dec) / 2) ** 2 + np.cos(dec) * np.cos(other_dec) * np.sin((ra - other_ra) / 2) ** 2
    return float(np.degrees(2 * np.arcsin(np.sqrt(min(half, 1.0)))) * 3600.0)


def kpc_per_arcsec(redshift: float) -> float:
    """Proper length across an angle at a redshift [kpc / arcsec], in a flat universe of H0 = 70 km/s/Mpc and Omega_m = 0.3."""
    steps = np.linspace(0.0, redshift, 65)
    comoving_kpc = HUBBLE_DISTANCE_KPC * np.trapezoid(1.0 / np.sqrt(OMEGA_MATTER * (1 + steps) ** 3 + 1 - OMEGA_MATTER), steps)
    return float(comoving_kpc / (1 + redshift) * np.radians(1 / 3600.0))


def landed_separation_arcsec(
    given_arcsec: float | None, computed_arcsec: float | None, *, redshift: float | None, settings: HostSettings
) -> float | None:
    """
    How far the transient is from a landed host, if it can be its host.

    Parameters
    ----------
    given_arcsec : float or None
        What the host's row says.
    computed_arcsec : float or None
        From the positions of both; None if the transient's is unknown.
    redshift : float or None
        Of the transient; with it the distance on the sky is one in kpc.
    settings : HostSettings
        How far is too far.

    Returns
    -------
    float or None
        The given separation, else the computed one [arcsec].

    Raises
    ------
    Rejection
        If the two contradict each other (by more than half of the computed one, at least 1 and at most 3 arcsec), or if the host is
        farther than a galaxy reaches: ``largest_offset_kpc`` at a known redshift, else ``largest_offset_arcsec``.
    """
    if given_arcsec is not None and computed_arcsec is not None:
        tolerance = min(max(computed_arcsec / 2, LEAST_TOLERANCE_ARCSEC), LARGEST_TOLERANCE_ARCSEC)
        if abs(given_arcsec - computed_arcsec) > tolerance:
            raise Rejection(
                f"the landed host's separation of {given_arcsec:.4g} arcsec contradicts the positions, which are "
                f"{computed_arcsec:.4g} arcsec apart; the host is left out.",
                given_arcsec=given_arcsec,
                computed_arcsec=computed_arcsec,
            )
    separation = computed_arcsec if given_arcsec is None else given_arcsec
    if separation is not None:
        _require_plausible(separation, redshift, settings)
    return separation


def _require_plausible(separation_arcsec: float, redshift: float | None, settings: HostSettings) -> None:
    if redshift is None:
        if separation_arcsec > settings.largest_offset_arcsec:
            raise Rejection(
                f"the landed host is {separation_arcsec:.0f} arcsec away, without a redshift at most "
                f"{settings.largest_offset_arcsec:g} are believed; the host is left out.",
                separation_arcsec=separation_arcsec,
            )
        return
    offset_kpc = separation_arcsec * kpc_per_arcsec(max(redshift, SMALLEST_REDSHIFT))
    if offset_kpc > settings.largest_offset_kpc:
        raise Rejection(
            f"the landed host is {separation_arcsec:.0f} arcsec away, {offset_kpc:.0f} kpc at redshift {redshift:g}; at most "
            f"{settings.largest_offset_kpc:g} kpc are believed. The host is left out.",
            separation_arcsec=separation_arcsec,
            offset_kpc=offset_kpc,
        )


def chance_coincidence(r_mag: float, separation_arcsec: float, *, smallest_radius_arcsec: float = 1.0) -> float:
    """
    Probability that an unrelated galaxy at least this bright lies this near (Bloom et al. 2002, equations 1 to 3).

    ``separation_arcsec`` below ``smallest_radius_arcsec`` counts as that: no position is better than a pixel.
    """
    density = 10 ** (0.33 * (r_mag - 24.0) - 2.44) / (0.33 * math.log(10.0))
    return 1.0 - math.exp(-math.pi * max(separation_arcsec, smallest_radius_arcsec) ** 2 * density)


def packet_host(
    sources: Sequence[Mapping[str, Any]], *, star_score: float = 0.5, largest_p_chance: float = 0.1
) -> dict[str, Any] | None:
    """
    The likeliest host among the Pan-STARRS sources that a packet lists, or None.

    Parameters
    ----------
    sources : sequence of mappings
        ``ps1_id``, ``separation_arcsec``, ``star_score`` (ZTF's sgscore: 1 = star, 0 = galaxy), ``g_mag``, ``r_mag``, ``i_mag``,
        ``z_mag``; unknown is None.
    star_score : float
        Sources scoring above this are stars and are never hosts; 0.5 is ZTF's value for "cannot say" and passes.
    largest_p_chance : float
        The source with the smallest chance coincidence is taken, if it is not larger than this.

    Returns
    -------
    dict or None
        The chosen source with ``p_chance``.

    Notes
    -----
    The paper takes the Sherlock association. A packet does not carry it, so a landing of packets alone follows this rule. Nearest
    alone would prefer a faint knot to the bright galaxy it belongs to; the chance coincidence weighs both.
    """
    galaxies = [s for s in sources if s["separation_arcsec"] is not None and _may_be_galaxy(s["star_score"], star_score)]
    scored = [
        {**s, "p_chance": chance_coincidence(mag, s["separation_arcsec"])} for s in galaxies if (mag := _reddest(s)) is not None
    ]
    best = min(scored, key=lambda s: (s["p_chance"], s["separation_arcsec"]), default=None)
    return best if best is not None and best["p_chance"] <= largest_p_chance else None


def _may_be_galaxy(score: float | None, largest: float) -> bool:
    return score is None or score <= largest


def _reddest(source: Mapping[str, Any]) -> float | None:
    return next((source[name] for name in ("r_mag", "i_mag", "g_mag") if source[name] is not None), None)


def dereddened(mags: Mapping[str, float | None], a_v_mag: float) -> dict[str, float | None]:
    """
    Pan-STARRS magnitudes outside the Milky Way.

    Parameters
    ----------
    mags : mapping of band to magnitude
        Bands 'g' to 'y' [AB mag]; None stays None.
    a_v_mag : float
        Galactic extinction A_V [mag].

    Notes
    -----
    Fitzpatrick (1999) with R_V = 3.1 at the effective wavelengths of the Pan-STARRS bands, as in the authors' code.
    """
    wavelengths = np.array([EXTINCTION_WAVELENGTH_ANGSTROM[band] for band in mags])
    lost = dict(zip(mags, extinction.fitzpatrick99(wavelengths, a_v_mag, R_V), strict=True))
    return {band: None if mag is None else mag - float(lost[band]) for band, mag in mags.items()}
