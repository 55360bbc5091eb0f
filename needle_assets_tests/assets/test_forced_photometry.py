"""Forced photometry of both surveys, once an exposure."""

from collections.abc import Sequence

import polars as pl
import pytest

from needle_assets.assets.forced_photometry import forced_photometry
from needle_assets.assets.objects import of_survey
from needle_assets.landing.catalogues.forced import SCHEMA as LANDED
from needle_assets.landing.packets import alert_row, read_packet
from needle_assets.settings import Settings
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.survey import Survey
from needle_assets.surveys.ztf import ZTF
from needle_assets_tests.lsst import MIDPOINT, OBJECT_ID, container, forced, record, source
from needle_assets_tests.packets import JD, packet

FORCED = pl.List(
    pl.Struct(
        {
            **dict.fromkeys(
                ("jd", "magzpsci", "forcediffimflux", "forcediffimfluxunc", "diffmaglim", "ranr", "decnr"), pl.Float64
            ),
            "fid": pl.Int64,
            "procstatus": pl.String,
        }
    )
)
SOURCES = pl.List(
    pl.Struct(
        {
            **dict.fromkeys(("diaForcedSourceId", "visit", "detector"), pl.Int64),
            **dict.fromkeys(
                ("ra", "dec", "midpointMjdTai", "psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr"), pl.Float64
            ),
            **dict.fromkeys(("timeProcessedMjdTai", "timeWithdrawnMjdTai"), pl.Float64),
            "band": pl.String,
        }
    )
)

NO_PACKET = [
    {"object_id": "", "candid": 0, "jd": None, "ra": 0.0, "dec": 0.0, "fp_hists": None, "prvDiaForcedSources": None}
    | {"prv_candidates": [{"ra": 0.0, "dec": 0.0}]}
]


def product_of(survey: Survey, *packets: bytes, landed: Sequence[dict] = (), **more: object):
    names = ("object_id", "candid", "jd", "ra", "dec", "prv_candidates", "fp_hists", "prvDiaForcedSources")
    rows = [{name: row.get(name) for name in names} | more for row in (alert_row(read_packet(data)) for data in packets)]
    alerts = pl.DataFrame(rows or NO_PACKET, schema_overrides={"fp_hists": FORCED, "prvDiaForcedSources": SOURCES}).drop_nulls(
        "jd"
    )
    beside = pl.DataFrame(landed, schema=LANDED).drop("row_number")
    return forced_photometry(of_survey({"raw.alerts": alerts, "raw.forced_photometry": beside}, survey), Settings())


def test_fluxes_of_rubin_are_microjansky_at_the_start_of_the_exposure():
    row, _ = sorted(product_of(LSST, container()).rows, key=lambda row: row["mjd"])
    assert (row["band"], row["flux_microjansky"], row["flux_err_microjansky"]) == ("i", 0.05, 0.09)
    assert (MIDPOINT - 5.0 - row["mjd"]) * 86400 == pytest.approx(52.0, abs=1e-3)


def test_of_several_tellings_the_one_processed_last_counts_whichever_packet_brought_it():
    old, new = forced(flux=50.0), forced(flux=70.0, timeProcessedMjdTai=MIDPOINT + 9)
    first = container(record(prvDiaForcedSources=[new]))
    second = container(record(prvDiaForcedSources=[old], diaSource=source(5, days=1.0)))
    (row,) = product_of(LSST, first, second).rows
    assert row["flux_microjansky"] == pytest.approx(0.07)


def test_what_was_withdrawn_since_or_has_no_error_is_counted_in_a_refusal():
    withdrawn = forced(timeWithdrawnMjdTai=MIDPOINT, timeProcessedMjdTai=MIDPOINT + 9)
    given = [forced(), withdrawn, forced(1, days=-1.0, psfFluxErr=None), forced(2, days=-2.0)]
    product = product_of(LSST, container(record(prvDiaForcedSources=given)))
    assert len(product.rows) == 1
    assert product.rejections[0].measured["n_left_out"] == 2


def test_a_lost_visit_is_suspect():
    lost = forced(flux=-15000.0, psfFluxErr=400.0, scienceFlux=300.0)
    sound = forced(1, days=-1.0, flux=-15000.0, psfFluxErr=400.0, scienceFlux=30000.0)
    rows = product_of(LSST, container(record(prvDiaForcedSources=[lost, sound]))).rows
    assert sorted(row["is_suspect"] for row in rows) == [False, True]


