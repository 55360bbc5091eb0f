"""The BTS catalogue and Pan-STARRS magnitudes: what is believed, which row is taken, what each row says."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from needle_assets.assets.detections import hosts as pipeline_hosts
from needle_assets.fetch.catalogues.packet_hosts import update_packet_hosts
from needle_assets.fetch.catalogues.panstarrs import nearest_magnitudes
from needle_assets.fetch.snapshots import MARK
from needle_assets.landing.catalogues import read_catalogue, read_hosts
from needle_assets.landing.packets import alert_row, read_packet
from needle_assets.samples.hosts import origin, position_of_ps1_object
from needle_assets.settings import HostSettings, Settings
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.conftest import Fetcher
from needle_assets_tests.fetch.loopback import Response, says
from needle_assets_tests.instruments import MAG

RA, DEC = 150.0, 2.0


def land(fetcher: Fetcher, *ids: str) -> None:
    """The first packet of each object, in the flat layout that people use."""
    for object_id in ids:
        seen = sky.DETECTIONS[object_id][0]
        path = fetcher.landing / "alerts" / f"{seen.candid}.avro"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sky.packet_of(seen))


def hosts(fetcher: Fetcher) -> dict[str, dict[str, Any]]:
    accepted, refused = read_hosts(fetcher.landing / "hosts.csv")
    assert not refused
    return {row["object_id"]: row for row in accepted.to_dicts()}


def source(ra: float, dec: float, **mags: float | None) -> dict[str, Any]:
    return {"raStack": ra, "decStack": dec} | {f"{band}ApMag": mag for band, mag in mags.items()}


def nearest(rows: list[dict[str, Any]], **how: float) -> dict[str, float] | None:
    return nearest_magnitudes(rows, RA, DEC, **({"radius_arcsec": 5.0, "duplicate_arcsec": 1.0} | how))


def test_the_catalogue_is_kept_as_it_came(fetcher: Fetcher) -> None:
    summary = fetcher("bts")
    assert (summary.objects, summary.is_complete) == (4, True)
    assert (fetcher.landing / "bts.csv").read_bytes() == sky.bts_csv()
    assert fetcher.services.servers["bts"].requests[0].query == {"f": ["s"], "format": ["csv"]}
    assert {row["object_id"] for row in read_catalogue(fetcher.landing / "bts.csv")[0]} >= set(sky.DETECTIONS)


def test_the_same_catalogue_again_touches_nothing(with_catalogue: Fetcher) -> None:
    before = (with_catalogue.landing / "bts.csv").stat().st_mtime_ns
    assert with_catalogue("bts").objects == 0
    assert (with_catalogue.landing / "bts.csv").stat().st_mtime_ns == before


def test_a_catalogue_that_shrank_is_not_believed(with_catalogue: Fetcher) -> None:
    with_catalogue.services.servers["bts"].fault = lambda _q, _r: Response(sky.bts_csv((sky.ACTIVE, sky.OLD)))
    summary = with_catalogue("bts")
    assert "the export holds 2 objects, bts.csv here 4" in summary.failures[0].reason
    assert (with_catalogue.landing / "bts.csv").read_bytes() == sky.bts_csv()
    with_catalogue.changes = {"smallest_catalogue_fraction": 0.5}
    assert with_catalogue("bts").is_complete
    assert (with_catalogue.landing / "bts.csv").read_bytes() == sky.bts_csv((sky.ACTIVE, sky.OLD))


@pytest.mark.parametrize(
    "content", [b"", b"ZTFID,RA\n", sky.bts_csv()[:-30], b"<html>login</html>", sky.bts_csv().split(b"\n")[0]]
)
def test_what_is_no_whole_catalogue_changes_nothing(content: bytes, with_catalogue: Fetcher) -> None:
    with_catalogue.services.servers["bts"].fault = lambda _q, _r: Response(content)
    assert not with_catalogue("bts").is_complete
    assert (with_catalogue.landing / "bts.csv").read_bytes() == sky.bts_csv()


def test_a_damaged_catalogue_is_mended_by_a_new_export(fetcher: Fetcher) -> None:
    fetcher.landing.mkdir()
    (fetcher.landing / "bts.csv").write_bytes(b"")
    assert fetcher("bts").objects == 4


def test_the_nearest_row_counts_not_the_first() -> None:
    far, near = source(RA, DEC + 3 / 3600, g=15.0), source(RA, DEC + 1 / 3600, g=19.0)
    assert nearest([far, near]) == nearest([near, far]) == {"g": 19.0}


def test_rows_of_one_source_are_merged_the_nearest_first() -> None:
    rows = [
        source(RA, DEC + 0.9 / 3600, g=19.3, r=18.3, z=17.3),
        source(RA, DEC + 0.2 / 3600, g=19.0, r=-999.0, i=None),
        source(RA, DEC + 0.5 / 3600, g=19.2, r=18.2, i=17.2),
    ]
    assert nearest(rows) == {"g": 19.0, "r": 18.2, "i": 17.2, "z": 17.3}


def test_another_source_fills_no_gaps() -> None:
    assert nearest([source(RA, DEC, g=19.0), source(RA, DEC + 2.5 / 3600, g=15.0, r=14.0)]) == {"g": 19.0}


def test_a_row_without_magnitudes_or_place_is_no_source() -> None:
    empty, nowhere = source(RA, DEC, g=-999.0, r=math.nan), source(-999.0, -999.0, g=15.0)
    assert nearest([empty, nowhere, source(RA, DEC + 2 / 3600, g=18.5)]) == {"g": 18.5}
    assert nearest([empty, nowhere]) is None
    assert nearest([source(RA, DEC + 6 / 3600, g=18.5)]) is None


OFFSET_ARCSEC = st.integers(-4000, 4000).map(lambda milli: milli / 1000)


@settings(max_examples=30)
@given(st.lists(st.tuples(OFFSET_ARCSEC, OFFSET_ARCSEC, MAG), min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_answer_does_not_matter(offsets: list[tuple[float, float, float]], random: Any) -> None:
    distance = [math.hypot(x * math.cos(math.radians(DEC)), y) for x, y, _ in offsets]
    assume(all(far - near > 1e-4 for near, far in pairwise(sorted(distance))))
    rows = [source(RA + x / 3600, DEC + y / 3600, g=mag) for x, y, mag in offsets]
    shuffled = random.sample(rows, len(rows))
    found = nearest(rows, duplicate_arcsec=0.0)
    assert found == nearest(shuffled, duplicate_arcsec=0.0)
    assert (found is None) == (min(distance) > 5)


def test_hosts_of_packets_are_completed_and_say_so(with_catalogue: Fetcher) -> None:
    land(with_catalogue, sky.ACTIVE, sky.HOSTLESS)
    assert with_catalogue("panstarrs").hosts == 2
    row = hosts(with_catalogue)[sky.ACTIVE]
    number = sky.ps1_id(sky.PLACES[sky.ACTIVE][0] + 0.0003, sky.PLACES[sky.ACTIVE][1])
    assert row["source"] == f"ZTF packet: PS1 {number}; Pan-STARRS DR2{MARK}"
    assert (row["host_ra_deg"], row["host_dec_deg"]) == pytest.approx(position_of_ps1_object(number), abs=1e-7)
    assert [round(row[f"{band}_mag"], 2) for band in "grizy"] == [19.4, 18.8, 18.5, 18.3, 18.1]
    assert row["separation_arcsec"] == pytest.approx(1.1)
    assert with_catalogue("panstarrs").requests == 0


def test_hosts_of_real_packets_are_those_of_the_pipeline(tmp_path: Path, survey: Path) -> None:
    (tmp_path / "alerts").symlink_to(survey / "alerts")
    found = update_packet_hosts(tmp_path, {}, HostSettings())
    rows: dict[str, list[dict[str, Any]]] = {}
    for path in (survey / "alerts").glob("*.avro"):
        row = alert_row(read_packet(path.read_bytes()))
        rows.setdefault(row["object_id"], []).append({k: v for k, v in row.items() if not isinstance(v, list)})
    empty = pl.DataFrame(schema={"object_id": pl.String, "separation_arcsec": pl.Float64, "a_v_mag": pl.Float64})
    for object_id, some in rows.items():
        frames = {"raw.alerts": pl.DataFrame(some, infer_schema_length=None), "raw.hosts": empty, "raw.objects": empty}
        host = pipeline_hosts(frames, Settings()).rows[0]
        assert (found[object_id]["ps1_id"] if object_id in found else None) == _ps1_number(host.get("source"))


def _ps1_number(source: str | None) -> int | None:
    return int(source.removeprefix("PS1 ")) if source else None


def test_sherlock_comes_before_the_packet_and_the_product_names_it(with_catalogue: Fetcher) -> None:
    land(with_catalogue, sky.ACTIVE, sky.HOSTLESS)
    for name in ("panstarrs", "lasair", "panstarrs", "lasair", "panstarrs"):
        assert with_catalogue(name).is_complete
    found = hosts(with_catalogue)
    assert found[sky.ACTIVE]["source"] == f"Sherlock via Lasair: SN, SDSS; Pan-STARRS DR2{MARK}"
    assert (found[sky.ACTIVE]["host_ra_deg"], found[sky.ACTIVE]["host_dec_deg"]) == sky.HOSTS[sky.ACTIVE]
    assert found[sky.HOSTLESS]["source"].startswith("ZTF packet: PS1 ")
    origins = {object_id: origin(row["source"]) for object_id, row in found.items()}
    assert origins == {
        sky.ACTIVE: ("sherlock", "panstarrs"),
        sky.OLD: ("sherlock", "panstarrs"),
        sky.HOSTLESS: ("packet", "panstarrs"),
    }


def test_a_host_that_somebody_gave_is_completed_where_it_is(with_catalogue: Fetcher) -> None:
    given = f"ztf_id,host_ra,host_dec,gAp,mw_corrected,source\n{sky.OLD},210.75,54.5,19.0,true,FLEET\n"
    (with_catalogue.landing / "hosts.csv").write_text(given)
    assert with_catalogue("panstarrs").hosts == 1
    text = (with_catalogue.landing / "hosts.csv").read_text()
    assert f"{sky.OLD},210.75,54.5,19.0,true,FLEET," in text
    last = read_hosts(with_catalogue.landing / "hosts.csv")[0].row(0, named=True)
    assert (last["host_ra_deg"], round(last["y_mag"], 2), last["mw_corrected"]) == (210.75, 18.1, False)
    assert last["source"] == f"FLEET; Pan-STARRS DR2{MARK}"


def test_a_complete_host_is_not_asked_for(with_catalogue: Fetcher) -> None:
    given = f"ztf_id,host_ra,host_dec,gAp,rAp,iAp,zAp,yAp\n{sky.OLD},210.75,54.5,19,18,17,16,15\n"
    (with_catalogue.landing / "hosts.csv").write_text(given)
    assert with_catalogue("panstarrs").requests == 0
    assert (with_catalogue.landing / "hosts.csv").read_text() == given


def test_a_position_without_a_source_is_asked_a_few_times_only(with_catalogue: Fetcher) -> None:
    (with_catalogue.landing / "hosts.csv").write_text(f"ztf_id,host_ra,host_dec,source\n{sky.ELSEWHERE},99.0,1.0,FLEET\n")
    asked = [with_catalogue("panstarrs").requests for _ in range(7)]
    assert asked == [1, 1, 1, 1, 1, 0, 0]


def test_a_newer_packet_may_name_another_host(with_catalogue: Fetcher) -> None:
    land(with_catalogue, sky.ACTIVE)
    with_catalogue("panstarrs")
    ra, dec = sky.PLACES[sky.ACTIVE]
    seen = sky.DETECTIONS[sky.ACTIVE][2]
    other = {"objectidps1": sky.ps1_id(ra, dec + 0.0004), "distpsnr1": 1.4, "sgscore1": 0.02, "srmag1": 17.0}
    newer = sky.packet(object_id=sky.ACTIVE, candid=seen.candid, jd=seen.jd, ra=ra, dec=dec, **other)
    (with_catalogue.landing / "alerts" / f"{seen.candid}.avro").write_bytes(newer)
    assert with_catalogue("panstarrs").hosts == 1
    assert hosts(with_catalogue)[sky.ACTIVE]["source"].startswith(f"ZTF packet: PS1 {other['objectidps1']};")


def test_all_pages_are_read_and_kept(with_catalogue: Fetcher) -> None:
    land(with_catalogue, sky.ACTIVE)
    assert with_catalogue("panstarrs").requests == 3
    kept = [
        with_catalogue.landing / "answers/panstarrs" / kind / f"{sky.ACTIVE}.json" for kind in ("stack", "stack-2", "stack-3")
    ]
    assert all(path.is_file() for path in kept)


def test_columns_in_another_order_are_understood(with_catalogue: Fetcher) -> None:
    def turned(_request: Any, response: Response) -> Response:
        answer = json.loads(response.body)
        return says({"info": answer["info"][::-1], "data": [row[::-1] for row in answer["data"]]})

    land(with_catalogue, sky.ACTIVE)
    with_catalogue.services.servers["panstarrs"].fault = turned
    with_catalogue("panstarrs")
    assert round(hosts(with_catalogue)[sky.ACTIVE]["g_mag"], 2) == 19.4


def test_positions_that_are_no_numbers_are_listed(with_catalogue: Fetcher, tmp_path: Path) -> None:
    (with_catalogue.landing / "hosts.csv").write_text(f"ztf_id,host_ra,host_dec\n{sky.OLD},14:03:00,+54:15:00\n")
    summary = with_catalogue("panstarrs")
    assert "decimal degrees are needed" in summary.failures[0].reason
    assert summary.requests == 0
