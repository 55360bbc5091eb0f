"""A survey that nobody has: other bands, pixels, stamps, depth and ids than ZTF's."""

from needle_assets.surveys.known import SURVEYS
from needle_assets.surveys.survey import Survey

TOY = Survey(
    name="toy",
    id_pattern="TOY-[0-9]{4}",
    id_example="TOY-0001",
    simulated_id_pattern="",
    band_of_number={7: "u", 8: "v"},
    band_spellings={"u": "u", "v": "v", "toyu": "u", "7": "u", "8": "v"},
    extinction_wavelength_angstrom={"u": 3600.0, "v": 5500.0},
    fit_wavelength_angstrom={"u": 3600.0, "v": 5500.0},
    feature_bands=("u", "v"),
    host_bands=("g", "r"),
    pair_bands=("v", "u"),
    pixel_scale_arcsec=0.4,
    cutout_size_px=45,
    stamp_size_px=36,
    detector_shape_px=(1000, 1000),
    detection_limit_mag=22.5,
)


def known() -> None:
    """Make the survey known to this process; before anything else is imported that asks which there are."""
    SURVEYS[TOY.name] = TOY


if __name__ == "__main__":  # the command line, for a child process in which the survey is known
    known()
    from needle_assets.__main__ import main

    main()
