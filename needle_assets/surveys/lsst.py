"""Rubin Observatory's Legacy Survey of Space and Time."""

from needle_assets.surveys.survey import Survey

# 5 sigma depth of one visit in r (Ivezic et al. 2019).
DETECTION_LIMIT_MAG = 24.5

# Fluxes come in nJy: an AB magnitude is this minus 2.5 log10 of the flux.
ZEROPOINT_MAG_NJY = 31.4

# International Atomic Time minus UTC since 2017; no further leap second has been announced.
TAI_MINUS_UTC_SECONDS = 37.0

# Packets before schema 11.1 do not say how long they exposed.
USUAL_EXPOSURE_SECONDS = 30.0

# Effective wavelengths [angstrom], as Boone (2019) uses them.
_WAVELENGTHS = {"u": 3671.0, "g": 4827.0, "r": 6223.0, "i": 7546.0, "z": 8691.0, "y": 9710.0}

LSST = Survey(
    name="lsst",
    id_pattern="[1-9][0-9]{14,18}",
    id_example="313893023095193658",
    # Numbers count up from the date of the first visit: these are not reached.
    simulated_id_pattern="999[0-9]{15}",
    # Packets name their bands; the numbers are ours, and none of another survey.
    band_of_number={11: "u", 12: "g", 13: "r", 14: "i", 15: "z", 16: "y"},
    band_spellings={spelled: band for band in _WAVELENGTHS for spelled in (band, f"lsst{band}", f"rubin{band}")},
    extinction_wavelength_angstrom=_WAVELENGTHS,
    fit_wavelength_angstrom=_WAVELENGTHS,
    feature_bands=("g", "r"),
    host_bands=("g", "r"),
    pair_bands=("r", "g"),
    pixel_scale_arcsec=0.2,
    cutout_size_px=30,
    stamp_size_px=30,
    detector_shape_px=(4096, 4096),
    detection_limit_mag=DETECTION_LIMIT_MAG,
    has_turned_stamps=True,
    position_err_arcsec=0.1,
    same_exposure_days=1e-4,
)
