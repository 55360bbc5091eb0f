"""The maps of dust: once, whole, and on from where a connection broke."""

import pytest

from needle_assets.landing.dust import read_dust
from needle_assets.landing.names import DUST_NORTH, DUST_SOUTH
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.loopback import FAULTS, Response
from needle_assets_tests.landing.test_dust import dust_map


def test_both_maps_land_as_they_came_and_are_asked_for_once(fetcher):
    summary = fetcher("dust")
    assert (summary.is_complete, summary.requests) == (True, 2)
    assert {path.name: path.read_bytes() for path in (fetcher.landing / "dust").iterdir()} == sky.DUST_MAPS
    assert len(read_dust(fetcher.landing / "dust" / DUST_NORTH, [])[0]) == 1
    assert fetcher("dust").requests == 0


def test_a_broken_connection_goes_on_where_it_broke(fetcher):
    server = fetcher.services.servers["dust"]
    server.fault, server.is_faulty = FAULTS["half"], lambda number: number == 0
    assert fetcher("dust").is_complete
    assert [request.headers.get("Range") for request in server.requests][1] == f"bytes={len(dust_map(-1)) // 2}-"
    assert (fetcher.landing / "dust" / DUST_SOUTH).read_bytes() == dust_map(-1)


@pytest.mark.parametrize("body", [b"<html>", dust_map(1)[:3000], dust_map(1, value=-1.0)])
def test_what_is_no_map_does_not_land(fetcher, body):
    fetcher.services.servers["dust"].break_from(0, lambda *_: Response(body))
    assert len(fetcher("dust").failures) == 2
    assert not (fetcher.landing / "dust").exists()


def test_a_damaged_map_is_fetched_again(fetcher):
    fetcher("dust")
    (fetcher.landing / "dust" / DUST_NORTH).write_bytes(b"damaged")
    assert fetcher("dust").requests == 1
    assert (fetcher.landing / "dust" / DUST_NORTH).read_bytes() == dust_map(1)
