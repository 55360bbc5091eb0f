"""A home taken into a lake and back, and two homes compared."""

import json

import pytest

from needle_assets.cli.storing import run_compare, run_copy
from needle_assets.errors import WarehouseError
from needle_assets.home import Home, place_of
from needle_assets.settings import SettingsError
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.copies import comparing
from needle_assets_tests.folders import refreshed
from needle_assets_tests.warehouse.test_lake import LAKE


def still(_what, _done, _total):
    pass


def held(home):
    with writing(home.working) as connection:
        return comparing.content(connection)


@pytest.mark.slow
def test_a_home_goes_into_a_lake_and_back_row_for_row(own):
    _, home = own
    before = held(home)
    home.settings_file.write_text(LAKE)
    with pytest.raises(SettingsError, match="needle warehouse copy"):
        home.settings()
    there = run_copy(home, still)
    assert comparing.differences(before, held(home)) == []
    assert there["rows"] > 100
    assert [path.name.split("-")[0] for path in home.backups.iterdir()] == ["replaced"]
    assert (home.published.exists(), home.working.exists()) == (False, False)
    assert refreshed(home) == {}
    home.settings_file.write_text("")
    run_copy(home, still)
    assert comparing.differences(before, held(home)) == []
    assert refreshed(home) == {}


@pytest.mark.slow
def test_a_copy_that_was_cut_short_begins_again(own, monkeypatch):
    _, home = own
    home.settings_file.write_text(LAKE)
    whole = comparing.differences
    monkeypatch.setattr(comparing, "differences", lambda *_: ["core.stamps: 3 rows and 2"])
    with pytest.raises(WarehouseError, match="does not hold what was copied"):
        run_copy(home, still)
    assert place_of(home) is None
    monkeypatch.setattr(comparing, "differences", whole)
    assert run_copy(home, still)["now_in"].startswith("the lake sqlite:")


def test_a_home_that_is_where_it_should_be_has_nothing_to_copy(own, capsys):
    with pytest.raises(SystemExit):
        run_copy(own[1], still)
    assert "nothing to take elsewhere" in capsys.readouterr().err


def test_what_differs_between_two_homes_is_named(own, filled):
    _, home = own
    assert run_compare(home, filled[1].path)["differences"] == []
    with writing(home.working) as connection:
        connection.execute("update core.stamps set mjd = mjd + 1 where candid = (select min(candid) from core.stamps)")
        connection.execute("delete from core.epochs where object_id = (select min(object_id) from core.epochs)")
        one, other = comparing.content(connection), held(filled[1])
    n = other["core.epochs"][0]
    assert comparing.differences(other, one) == [f"core.epochs: {n} rows and {n - 1}", "core.stamps: mjd"]


def test_values_that_changed_places_are_a_difference(own, filled):
    with writing(own[1].working) as connection:
        connection.execute(
            "update core.epochs set first_mjd = e.first_mjd from (select lead(first_mjd, 1, first_mjd) over (order by "
            "object_id) as first_mjd, object_id as id from core.epochs) e where id = object_id"
        )
        found = comparing.content(connection)
    assert comparing.differences(held(filled[1]), found)[0].startswith("core.epochs: first_mjd")


def test_a_new_home_is_bound_to_its_lake_at_once(tmp_path, monkeypatch):
    (tmp_path / "settings.toml").write_text(LAKE)
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))
    home = Home.from_environment()
    assert json.loads((home.state / "lake.json").read_text()) == {
        "catalogue": f"sqlite:{tmp_path}/catalogue.sqlite",
        "data": f"{tmp_path}/rows/",
    }
