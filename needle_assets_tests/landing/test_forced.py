"""Landed light curves with a column ``kind``: forced photometry beside detections."""

import polars as pl
import pytest

from needle_assets.errors import Rejection
from needle_assets.landing.catalogues.photometry import read_forced_photometry, read_light_curves, read_photometry
from needle_assets.landing.folder import LandingFile
from needle_assets.landing.scanning import read_whole_file

ZTF, RUBIN = "ZTF21aaaaaaa", "313893023095193658"
HEADER = "object_id,mjd,band,kind,mag,mag_err,isdiffpos,flux_microjansky,flux_err_microjansky,flux,flux_err,zero_point,status"


def read(tmp_path, *lines, header=HEADER):
    path = tmp_path / "photometry.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_light_curves(path)


def forced(values, object_id=ZTF, kind="forced"):
    return f"{object_id},59000.5,g,{kind},{values}"


@pytest.mark.parametrize(
    ("values", "flux", "err"),
    [
        (",,,-3.5,1.5,,,,", -3.5, 1.5),
        (",,,,,250,100,31.4,", 0.25, 0.1),
        ("23.9,0.10857362,,,,,,,", 1.0, 0.1),
        ("23.9,0.10857362,f,,,,,,", -1.0, 0.1),
        ("18.0,0.1,,7.0,2.0,9,9,23.9,57", 7.0, 2.0),
    ],
)
def test_a_forced_flux_is_told_in_microjansky_by_its_zero_point_or_as_a_magnitude_with_a_sign(tmp_path, values, flux, err):
    found = read(tmp_path, forced(values))
    assert found.rejections == []
    assert len(found.detections) == 0
    (row,) = found.forced.iter_rows(named=True)
    assert (row["flux_microjansky"], row["flux_err_microjansky"]) == (pytest.approx(flux), pytest.approx(err))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (",,,3,,,,,", "no flux with a positive error"),
        (",,,3,-1,,,,", "no flux with a positive error"),
        (",,,,,,,,", "no flux with a positive error"),
        (",,,-99999,1,,,,", "no flux with a positive error"),
        (",,,nan,1,,,,", "no flux with a positive error"),
        (",,,,,250,100,,", "flux has no zero_point"),
        ("0,0.1,,,,,,,", "no flux with a positive error"),
        ("19,0.1,maybe,,,,,,", "neither positive nor negative"),
    ],
)
def test_a_forced_row_without_a_flux_is_refused_with_what_it_needs(tmp_path, values, reason):
    found = read(tmp_path, forced(values))
    assert len(found.forced) == 0
    assert reason in found.rejections[0].reason


def test_an_unknown_kind_is_refused_with_its_value_and_one_that_is_not_said_is_an_alert(tmp_path):
    mags = "19.0,0.1,,,,,,,"
    found = read(
        tmp_path, forced(mags, kind="stacked"), forced(mags, kind=""), forced(mags, kind="Alert"), forced(mags, kind="FORCED")
    )
    assert (len(found.detections), len(found.forced)) == (2, 1)
    (refused,) = found.rejections
    assert "kind is none of alert, forced" in refused.reason
    assert refused.measured["kind"] == "stacked"


def test_forced_photometry_freed_of_extinction_is_refused(tmp_path):
    header = "object_id,mjd,band,kind,flux_ujy,flux_err_ujy,mw_corrected"
    found = read(tmp_path, f"{ZTF},59000.5,g,forced,3,1,true", f"{ZTF},59000.5,r,forced,3,1,false", header=header)
    assert found.forced["band"].to_list() == ["r"]
    assert "mw_corrected is true" in found.rejections[0].reason


def test_a_file_of_ztfs_forced_photometry_service_is_read_by_its_names(tmp_path):
    header = "oid,jd,filter,kind,forcediffimflux,forcediffimfluxunc,zpdiff,procstatus"
    line = f"{ZTF},2459001.0,ZTF_r,forced,120,30,26.4,57"
    (row,) = read(tmp_path, line, header=header).forced.iter_rows(named=True)
    assert (row["band"], row["mjd"], row["status"]) == ("r", 59000.5, "57")
    assert row["flux_microjansky"] == pytest.approx(12.0)


def test_fluxes_in_nanojansky_of_a_parquet_file_are_microjansky(tmp_path):
    row = {"object_id": int(RUBIN), "mjd": 61000.0, "band": "i", "kind": "forced", "flux_njy": -50.0, "flux_err_njy": 90.0}
    pl.DataFrame([row | {"status": 0.0}]).write_parquet(tmp_path / "photometry.parquet")
    (found,) = read_forced_photometry(tmp_path / "photometry.parquet")[0].iter_rows(named=True)
    assert (found["object_id"], found["flux_microjansky"], found["status"]) == (RUBIN, pytest.approx(-0.05), "0")


def test_a_file_without_kinds_reads_no_flux_and_needs_magnitudes(tmp_path):
    path = tmp_path / "photometry.csv"
    path.write_text(f"object_id,mjd,band,flux,flux_err\n{ZTF},59000,g,3,1\n")
    with pytest.raises(Rejection, match="has no column mag, mag_err"):
        read_photometry(path)


def said_of(tmp_path, text):
    (tmp_path / "photometry.csv").write_text(text)
    return read_whole_file(tmp_path, LandingFile("photometry.csv", 1, 1, "photometry"))


def test_what_is_said_of_detections_is_the_same_with_and_without_kinds_and_forced_rows(tmp_path):
    plain = f"object_id,mjd,band,mag,mag_err\n{ZTF},59000,g,19,0.1\n"
    kinds = f"object_id,mjd,band,mag,mag_err,kind,isdiffpos\n{ZTF},59000,g,19,0.1,alert,\n{ZTF},59001,g,19,0.1,forced,f\n"
    (before, hashes), (after, hashes_with) = said_of(tmp_path, plain), said_of(tmp_path, kinds)
    assert hashes == hashes_with
    assert (list(before.forced_of), list(after.forced_of)) == ([], [ZTF])
    assert (before.rows_of[ZTF], after.rows_of[ZTF]) == (1, 2)


def test_an_object_of_forced_rows_alone_is_known_and_counted(tmp_path):
    report, hashes = said_of(tmp_path, f"object_id,mjd,band,kind,mag,mag_err\n{RUBIN},61001,y,forced,24,2\n")
    assert (list(hashes), report.is_readable, report.held["rows"]) == ([RUBIN], True, 1)
