"""Real packets of Rubin beside real ones of ZTF, in one landing folder and one refresh."""

import math
import shutil
from pathlib import Path

import fastavro
import pytest

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.surveys.survey import PASSBAND_ERR_MAG
from needle_assets_tests.explore.conftest import asker
from needle_assets_tests.folders import refreshed, rows

N_OF_ZTF = 12
OURS = "object_id not like 'ZTF%'"


@pytest.fixture(scope="module")
def real(survey: Path, rubin: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home refreshed from every real packet of Rubin and a few of ZTF."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "landing" / "alerts").mkdir(parents=True)
    for path in [*sorted((survey / "alerts").glob("*.avro"))[:N_OF_ZTF], *(rubin / "alerts").glob("*.avro")]:
        shutil.copy(path, folder / "landing" / "alerts")
    (folder / "landing" / "bts.csv").write_text("ZTFID,type,redshift\nZTF18abcdefg,SN Ia,0.05\n")
    home = Home(folder / "home").prepare()
    result = run_refresh(home, RefreshOptions(landing=folder / "landing", workers=1))
    assert {name: done["failed"] for name, done in result["assets"].items() if done["failed"]} == {}
    return home


def told(rubin: Path) -> dict[int, float]:
    """The flux of every source of the real packets that belongs to an object, by its number [nJy]."""
    fluxes = {}
    for path in sorted((rubin / "alerts").glob("*.avro")):
        with path.open("rb") as file:
            for given in fastavro.reader(file):
                if given["diaObject"]:
                    fluxes |= {s["diaSourceId"]: s["psfFlux"] for s in [given["diaSource"], *(given["prvDiaSources"] or [])]}
    return fluxes


def test_every_packet_of_both_surveys_is_a_row_or_a_refusal_with_its_reason(real):
    assert dict(rows(real, "select survey, count(*) from raw.alerts group by 1")) == {"lsst": 21, "ztf": N_OF_ZTF}
    refused = rows(real, "select reason from core.rejections where stage = 'landing' and candid is not null")
    assert len(refused) == 3
    assert all("solar-system object" in reason for (reason,) in refused)


def test_light_curves_are_the_numbers_of_the_packets(real, rubin):
    given = told(rubin)
    found = rows(real, f"select candid, mag, is_positive from core.detections where {OURS}")
    refused = rows(real, f"select candid from core.rejections where stage = 'core.detections' and {OURS}")
    assert {candid for candid, *_ in found} | {candid for (candid,) in refused} == set(given)
    assert all(abs(mag - (31.4 - 2.5 * math.log10(abs(given[candid])))) < 1e-6 for candid, mag, _ in found)
    assert all(is_positive == (given[candid] > 0) for candid, _, is_positive in found)


def test_light_curves_of_the_deep_fields_are_fitted_in_their_bands_without_a_gap_in_the_numbers(real):
    fits = rows(real, f"select n_points, reduced_chi2, mag_g, mag_r from core.gp_fits where {OURS} and n_points > 20")
    assert len(fits) == 3
    assert all(0.3 < chi2 < 2.0 for _, chi2, *_ in fits)
    assert all(math.isfinite(value) for *_, g, r in fits for value in (*g, *r))


def test_errors_across_surveys_hold_what_passbands_differ_by(real):
    added = rows(real, "select sqrt(mag_err_across_surveys ** 2 - mag_err ** 2), survey from core.joined_light_curves")
    assert {survey for _, survey in added} == {"ztf", "lsst"}
    assert [error for error, _ in added] == pytest.approx([PASSBAND_ERR_MAG] * len(added), abs=1e-6)


def test_no_stamp_of_rubins_is_among_those_that_networks_see(real):
    for table in ("core.stamps", "core.stamp_quality", "core.masks", "core.masked_stamps"):
        assert rows(real, f"select count(*) from {table} where {OURS}") == [(0,)]


def test_refreshing_both_again_computes_nothing(real):
    assert refreshed(real) == {}


def test_every_packet_of_rubins_has_a_turned_stamp_and_the_one_at_an_edge_says_so(real):
    stamps = rows(real, "select object_id, n_px, len(science), len(difference), is_good, reasons from core.turned_stamps")
    assert len(stamps) == 21
    assert all(n_px**2 == n_science == n_difference for _, n_px, n_science, n_difference, *_ in stamps)
    assert [(name, reasons) for name, *_, is_good, reasons in stamps if not is_good] == [
        ("169298433221853273", ["science incomplete"])
    ]


def test_stamps_say_how_far_they_reach(real):
    found = rows(
        real, "select survey, median(reach_arcsec), list(distinct host_state) from core.host_reach group by 1 order by 1"
    )
    assert found[0][1] == pytest.approx(2.93, abs=0.05)
    assert found[0][2] == ["no host found"]
    assert found[1][1] == pytest.approx(30.3)


def test_the_page_of_an_object_of_rubins_shows_its_stamps_and_what_they_reach(real):
    ask = asker(real)
    page = ask("/objects/313893023095193658").text
    assert "Small stamps" in page
    assert "No host is known" in page
    assert ask("/objects/313893023095193658/stamps/170094456248729605/turned_difference.png").content[:4] == b"\x89PNG"


def test_real_forced_photometry_is_told_once_and_what_was_measured_off_the_object_is_suspect(real, rubin):
    found = rows(
        real, f"select object_id, count(*), count_if(is_suspect) from core.forced_photometry where {OURS} group by 1 order by 1"
    )
    assert [(n, n_suspect) for _, n, n_suspect in found] == [(401, 16), (408, 1), (340, 339)]
    assert rows(real, "select count(*) from core.nightly_fluxes") == [(0,)], "a fit sees them where the settings say so"


def test_deep_field_objects_have_features_and_curves_in_every_band_they_were_seen_in(real):
    columns = "features_from, list_transform(g.other_curves, lambda c: c.band), has_g and has_r"
    found = rows(
        real, f"select {columns} from core.features join core.gp_fits g using (object_id) where {OURS} and n_points > 20"
    )
    assert found == [("detections", ["i", "z"], True)] * 3
    told = "select unnest(list_transform(other_curves, lambda c: c.mag)) from core.gp_fits"
    curves = rows(real, f"{told} where {OURS} and n_points > 20")
    assert all(math.isfinite(value) for (curve,) in curves for value in curve)
