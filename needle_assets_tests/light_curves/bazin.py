"""Simulated light curves with known truth, in the shape of Bazin et al. (2009)."""

import numpy as np

from needle_assets.light_curves.light_curve import FloatArray, LightCurve, mag_from_flux

BRIGHTNESS = {"g": 1.0, "r": 0.8}


def bazin_flux(days: FloatArray, band: str, *, amplitude: float = 500.0, rise: float = 5.0, fall: float = 30.0) -> FloatArray:
    """Noiseless flux [microjansky] over days from a little before the peak."""
    return BRIGHTNESS[band] * amplitude * np.exp(-days / fall) / (1.0 + np.exp(-days / rise))


def bazin_mag(days: FloatArray, band: str, **shape: float) -> FloatArray:
    """Noiseless magnitude."""
    return mag_from_flux(bazin_flux(days, band, **shape), 0.0)[0]


def bazin_light_curve(rng: np.random.Generator, *, n: int = 30, error: float = 0.05, **shape: float) -> LightCurve:
    """Detections with ``error`` [mag] in both bands at random times from 12 days before to 60 days after the reference time."""
    days = np.sort(rng.uniform(-12.0, 60.0, n))
    band = rng.choice(["g", "r"], n)
    flux = np.array([bazin_flux(t, b, **shape) for t, b in zip(days, band, strict=True)])
    mag, mag_err = mag_from_flux(flux * (1.0 + error / 1.0857 * rng.standard_normal(n)), error / 1.0857 * flux)
    return LightCurve.of(days, band, mag, mag_err)
