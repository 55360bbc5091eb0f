"""Images of the fields of Rubin's objects: the Legacy Surveys, else Pan-STARRS, else a note."""

import pytest

from needle_assets.images.field_images import field_image
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.test_faults import land_rubin

SOUTH, NORTH, NOWHERE = 313000000000000001, 313000000000000002, 313000000000000003


@pytest.fixture
def landed(fetcher: Fetcher) -> Fetcher:
    for object_id, ra, dec in ((SOUTH, 62.5, -47.0), (NORTH, 62.5, -20.0), (NOWHERE, 5.0, -20.0)):
        land_rubin(fetcher.landing, object_id, ra=ra, dec=dec)
    return fetcher


def test_images_come_from_the_legacy_surveys_else_from_pan_starrs_and_show_the_field(landed: Fetcher) -> None:
    summary = landed("field-images")
    assert (summary.is_complete, summary.asked) == (True, 3)
    assert summary.notes == ("4 images landed", "2 images of fields that neither survey covers")
    found = {path.name: path.read_bytes() for path in (landed.landing / "field_images").iterdir()}
    assert sorted(found) == [f"{object_id}_{band}.fits" for object_id in (SOUTH, NORTH) for band in ("g", "r")]
    scales = [
        field_image(found[f"{name}_g.fits"], 62.5, dec, ZTF).pixel_scale_arcsec for name, dec in ((SOUTH, -47), (NORTH, -20))
    ]
    assert scales == pytest.approx([0.262, 0.25])


def test_only_what_is_missing_is_asked_for(landed: Fetcher) -> None:
    landed("field_images")
    (landed.landing / "field_images" / f"{SOUTH}_r.fits").unlink()
    landed.services.reset()
    landed.clock.sleep(91 * 86400)
    landed("field_images", ids=[str(SOUTH)])
    assert [request.query["bands"] for request in landed.services.servers["field_images"].requests] == [["r"]]
    assert landed.services.servers["field_images_ps1"].requests == []
