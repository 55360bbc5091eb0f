"""The Transient Name Server's list: with a bot's key, as it came, and never a damaged one."""

import pytest

from needle_assets.fetch import Around, FetchError, fetch
from needle_assets.fetch.catalogues.tns import FILE_NAME
from needle_assets.landing.catalogues import read_tns
from needle_assets.settings import Settings
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.loopback import Response


def test_the_list_lands_as_it_came_and_says_how_many_are_classified(fetcher):
    summary = fetcher("tns")
    assert (summary.is_complete, summary.requests, summary.objects) == (True, 1, 2)
    assert summary.notes == ("2 objects, 1 of them classified",)
    assert (fetcher.landing / FILE_NAME).read_bytes() == sky.tns_zip(*sky.TNS_LINES)
    assert read_tns(fetcher.landing / FILE_NAME)[0]["internal_names"].to_list() == [sky.ACTIVE, None]


def test_a_list_that_lost_objects_is_not_believed(fetcher):
    fetcher("tns")
    fetcher.services.servers["tns"].break_from(0, lambda *_: Response(sky.tns_zip(sky.TNS_LINES[0])))
    summary = fetcher("tns")
    assert "the list holds 1 objects, the one before 2; fewer than 95% of them are not believed" in summary.failures[0].reason
    assert len(read_tns(fetcher.landing / FILE_NAME)[0]) == 2


@pytest.mark.parametrize("body", [sky.tns_zip(), b"PK\x03\x04", b'"a","b"\n'])
def test_what_is_no_list_changes_nothing(fetcher, body):
    fetcher.services.servers["tns"].break_from(0, lambda *_: Response(body))
    assert len(fetcher("tns").failures) == 1
    assert not (fetcher.landing / FILE_NAME).exists()


def test_without_a_key_or_a_bot_nothing_is_asked(tmp_path):
    with pytest.raises(FetchError, match="NEEDLE_TNS_API_KEY is not set; make a bot on"):
        fetch("tns", tmp_path, settings=Settings(), around=Around(environment={}))
    with pytest.raises(FetchError, match="give the number and the name of your bot as tns_bot_id and tns_bot_name"):
        fetch("tns", tmp_path, settings=Settings(), around=Around(environment={"NEEDLE_TNS_API_KEY": sky.TOKEN}))
