"""Objects at right ascension 0 and at the poles lie where their packets lie."""

import shutil

import duckdb
import pytest

from needle_assets.warehouse import schema
from needle_assets_tests.homes import ask, fill

_PACKET = "insert into raw.alerts by name select ? as object_id, ? as candid, 2459300 as jd, 1 as fid, ? as ra, ? as dec, 18 as magpsf, "
_REST = (
    "'ztf' as survey, "
    "0.1 as sigmapsf, 't' as isdiffpos, true as has_science_cutout, true as has_reference_cutout, true as has_difference_cutout, "
    "'3.3' as schemavsn, '' as publisher, [] as prv_candidates, '' as path, '' as sha256"
)


@pytest.fixture
def database():
    """An empty warehouse in memory, as described."""
    with duckdb.connect(":memory:") as connection:
        schema.apply(connection)
        yield connection


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([(359.9999, 10.0), (0.0001, 10.0)], (0.0, 10.0)),
        ([(359.9, -5.0), (0.1, -5.0), (0.3, -5.0)], (0.1, -5.0)),
        ([(10.0, 89.9999), (190.0, 89.9999)], (None, 90.0)),
        ([(181.25, 33.5)], (181.25, 33.5)),
    ],
)
def test_a_candidate_lies_where_its_packets_lie(database, places, expected):
    database.execute("insert into lineage.objects values ('ZTF21aaaaaaa', 'ztf', now()::timestamp)")
    for candid, place in enumerate(places, start=1):
        database.execute(_PACKET + _REST, ["ZTF21aaaaaaa", candid, *place])
    ra, dec = database.execute("select ra_deg, dec_deg from core.objects").fetchone()
    assert 0.0 <= ra < 360.0
    assert dec == pytest.approx(expected[1], abs=1e-4)
    if expected[0] is not None:
        assert (ra - expected[0] + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-6)


def test_real_packets_around_right_ascension_0(cases, tmp_path):
    landing = shutil.copytree(cases / "ra-wrap" / "landing", tmp_path / "landing")
    fill(tmp_path / "home", landing, select=("core/detections",))
    ((ra, dec),) = ask(tmp_path / "home" / "needle.duckdb", "select ra_deg, dec_deg from core.objects where n_packets = 2")
    assert (ra + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-4)
    assert dec == pytest.approx(10.0, abs=1e-4)
