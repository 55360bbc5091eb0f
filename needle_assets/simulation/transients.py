"""What explodes: populations by class and noiseless light curves. No cadence and no noise (see ``cadence``), no images.

A light curve is a monochromatic shape (half-flux rise and fade times) times the colour of a black body that cools. Populations
are set from printed medians of the Bright Transient Survey and the NEEDLE training list, not from single objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import NDArray

from needle_assets.labels import SLSN, SN, TDE
from needle_assets.light_curves.extinction import extinction_per_a_v
from needle_assets.surveys.ztf import ZTF

FloatArray = NDArray[np.float64]

OTHER = "other"
REFERENCE_WAVELENGTH_ANGSTROM = 4600.0
FAINTEST_MAG = 40.0
_HC_OVER_K_ANGSTROM_KELVIN = 1.438777e8


@dataclass(frozen=True)
class Population:
    """
    One kind of transient.

    Parameters
    ----------
    label : str
        Class: 'SN', 'SLSN-I', 'TDE' or 'other'.
    weight : float
        Share among the populations of the label.
    types : mapping of str to float
        Names as the catalogue writes them, with their shares.
    abs_mag : (float, float)
        Mean and scatter of the absolute peak magnitude in a flux-limited sample [mag].
    depth_mag : (float, float)
        Shape and scale [mag] of the gamma distribution of how much brighter than ``faintest_mag`` a catalogued peak is.
    faintest_mag : float
        Faintest apparent peak of the catalogue [mag].
    rise_days, fade_days : (float, float)
        Median and logarithmic scatter of the rest-frame time from half flux to peak and back to half flux [d].
    rise_power, fade_power : float
        Steepness: 2 is a Gaussian side, larger a flatter top with a faster end.
    tail_fraction, tail_days : float
        Exponential tail under the fade, as a fraction of the peak, with its decay time [d].
    kelvin : (float, float, float)
        Temperature up to the peak, late temperature [K] and rest-frame cooling time [d].
    """

    label: str
    weight: float
    types: Mapping[str, float]
    abs_mag: tuple[float, float]
    rise_days: tuple[float, float]
    fade_days: tuple[float, float]
    kelvin: tuple[float, float, float]
    depth_mag: tuple[float, float] = (1.5, 0.62)
    faintest_mag: float = 19.0
    rise_power: float = 2.0
    fade_power: float = 1.5
    tail_fraction: float = 0.2
    tail_days: float = 40.0


POPULATIONS: Mapping[str, Population] = MappingProxyType(
    {
        "Ia": Population(
            label=SN,
            weight=0.74,
            types={"SN Ia": 0.94, "Ia": 0.005, "SN Ia?": 0.005, "SN Ia-91T": 0.03, "SN Ia-91bg": 0.01, "SN Ia-pec": 0.01},
            abs_mag=(-19.2, 0.35),
            rise_days=(9.4, 0.18),
            fade_days=(11.5, 0.2),
            kelvin=(10500.0, 4600.0, 18.0),
            tail_fraction=0.22,
        ),
        "II": Population(
            label=SN,
            weight=0.16,
            types={"SN II": 0.84, "SN IIP": 0.08, "SN IIb": 0.08},
            abs_mag=(-17.5, 0.8),
            rise_days=(10.5, 0.5),
            fade_days=(18.0, 0.6),
            kelvin=(13000.0, 5200.0, 25.0),
            fade_power=2.5,
            tail_fraction=0.15,
            tail_days=80.0,
        ),
        "IIn": Population(
            label=SN,
            weight=0.03,
            types={"SN IIn": 0.85, "SN Ibn": 0.15},
            abs_mag=(-18.8, 0.9),
            rise_days=(17.0, 0.5),
            fade_days=(26.0, 0.5),
            kelvin=(12000.0, 7500.0, 60.0),
            tail_fraction=0.4,
            tail_days=90.0,
        ),
        "Ibc": Population(
            label=SN,
            weight=0.055,
            types={"SN Ic": 0.4, "SN Ib": 0.35, "SN Ic-BL": 0.17, "SN Ib/c": 0.08},
            abs_mag=(-17.9, 0.7),
            rise_days=(9.5, 0.3),
            fade_days=(13.0, 0.35),
            kelvin=(7600.0, 4600.0, 18.0),
            tail_fraction=0.25,
        ),
        "SLSN-II": Population(
            label=SN,
            weight=0.015,
            types={"SLSN-II": 1.0},
            abs_mag=(-20.7, 0.6),
            rise_days=(22.0, 0.4),
            fade_days=(36.0, 0.5),
            kelvin=(12000.0, 7000.0, 60.0),
            tail_fraction=0.3,
            tail_days=90.0,
        ),
        "SLSN-I": Population(
            label=SLSN,
            weight=1.0,
            types={"SLSN-I": 1.0},
            abs_mag=(-21.6, 0.7),
            rise_days=(27.0, 0.45),
            fade_days=(19.0, 0.4),
            kelvin=(14000.0, 6500.0, 40.0),
            faintest_mag=19.1,
            rise_power=2.4,
            tail_fraction=0.1,
            tail_days=60.0,
        ),
        "TDE": Population(
            label=TDE,
            weight=1.0,
            types={"TDE": 0.95, "TDE-He": 0.03, "TDE-H-He": 0.02},
            abs_mag=(-19.9, 0.9),
            rise_days=(18.0, 0.5),
            fade_days=(23.0, 0.5),
            kelvin=(17000.0, 17000.0, 100.0),
            faintest_mag=18.8,
            fade_power=1.2,
            tail_fraction=0.1,
            tail_days=100.0,
        ),
        "nova": Population(
            label=OTHER,
            weight=0.5,
            types={"nova": 0.8, "LRN": 0.1, "LBV": 0.1},
            abs_mag=(-7.5, 0.6),
            rise_days=(2.5, 0.5),
            fade_days=(9.0, 0.5),
            kelvin=(9000.0, 6500.0, 20.0),
            fade_power=1.0,
        ),
        "AGN": Population(
            label=OTHER,
            weight=0.5,
            types={"-": 1.0},
            abs_mag=(-20.5, 0.9),
            rise_days=(45.0, 0.5),
            fade_days=(60.0, 0.5),
            kelvin=(15000.0, 14000.0, 100.0),
            fade_power=1.0,
            tail_fraction=0.5,
            tail_days=150.0,
        ),
    }
)


@dataclass(frozen=True)
class Transient:
    """One transient as nature made it; times in the rest frame [d], magnitudes AB, ``a_v_mag`` of the Milky Way."""

    population: str
    label: str
    type_name: str
    redshift: float
    abs_mag: float
    peak_mag: float
    a_v_mag: float
    rise_days: float
    fade_days: float
    peak_kelvin: float
    late_kelvin: float
    zero_mag: float = 0.0

    def mag(self, days_from_peak: FloatArray, band: str) -> FloatArray:
        """
        Noiseless apparent magnitude with Milky Way extinction.

        Parameters
        ----------
        days_from_peak : ndarray, shape (n,)
            Observer-frame days from the peak of the monochromatic shape.
        band : str
            'g', 'r' or 'i'.

        Returns
        -------
        ndarray, shape (n,)
            Magnitude [mag], at most ``FAINTEST_MAG``.
        """
        return self.mag_at(days_from_peak, ZTF.extinction_wavelength_angstrom[band])

    def mag_at(self, days_from_peak: FloatArray, wavelength_angstrom: float) -> FloatArray:
        """The same at any wavelength, for the bands of other surveys."""
        phase = np.asarray(days_from_peak, dtype=float) / (1.0 + self.redshift)
        kind = POPULATIONS[self.population]
        colour = _black_body_ratio(wavelength_angstrom / (1.0 + self.redshift), self._kelvin(phase, kind))
        flux = np.maximum(_shape(phase, self, kind) * colour, 1e-12)
        return np.minimum(
            self.zero_mag - 2.5 * np.log10(flux) + self.a_v_mag * extinction_per_a_v(wavelength_angstrom), FAINTEST_MAG
        )

    def _kelvin(self, phase: FloatArray, kind: Population) -> FloatArray:
        cooled = np.exp(-np.maximum(phase, 0.0) / kind.kelvin[2])
        return self.late_kelvin + (self.peak_kelvin - self.late_kelvin) * cooled


def _shape(phase: FloatArray, transient: Transient, kind: Population) -> FloatArray:
    """Flux at the reference wavelength in units of the peak, over rest-frame days from it."""
    rise = 0.5 ** (np.maximum(-phase / transient.rise_days, 0.0) ** kind.rise_power)
    after = np.maximum(phase, 0.0)
    core = 0.5 ** ((after / transient.fade_days) ** kind.fade_power)
    tail = np.exp(-after / kind.tail_days)
    return rise * ((1.0 - kind.tail_fraction) * core + kind.tail_fraction * tail)


def _black_body_ratio(wavelength_angstrom: float, kelvin: FloatArray) -> FloatArray:
    """Planck's B_nu at a wavelength over that at the reference wavelength."""
    ratio = REFERENCE_WAVELENGTH_ANGSTROM / wavelength_angstrom
    at_reference = np.expm1(_HC_OVER_K_ANGSTROM_KELVIN / (REFERENCE_WAVELENGTH_ANGSTROM * kelvin))
    return ratio**3 * at_reference / np.expm1(_HC_OVER_K_ANGSTROM_KELVIN / (wavelength_angstrom * kelvin))


