"""The Zwicky Transient Facility."""

from needle_assets.surveys.survey import Survey

ZTF = Survey(
    name="ztf",
    id_pattern="ZTF[0-9]{2}[a-z]{7}",
    id_example="ZTF18abcdefg",
    # Letters that the survey itself does not reach.
    simulated_id_pattern="ZTF[0-9]{2}zz[a-z]{5}",
    band_of_number={1: "g", 2: "r", 3: "i"},
    # Only its own filters: an upper-case R or a sdssg is another instrument's.
    band_spellings={
        spelled: band
        for number, band in enumerate(("g", "r", "i"), start=1)
        for spelled in (band, f"ztf{band}", f"z{band}", str(number), f"{number}.0")
    },
    # NEEDLE 1.0 and 2.0, for the law of Fitzpatrick (1999).
    extinction_wavelength_angstrom={"g": 4829.50, "r": 6463.75, "i": 7883.0},
    # Mean wavelengths that Boone (2019) and the authors fit at.
    fit_wavelength_angstrom={"g": 4813.9, "r": 6421.8},
    feature_bands=("g", "r"),
    host_bands=("g", "r"),
    pair_bands=("r", "g"),
    pixel_scale_arcsec=1.01,
    cutout_size_px=63,
    stamp_size_px=60,
    detector_shape_px=(3080, 3072),
    detection_limit_mag=20.5,
)
