"""Every failure of a run is told, and what only shows something stops nothing."""

import pytest

from needle_assets.assets import detections, stamps
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records import pictures
from needle_assets.pipeline import plan, run_stage, tell
from needle_assets.pipeline.claims import GateError
from needle_assets.pipeline.session import RefreshError, Session
from needle_assets.pipeline.train import train_folds
from needle_assets.pipeline.train_quality import train_quality
from needle_assets.stages import stage_named
from needle_assets.warehouse import ledger
from needle_assets.warehouse.connection import writing
from needle_assets_tests.homes import ask, instance_of

QUIETLY = {"workers": 1}


def fails_for(monkeypatch, module, name: str, object_id: str) -> None:
    """The code of a stage fails on one object."""
    original = getattr(module, name)

    def compute(frames, settings):
        if any(object_id in frame["object_id"] for frame in frames.values() if "object_id" in frame.columns):
            raise ZeroDivisionError("a bug of ours")
        return original(frames, settings)

    monkeypatch.setattr(module, name, compute)


def someone(home: Home) -> str:
    return str(ask(home.published, "select min(object_id) from core.masked_stamps")[0][0])


def test_a_failing_object_keeps_its_rows_stays_stale_and_is_told(own, monkeypatch) -> None:
    home, object_id = own[1], someone(own[1])
    before = ask(home.published, f"from core.hosts where object_id = '{object_id}'")
    home.settings_file.write_text("[hosts]\nlargest_p_chance = 0.05\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        fails_for(patch, detections, "hosts", object_id)
        done = run_refresh(home, RefreshOptions(**QUIETLY))["assets"]["core/hosts"]
    assert (done["failed"], done["computed"]) == (1, len(ask(home.published, "from lineage.objects")) - 1)
    assert ask(home.published, f"from core.hosts where object_id = '{object_id}'") == before
    reasons = ask(home.published, f"select reason from core.rejections where stage = 'core.hosts' and object_id = '{object_id}'")
    assert reasons == [("the code failed (ZeroDivisionError: a bug of ours); what was stored before is kept",)]
    assert plan.stale(Session(home, home.settings()))["core.hosts"] == [object_id]
    assert run_refresh(home, RefreshOptions(**QUIETLY))["assets"]["core/hosts"]["computed"] == 1


def test_failing_objects_broken_claims_and_steps_that_fail_are_told_together(own, monkeypatch) -> None:
    home = own[1]
    fails_for(monkeypatch, detections, "hosts", someone(home))
    original, refresh_stage = stamps.stamps, run_stage.refresh_stage

    def elsewhere(frames, settings):
        product = original(frames, settings)
        product.rows[:] = [{**row, "target_x_px": 40.0} for row in product.rows]
        return product

    def one_step_fails(session, stage, **given):
        if stage.table in ("core.gp_fits", "core.upper_limits"):
            raise RefreshError(f"{stage.table} broke its step.")
        return refresh_stage(session, stage, **given)

    monkeypatch.setattr(stamps, "stamps", elsewhere)
    monkeypatch.setattr(run_stage, "refresh_stage", one_step_fails)
    before = home.published.stat().st_ino
    with pytest.raises(RefreshError) as told:
        run_refresh(home, RefreshOptions(recompute=("core/hosts", "core/stamps"), **QUIETLY))
    for part in ("core.gp_fits broke", "core.upper_limits broke", "1 of core.hosts could not be computed", "targets_are_central"):
        assert part in str(told.value)
    assert home.published.stat().st_ino == before


def test_a_tally_that_fails_stops_nothing(own, monkeypatch) -> None:
    def fail(*_given):
        raise ValueError("no such colour")

    home = own[1]
    monkeypatch.setattr(tell, "tallies", fail)
    done = run_refresh(home, RefreshOptions(recompute=("core/stamp_quality", "core/splits"), **QUIETLY))
    assert done["assets"]["core/stamp_quality"]["computed"] == len(ask(home.published, "from lineage.objects"))
    assert ask(home.published, "select count(*) from lineage.ledger where not is_told") == [(0,)]


def test_pictures_are_drawn_of_a_few_objects_asked_for_by_name_and_one_that_fails_says_why(own, monkeypatch) -> None:
    def fail(_session, _stage, key):
        raise ValueError(f"no such colour in {key}")

    session, stage = Session(own[1], own[1].settings(), workers=1), stage_named("core.stamps")
    monkeypatch.setattr(pictures, "_markdown", fail)
    drawn = pictures.make(session, stage, ["a", "b", "c"], ["b", "d"])
    assert {key: picture.value for key, picture in drawn.items()} == {
        "b": "the picture could not be drawn (ValueError: no such colour in b)"
    }
    assert pictures.make(session, stage, ["a", "b"], []) == {}
    assert pictures.make(session, stage, list("abcde"), list("abcde")) == {}


def test_a_refresh_draws_nothing_and_links_each_object_to_its_page(filled) -> None:
    with instance_of(filled[1].path) as instance:
        for table in ("core.stamps", "core.gp_fits", "core.masked_stamps"):
            told = [
                record.asset_materialization for record in instance.fetch_materializations(asset_key(table), limit=100).records
            ]
            assert told
            assert all(one.metadata["page"].value == f"/objects/{one.partition}" for one in told)
            assert not any("picture" in one.metadata for one in told)


@pytest.mark.slow
def test_with_very_many_objects_there_is_one_event_a_write_and_none_of_them_is_told_twice(own) -> None:
    home, key = own[1], asset_key("core.hosts")
    home.settings_file.write_text("[dagster]\nobject_events_up_to = 1\n", encoding="utf-8")
    n_objects = len(ask(home.published, "from lineage.objects"))

    def events() -> list[tuple[str | None, object]]:
        with instance_of(home.path) as instance:
            found = [record.asset_materialization for record in instance.fetch_materializations(key, limit=1000).records]
        return [(event.partition, event.metadata.get("objects")) for event in found]

    before = len(events())
    run_refresh(home, RefreshOptions(recompute=("core/hosts",), **QUIETLY))
    assert (len(events()), events()[0][0], events()[0][1].value) == (before + 1, None, n_objects)
    with writing(home.working) as connection:
        connection.execute("update lineage.ledger set is_told = false where asset = 'core.hosts'")
    run_refresh(home, RefreshOptions(recompute=("core/splits",), **QUIETLY))
    assert len(events()) == before + 1
    assert ask(home.published, "select count(*) from lineage.ledger where not is_told") == [(0,)]


def test_a_training_leaves_out_what_failed_and_refuses_what_is_stale(own, monkeypatch) -> None:
    home, object_id = own[1], someone(own[1])
    session = Session(home, home.settings(), workers=1).open()
    assert plan.may_train(session, "results.fold_models") == {}
    home.settings_file.write_text("[hosts]\nlargest_p_chance = 0.05\n", encoding="utf-8")
    stricter = Session(home, home.settings(), workers=1)
    with pytest.raises(GateError, match=r"results.fold_models is not trained.* core.hosts \(\d\); run `needle refresh` first"):
        train_folds(stricter)
    with pytest.raises(GateError, match=r"results.quality_models is not trained.* core.hosts \(\d\); run `needle refresh` first"):
        train_quality(stricter)
    fails_for(monkeypatch, detections, "hosts", object_id)
    run_refresh(home, RefreshOptions(**QUIETLY))
    assert plan.may_train(stricter, "results.fold_models") == {"core.hosts": [object_id]}
    home.settings_file.write_text("[hosts]\nlargest_p_chance = 0.06\n", encoding="utf-8")
    with pytest.raises(GateError, match=r"core\.hosts"):
        plan.may_train(Session(home, home.settings(), workers=1), "results.fold_models")


def test_another_checker_makes_its_own_training_not_stale_and_that_of_classifiers_stale(own) -> None:
    home, read = (
        own[1],
        ledger.columns_key("results.quality_models", stage_named("core.stamp_quality").reads["results.quality_models"]),
    )
    with writing(home.working) as connection:
        connection.execute("insert into lineage.contents values ('results.quality_models', ?, '', 'abc')", [read])
    session = Session(home, home.settings(), workers=1)
    assert "core.stamp_quality" in plan.stale(session)
    assert plan.may_train(session, "results.quality_models", ignoring="results.quality_models") == {}
    with pytest.raises(GateError, match=r"core\.stamp_quality"):
        plan.may_train(session, "results.fold_models")
    with writing(home.working) as connection:
        connection.execute("update lineage.contents set content_hash = 'def' where asset = 'core.stamps'")
    with pytest.raises(GateError, match=r"core\.stamp_quality"):
        plan.may_train(session, "results.quality_models", ignoring="results.quality_models")
