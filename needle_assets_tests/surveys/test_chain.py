"""The chain for a survey of other bands, pixels, stamps, depth and ids, in a home of its own and through the stages on images."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from needle_assets.assets import images
from needle_assets.assets.objects import OBJECTS
from needle_assets.errors import Rejection
from needle_assets.images.stamps import host_position_px, place_cutout
from needle_assets.settings import Settings
from needle_assets.surveys.known import SURVEYS, survey_named, survey_of_id
from needle_assets.surveys.survey import Survey
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.homes import ask, environment_of
from needle_assets_tests.surveys.made_up import TOY

CLASSES = ("SN Ia", "SN Ia", "TDE")
N_OBJECTS = 24
SETTINGS = 'preset = "demo"\n'
PIXELS = pl.Array(pl.Float32, TOY.stamp_size_px**2)


def write_landing(folder: Path) -> Path:
    """A landing folder of rising and fading objects with hosts 2 arcsec away; every third is slower and bluer."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    landed: dict[str, list[dict]] = {"bts": [], "photometry": [], "hosts": []}
    for k in range(N_OBJECTS):
        name, kind = f"TOY-{k:04d}", CLASSES[k % 3]
        said = {"type": kind, "redshift": 0.05 + 0.001 * k, "A_V": 0.1, "peakfilt": "v"}
        landed["bts"].append({"ZTFID": name, "RA": "01:00:00.0", "Dec": f"+{10 + k}:00:00.0", **said})
        landed["hosts"].append({"ztf_id": name, "host_ra": 15.0, "host_dec": 10.0 + k + 2.0 / 3600.0, "gAp": 18.0, "rAp": 17.5})
        landed["photometry"] += light_curve(name, is_slow=kind == "TDE", rng=rng)
    for table, rows in landed.items():
        with (folder / f"{table}.csv").open("w", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


def light_curve(name: str, *, is_slow: bool, rng: np.random.Generator) -> list[dict]:
    days = np.arange(0.0, 60.0, 3.0)
    mag = 17.5 + ((days - 18.0) / (14.0 if is_slow else 9.0)) ** 2 / 4.0 + rng.normal(0.0, 0.03, len(days))
    colour = {"toy-u": -0.5 if is_slow else 0.3, "v": 0.0}
    return [
        {"ztf_id": name, "mjd": 60_000.0 + day, "band": band, "mag": value + more, "mag_err": 0.05}
        for band, more in colour.items()
        for day, value in zip(days, mag, strict=True)
    ]


def needle(home: Path, *arguments: object) -> dict:
    command = [sys.executable, "-m", "needle_assets_tests.surveys.made_up", *map(str, arguments), "--json"]
    done = subprocess.run(command, env=environment_of(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    (folder / "home").mkdir()
    (folder / "home" / "settings.toml").write_text(SETTINGS)
    needle(folder / "home", "refresh", "--landing", write_landing(folder / "landing"), "--workers", 1)
    return folder / "home"


@pytest.mark.slow
def test_objects_are_known_as_the_surveys(home):
    assert ask(home / "needle.duckdb", "select survey, count(*) from core.objects group by 1") == [("toy", N_OBJECTS)]


@pytest.mark.slow
def test_features_are_of_its_bands_and_say_so(home):
    rows = ask(home / "needle.duckdb", "select distinct bands, has_g, has_r, n_det_g > 0, n_det_r > 0 from core.features")
    assert rows == [("u,v", True, True, True, True)]
    query = "select median(peak_g_minus_r_mag) from core.features f join raw.objects using (object_id) where label = 'TDE'"
    assert ask(home / "needle.duckdb", query)[0][0] < -0.3


@pytest.mark.slow
def test_its_light_curves_are_fitted_at_its_wavelengths(home):
    query = "select distinct bands, mag_g is not null, mag_r is not null from core.gp_fits where is_usable"
    assert ask(home / "needle.duckdb", query) == [("u,v", True, True)]


@pytest.mark.slow
def test_hosts_samples_and_models_are_made_of_it(home):
    done = needle(home, "train", "folds", "--workers", 1)
    assert done is not None
    tables = ("core.hosts where is_hosted", "core.splits", "core.synthetic_samples where bands = 'u,v'", "results.predictions")
    n_rows = [ask(home / "needle.duckdb", f"select count(*) from {table}")[0][0] for table in tables]
    assert all(n_rows), dict(zip(tables, n_rows, strict=True))


def pair() -> tuple[np.ndarray, np.ndarray]:
    """A science and a reference cutout: the transient in the middle pixel of the first, another star in both."""
    rng, size = np.random.default_rng(3), TOY.cutout_size_px
    rows, columns = np.mgrid[:size, :size]
    beside = 900.0 * np.exp(-0.5 * ((columns - 9) ** 2 + (rows - 11) ** 2))
    target = 300.0 * np.exp(-0.5 * ((columns - size // 2) ** 2 + (rows - size // 2) ** 2))
    return rng.normal(100, 5, (size, size)) + beside + target, rng.normal(40, 1.5, (size, size)) + beside


def stamp_row(candid: int, band: str, *, is_damaged: bool = False) -> dict:
    science, reference = (place_cutout(cutout, TOY, xpos=500.0, ypos=500.0) for cutout in pair())
    pixels = np.where(np.arange(TOY.stamp_size_px) < 5, np.nan, science.image) if is_damaged else science.image
    place = {"target_x_px": science.target_x_px, "target_y_px": science.target_y_px, "host_x_px": None, "host_y_px": None}
    flat = {"science": pixels.ravel().tolist(), "reference": reference.image.ravel().tolist()}
    return {"object_id": "TOY-0001", "candid": candid, "band": band, "mjd": 60_000.0 + candid, **flat, **place}


def walk(rows: list[dict]) -> dict[str, pl.DataFrame]:
    """Quality, restoration, masks and masked stamps of an object by the real stages."""
    floats = dict.fromkeys(("host_x_px", "host_y_px"), pl.Float64)
    stamps = pl.DataFrame(rows, schema_overrides={"science": PIXELS, "reference": PIXELS, **floats})
    frames = {OBJECTS: pl.DataFrame({"object_id": ["TOY-0001"], "survey": ["toy"]}), "core.stamps": stamps}
    frames["core.stamp_quality"] = pl.DataFrame(images.stamp_quality(frames, Settings()).rows)
    kinds = {"object_id": pl.String, "candid": pl.Int64, "image": pl.String, "pixels": PIXELS, "is_accepted": pl.Boolean}
    restored = [{**row, "pixels": row["pixels"].ravel().tolist()} for row in images.restored_stamps(frames, Settings()).rows]
    frames["core.restored_stamps"] = pl.DataFrame([{name: row[name] for name in kinds} for row in restored], schema=kinds)
    found = [
        {k: v.ravel().tolist() if isinstance(v, np.ndarray) else v for k, v in row.items()}
        for row in images.masks(frames, Settings()).rows
    ]
    bits = pl.Array(pl.Boolean, TOY.stamp_size_px**2)
    frames["core.masks"] = pl.DataFrame(found, schema_overrides={"mask": bits, "replaced": bits})
    frames["core.epochs"] = pl.DataFrame({"object_id": ["TOY-0001"], "classification_mjd": [60_010.0]})
    frames["core.detections"] = pl.DataFrame(schema={"candid": pl.Int64, "mag": pl.Float64, "is_positive": pl.Boolean})
    return frames


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Survey:
    monkeypatch.setitem(SURVEYS, TOY.name, TOY)
    return TOY


def test_a_stamp_has_the_surveys_size_and_the_target_in_its_middle_pixel():
    placed = place_cutout(pair()[0], TOY, xpos=500.2, ypos=500.0)
    assert placed.image.shape == (36, 36)
    assert (placed.target_x_px, placed.target_y_px) == pytest.approx((18.2, 18.0))
    assert np.unravel_index(placed.image[12:25, 12:25].argmax(), (13, 13)) == (6, 6)


def test_a_host_lies_where_the_surveys_pixels_put_it():
    place = {"target_ra_deg": 10.0, "target_dec_deg": 0.0, "host_ra_deg": 10.0, "host_dec_deg": 2.0 / 3600.0}
    found = host_position_px(**place, target_x_px=18.0, target_y_px=18.0, pixel_scale_arcsec=TOY.pixel_scale_arcsec)
    assert found == pytest.approx((18.0, 13.0))


def test_images_of_another_size_are_judged_repaired_and_masked(toy):
    frames = walk([stamp_row(1, "u"), stamp_row(2, "v"), stamp_row(3, "v", is_damaged=True)])
    assert frames["core.stamp_quality"]["is_good"].to_list() == [True, True, True, True, False, True]
    assert frames["core.restored_stamps"]["is_accepted"].to_list() == [True]
    (chosen,) = images.masked_stamps(frames, Settings()).rows
    assert (chosen["band"], chosen["candid"], chosen["science"].shape) == ("v", 2, (36, 36))
    assert np.asarray(chosen["mask"]).reshape(36, 36)[18, 18]


def test_a_pair_in_none_of_the_surveys_bands_is_refused_by_their_names(toy):
    frames = walk([stamp_row(1, "z")])
    with pytest.raises(Rejection, match="usable pair in v or u"):
        images.masked_stamps(frames, Settings())


def test_a_survey_is_found_by_its_name_and_by_an_objects_id(toy):
    assert survey_named("toy") is survey_of_id("TOY-0001") is TOY
    assert survey_of_id("ZTF18abcdefg") is ZTF
    assert survey_of_id("SN2018abc") is None
    with pytest.raises(KeyError, match="'des' is no known survey; there is ztf, lsst, toy"):
        survey_named("des")


@pytest.mark.parametrize("wrong", [{"feature_bands": ("u", "x")}, {"cutout_size_px": 44}, {"stamp_size_px": 45}])
def test_a_survey_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(ValueError, match="survey toy"):
        replace(TOY, **wrong)