def entry(**changes: object) -> dict:
    told = {"jd": JD - 9, "fid": 1, "magzpsci": 23.9 + 2.5, "forcediffimflux": 12.0, "forcediffimfluxunc": 3.0, "procstatus": "0"}
    return told | dict.fromkeys(("diffmaglim", "ranr", "decnr")) | changes


def test_counts_of_ztf_become_microjansky_by_their_zero_point():
    (row,) = product_of(ZTF, packet("4.02"), fp_hists=[entry()]).rows
    assert (row["band"], row["flux_microjansky"], row["flux_err_microjansky"]) == ("g", pytest.approx(1.2), pytest.approx(0.3))
    assert row["mjd"] == JD - 9 - 2400000.5


@pytest.mark.parametrize(("status", "is_suspect"), [("0", False), ("57", False), (None, False), ("56", True), ("57,61", True)])
def test_ztfs_processing_is_listened_to(status, is_suspect):
    (row,) = product_of(ZTF, packet("4.02"), fp_hists=[entry(procstatus=status)]).rows
    assert row["is_suspect"] is is_suspect


def test_what_was_measured_off_the_object_is_suspect_and_says_how_far():
    off = forced(dec=-47.75 + 0.47 / 3600)
    near = forced(1, days=-1.0, ra=62.5 + 0.1 / 3600)
    rows = product_of(LSST, container(record(prvDiaForcedSources=[off, near]))).rows
    told = sorted((round(row["offset_arcsec"], 2), row["is_suspect"]) for row in rows)
    assert told == [(0.07, False), (0.47, True)]


@pytest.mark.parametrize("turn", [0.0, 180.0])
def test_a_point_measured_off_the_source_is_suspect_on_either_side_of_right_ascension_0(turn):
    east, west, off = ((degrees + turn) % 360.0 for degrees in (0.00001, -0.00001, 0.001))
    given = [forced(ra=west, dec=0.0), forced(1, days=-1.0, ra=off, dec=0.0)]
    sources = {"diaSource": source(ra=east, dec=0.0), "prvDiaSources": [source(1, days=-3.0, ra=west, dec=0.0)]}
    rows = product_of(LSST, container(record(**sources, prvDiaForcedSources=given))).rows
    found = sorted((row["offset_arcsec"], row["is_suspect"]) for row in rows)
    assert found == [(pytest.approx(0.036, abs=1e-3), False), (pytest.approx(3.6, abs=1e-3), True)]


def landed_row(**changes: object) -> dict:
    told = {"object_id": str(OBJECT_ID), "mjd": MIDPOINT - 5.0 - 52.0 / 86400, "band": "i", "flux_microjansky": 0.2}
    return told | {"flux_err_microjansky": 0.1, "status": None, "processed_mjd": None, "source": None} | changes


@pytest.mark.parametrize(("processed_mjd", "is_landed"), [(None, False), (MIDPOINT - 99.0, False), (MIDPOINT + 99.0, True)])
def test_a_landed_point_of_an_exposure_of_a_packet_counts_only_if_it_was_processed_later(processed_mjd, is_landed):
    moved = landed_row(mjd=landed_row()["mjd"] + 5e-5, processed_mjd=processed_mjd)
    first, *_ = sorted(product_of(LSST, container(), landed=[moved]).rows, key=lambda row: row["mjd"])
    assert (first["source"], first["candid"] is None) == (("photometry", True) if is_landed else (None, False))
    assert first["flux_microjansky"] == (0.2 if is_landed else 0.05)


def test_landed_points_of_exposures_that_no_packet_tells_are_rows_once_each_with_their_sign_and_flags():
    mine = landed_row(mjd=60000.0, source="mine", flux_microjansky=-3.0, status="56", processed_mjd=60001.0)
    elsewhere = [mine, landed_row(mjd=60000.00005)]
    rows = product_of(LSST, container(), landed=elsewhere).rows
    (row,) = [row for row in rows if row["candid"] is None]
    assert (row["mjd"], row["is_suspect"], row["source"]) == (60000.0, True, "mine")
    assert len(rows) == len(product_of(LSST, container()).rows) + 1


def test_an_object_of_landed_points_alone_has_forced_photometry():
    (row,) = product_of(LSST, landed=[landed_row(status="0")]).rows
    assert (row["flux_microjansky"], row["is_suspect"], row["offset_arcsec"]) == (0.2, False, None)
