"""Images of fields from the landing folder to the warehouse and the object's page."""

import numpy as np
import pytest

from needle_assets.home import Home
from needle_assets.warehouse.pages import objects as pages
from needle_assets.warehouse.pages.published import Published
from needle_assets_tests import lsst
from needle_assets_tests.fetch.sky import field_fits
from needle_assets_tests.homes import ask, fill

OBJECT = str(lsst.OBJECT_ID)
SELECT = ("core/field_images",)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with three images of one object's field, of which one shows another place, and one file that names no object."""
    folder = tmp_path_factory.mktemp("fields")
    landing = folder / "landing"
    (landing / "alerts").mkdir(parents=True)
    (landing / "field_images").mkdir()
    (landing / "bts.csv").write_text("ZTFID,RA,Dec,type\n")
    (landing / "alerts" / "1.avro").write_bytes(lsst.container())
    for band, dec in (("g", -47.75), ("r", -47.75), ("z", -47.0)):
        (landing / "field_images" / f"{OBJECT}_{band}.fits").write_bytes(field_fits(62.5, dec, 256, 0.262))
    (landing / "field_images" / "M31.fits").write_bytes(b"")
    fill(folder / "home", landing, select=SELECT)
    return Home(folder / "home")


def test_an_image_is_a_row_with_its_mask_and_others_are_refused_with_the_reason(home):
    rows = ask(home.published, "select band, host_state, unit, pixel_scale_arcsec, n_kept from core.field_images order by band")
    assert [row[:3] for row in rows] == [("g", "none", "nanomaggy"), ("r", "none", "nanomaggy")]
    assert rows[0][3] == pytest.approx(0.262)
    refused = ask(
        home.published, "select stage, object_id, reason from core.rejections where reason like '%field%' or reason like '%name%'"
    )
    by_stage = {stage: (object_id, reason) for stage, object_id, reason in refused}
    assert by_stage["core.field_images"][0] == OBJECT
    assert "is not in the image" in by_stage["core.field_images"][1]
    assert "says no object and band" in by_stage["landing"][1]


def test_the_source_beside_the_object_is_masked_and_the_field_is_left(home):
    ((image, masked, mask),) = ask(home.published, "select image, masked, mask from core.field_images where band = 'g'")
    image, masked, mask = (np.array(pixels).reshape(60, 60) for pixels in (image, masked, mask))
    row, column = np.unravel_index(np.nanargmax(image), image.shape)
    assert (row, column) == (27, 25)
    assert not mask[row, column]
    assert masked[row, column] < 0.2 * image[row, column]
    assert mask[29, 29]


def test_the_page_of_the_object_shows_it(home):
    published = Published(home.published)
    assert [field["band"] for field in pages.told(published, OBJECT)["field_images"]] == ["g", "r"]
    found = pages.field_picture(published, OBJECT, "g", "masked")
    assert (len(found["pixels"]), found["target_x_px"]) == (3600, 29.5)
    assert pages.field_picture(published, OBJECT, "z", "image") == {}
    published.close()


def test_an_image_that_vanishes_keeps_its_row_and_one_that_changes_replaces_it(home):
    folder = home.landing() / "field_images"
    (folder / f"{OBJECT}_g.fits").unlink()
    (folder / "M31.fits").unlink()
    (folder / f"{OBJECT}_r.fits").write_bytes(field_fits(62.5, -47.75, 256, 0.25))
    done = fill(home.path, select=SELECT)
    assert done["assets"]["core/field_images"]["computed"] == 1
    rows = ask(home.published, "select band, round(pixel_scale_arcsec, 3) from core.field_images order by band")
    assert rows == [("g", 0.262), ("r", 0.25)]
    assert ask(home.published, "select count(*) from core.rejections where reason like '%says no object and band%'") == [(0,)]