def draw_transient(label: str, a_v_mag: float, rng: np.random.Generator, *, deeper_mag: float = 0.0) -> Transient:
    """
    Draw one catalogued transient of a class.

    Parameters
    ----------
    label : str
        'SN', 'SLSN-I', 'TDE' or 'other'.
    a_v_mag : float
        Milky Way A_V towards it [mag].
    rng : Generator
        Source of randomness.
    deeper_mag : float
        How much fainter the catalogue reaches than the Bright Transient Survey's [mag].

    Returns
    -------
    Transient
        Its apparent peak is drawn from the magnitude distribution of a flux-limited catalogue and its absolute magnitude from
        that of the class; the redshift follows from both (flat LambdaCDM, section 4.4 of the paper).
    """
    names = [name for name, kind in POPULATIONS.items() if kind.label == label]
    name = _choice(rng, {n: POPULATIONS[n].weight for n in names})
    kind = POPULATIONS[name]
    abs_mag = rng.normal(*kind.abs_mag)
    peak_mag = max(kind.faintest_mag + deeper_mag - rng.gamma(*kind.depth_mag), 13.5)
    hot = np.exp(rng.normal(0.0, 0.12))
    transient = Transient(
        population=name,
        label=label,
        type_name=_choice(rng, kind.types),
        redshift=_redshift_of(peak_mag - a_v_mag - abs_mag),
        abs_mag=abs_mag,
        peak_mag=peak_mag,
        a_v_mag=a_v_mag,
        rise_days=kind.rise_days[0] * np.exp(rng.normal(0.0, kind.rise_days[1])),
        fade_days=kind.fade_days[0] * np.exp(rng.normal(0.0, kind.fade_days[1])),
        peak_kelvin=kind.kelvin[0] * hot,
        late_kelvin=kind.kelvin[1] * hot,
    )
    days = np.arange(-60.0, 120.0)
    brightest = min(transient.mag(days, band).min() for band in ("g", "r"))
    return replace(transient, zero_mag=peak_mag - brightest)


def _choice(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    names, weights = list(shares), np.array(list(shares.values()))
    return names[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random()))]


@lru_cache(maxsize=1)
def _hubble_diagram() -> tuple[FloatArray, FloatArray]:
    """Redshifts, and apparent minus absolute magnitude there for a flat spectrum (distance modulus less 2.5 lg (1 + z))."""
    redshift = np.geomspace(1e-8, 2.0, 600)
    modulus = FlatLambdaCDM(H0=67.7, Om0=0.31).distmod(redshift).value
    return redshift, modulus - 2.5 * np.log10(1.0 + redshift)


def _redshift_of(mag_difference: float) -> float:
    redshift, difference = _hubble_diagram()
    return float(np.interp(mag_difference, difference, redshift))


def apparent_minus_absolute_mag(redshift: float) -> float:
    """Distance modulus less 2.5 lg (1 + z), as the catalogue's absolute magnitudes use it [mag]."""
    grid, difference = _hubble_diagram()
    return float(np.interp(redshift, grid, difference))
