"""A host row says who placed it and who measured it, whichever way it came."""

import polars as pl
import pytest

from needle_assets.assets.detections import hosts
from needle_assets.samples.hosts import origin
from needle_assets.settings import Settings

ORIGINS = {
    "Sherlock via Lasair: SN, SDSS [needle fetch]": ("sherlock", "landed"),
    "Sherlock via Lasair: SN, SDSS; Pan-STARRS DR2 [needle fetch]": ("sherlock", "panstarrs"),
    "ZTF packet: PS1 102000300003000408; Pan-STARRS DR2 [needle fetch]": ("packet", "panstarrs"),
    "FLEET; Pan-STARRS DR2 [needle fetch]": ("landed", "panstarrs"),
    "Sherlock via Lasair: copied by hand": ("landed", "landed"),
    None: ("landed", "landed"),
}


@pytest.mark.parametrize("source", ORIGINS)
def test_a_source_says_who_placed_and_who_measured(source: str | None) -> None:
    assert origin(source) == ORIGINS[source]


@pytest.mark.parametrize(("r_mag", "expected"), [(18.5, ("sherlock", "panstarrs")), (None, ("sherlock", None))])
def test_the_product_says_it_too_and_nothing_of_magnitudes_that_are_not_there(r_mag, expected) -> None:
    source = "Sherlock via Lasair: SN, SDSS; Pan-STARRS DR2 [needle fetch]"
    bands = {"g_mag": None, "r_mag": r_mag, "i_mag": None, "z_mag": None, "y_mag": None}
    place = {"ztf_id": "ZTF18abcdefg", "host_ra_deg": 150.0, "host_dec_deg": 2.0, "separation_arcsec": 1.0}
    landed = pl.DataFrame([{**place, **bands, "mw_corrected": False, "source": source}])
    empty = pl.DataFrame(schema={"ztf_id": pl.String, "a_v_mag": pl.Float64})
    [row] = hosts({"raw.alerts": empty, "raw.hosts": landed, "raw.objects": empty}, Settings()).rows
    assert (row["association"], row["magnitudes_from"]) == expected
