"""A broken blocking claim blocks until it holds again: in every session, by every way to start work."""

import json

import dagster as dg
import pytest

from needle_assets.cli import command as cli
from needle_assets.home import Home
from needle_assets.orchestration.graph import stage_assets
from needle_assets.orchestration.jobs.nightly import nightly_job
from needle_assets.orchestration.jobs.refresh import refresh_job
from needle_assets.orchestration.jobs.training import train_job
from needle_assets.orchestration.keys import PARTITIONS
from needle_assets.orchestration.running import needle, working_session
from needle_assets.pipeline.claims import Claims, GateError
from needle_assets.pipeline.session import Session
from needle_assets.stages import STAGES, made_from
from needle_assets.warehouse.checks import CHECKS
from needle_assets.warehouse.connection import writing
from needle_assets_tests.homes import ask, instance_of

SOMEONE = "(select min(object_id) from core.splits where not is_untouched)"
MODEL = (
    "insert into results.training_sets by name select 'set' as training_set_id, s.object_id, label, validation_of, rule, '' as row_hash "
    "from core.splits s where not is_untouched;"
    "insert into results.fold_models (model_id, ablation, model_kind, fold, n_folds, folds, classes, training_set_id, fingerprint, "
    "n_training, n_synthetic, n_validation, trained_ids, validated_ids, parent_ids, scaled_ids, seed, weights, scaler, "
    "feature_weights, history_training_loss, history_validation_loss, best_epoch, n_shown, seconds, device, is_bit_exact, settings, "
    "git_sha, trained_at) select 'model', 'metadata', 'metadata', 0, 2, [0], ['SN', 'TDE'], 'set', '', 1, 0, 1, [{trained}], "
    "[{validated}], [], [{scaled}], 1, ''::blob, '{{}}', [], [], [], 1, 1, 1, 'cpu', true, '{{}}', null, now()::timestamp;"
)
OTHER_MODEL = (
    "insert into results.other_models by name select 'other' as model_id, 'trees' as model_kind, '' as fingerprint, 2 as n_folds, "
    "0.5 as prior, 1 as n_classified, 0 as n_other, 0.5 as roc_area, 0.5 as roc_area_low, 0.5 as roc_area_high, 0.5 as pr_area, "
    "0.5 as pr_area_low, 0.5 as pr_area_high, [] as features, [min(object_id)] as trained_ids, [0] as fold_of, [false] as is_other, "
    "[0.1] as p_other, [] as weights, 1.0 as slope, 0.0 as intercept, 1 as seed, 1.0 as seconds, now()::timestamp as trained_at "
    "from core.splits where not is_untouched;"
)
HONEST = {"trained": SOMEONE, "validated": "", "scaled": SOMEONE}
BREAKS = {
    "objects_are_named_once": "update raw.objects set object_id = 'M31' where object_id = (select min(object_id) from raw.objects)",
    "labels_are_known": "create or replace table raw.objects as from raw.objects; "
    "update raw.objects set label = 'star' where object_id = (select min(object_id) from raw.objects)",
    "every_packet_is_a_row_or_a_rejection": "delete from raw.alerts where candid = (select min(candid) from raw.alerts)",
    "bands_are_the_surveys": "update core.detections set band = 'u' where object_id = (select min(object_id) from core.detections)",
    "stamped_detections_are_packets": "update core.detections set candid = 1 where has_stamp and candid is not null",
    "hosted_objects_have_a_host": "update core.hosts set is_hosted = not is_hosted",
    "targets_are_central": "update core.stamps set target_x_px = 35.0",
    "places_are_kept": f"{MODEL.format(**HONEST)} update core.splits set validation_of = [9] where object_id = {SOMEONE}",
    "one_object_has_one_place": "update core.splits set identity = (select min(object_id) from core.splits)",
    "parents_are_in_the_training_part": "insert into core.synthetic_samples by name select 'metadata' as model_kind, 0 as fold, "
    "'TDE' as label, 0 as sample, 'g,r' as bands, 'ZTF18abcdefg' as light_curve_parent, 'ZTF18abcdefg' as image_parent, "
    "0.1 as light_curve_redshift, 0.1 as image_redshift, 1 as seed, 0 as rotation_deg, false as flip, 1 as n_attempts, "
    "1 as n_det_g, 1 as n_det_r, '' as parents_hash",
    "untouched_objects_have_no_part_in_a_model": f"{MODEL.format(**HONEST)} "
    "update core.splits set is_untouched = true, fold = null, validation_of = [] where not is_untouched",
    "validated_objects_train_nothing": MODEL.format(**{**HONEST, "validated": SOMEONE}),
    "scalers_know_the_training_part_only": MODEL.format(trained="", validated="", scaled=SOMEONE),
    "models_judge_what_they_were_not_trained_on": f"{MODEL.format(**HONEST)} insert into results.predictions by name select "
    f"{SOMEONE} as object_id, 'metadata' as ablation, 'metadata' as model_kind, 0 as fold, 'model' as model_id, 'validation' as set, "
    "1.0 as p_sn, 0.0 as p_slsn, 0.0 as p_tde",
}
DOUBTS = {
    "catalogue_and_name_server_agree": "insert into raw.tns by name select object_id, 'SN2030a' as iau_name, 'AGN' as type, "
    "true as is_type_known, 'internal name' as matched_by from raw.objects where label is not null limit 1",
    "packets_lie_where_the_object_is": "update raw.alerts set ra = ra + 0.01 where candid = (select min(candid) from raw.alerts)",
    "detections_are_plausible": "update core.detections set mag = 99 where object_id = (select min(object_id) from core.detections)",
    "untouched_objects_train_no_model_of_what_is_none_of_the_classes": f"{OTHER_MODEL} "
    f"update core.splits set is_untouched = true, fold = null, validation_of = [] where object_id = {SOMEONE}",
    "models_know_all_ids_of_their_objects": f"{MODEL.format(**HONEST)} update core.splits set other_ids = ['ZTF18abcdefg'] "
    f"where object_id = {SOMEONE}",
}
BLOCKING = {check.name: check for check in CHECKS if check.is_blocking}
# One of what landed, of an object's rows, of the whole sample, and of what models say.
OF_EACH_KIND = (
    "labels_are_known",
    "targets_are_central",
    "one_object_has_one_place",
    "models_judge_what_they_were_not_trained_on",
)


def break_claim(home, name: str) -> None:
    with writing(home.working) as connection:
        for statement in (BREAKS | DOUBTS)[name].split(";"):
            if statement.strip():
                connection.execute(statement)


def kept(home) -> dict[str, bytes]:
    """The working file and its log."""
    return {path.name: path.read_bytes() for path in home.state.glob("working.duckdb*")}


def restore(home, files: dict[str, bytes]) -> None:
    for path in home.state.glob("working.duckdb*"):
        path.unlink()
    for name, content in files.items():
        (home.state / name).write_bytes(content)


def command(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code and what was printed."""
    try:
        cli.main(list(arguments))
        code = 0
    except SystemExit as ended:
        code = int(str(ended.code))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_a_blocking_claim_blocks_every_refresh_until_it_holds_again(name, own, capsys, monkeypatch) -> None:
    home, check = own[1], BLOCKING[name]
    monkeypatch.setenv("NEEDLE_HOME", str(home.path))
    good = kept(home)
    before = home.published.stat().st_ino, ask(home.working, "select count(*) from lineage.ledger")
    break_claim(home, name)
    for _ in range(2):
        code, _, told = command(capsys, "refresh", "--workers", "1")
        assert (code, check.claim in told) == (1, True), told
    assert name in json.loads(command(capsys, "status", "--json")[1])["blocked"]
    assert f"blocked: {check.table}" in command(capsys, "status")[1]
    assert (home.published.stat().st_ino, ask(home.working, "select count(*) from lineage.ledger")) == before
    restore(home, good)
    assert command(capsys, "refresh", "--workers", "1")[0] == 0
    assert json.loads(command(capsys, "status", "--json")[1])["blocked"] == {}


@pytest.mark.parametrize("check", [check for check in CHECKS if not check.is_blocking], ids=lambda check: check.name)
def test_a_claim_that_stops_nothing_is_told_as_long_as_it_is_broken(check, own, capsys, monkeypatch) -> None:
    home = own[1]
    monkeypatch.setenv("NEEDLE_HOME", str(home.path))
    assert json.loads(command(capsys, "status", "--json")[1])["warnings"] == []
    break_claim(home, check.name)
    code, said, _ = command(capsys, "refresh", "--workers", "1")
    assert (code, f"warning: {check.table}" in said, check.claim in said) == (0, True, True), said
    (told,) = json.loads(command(capsys, "status", "--json")[1])["warnings"]
    assert check.name in told
    assert told in command(capsys, "status")[1]


@pytest.mark.parametrize("name", BLOCKING)
def test_each_blocking_claim_stops_what_is_made_from_its_table_and_publishing_until_it_holds(name, own) -> None:
    home, check, good = own[1], BLOCKING[name], kept(own[1])
    break_claim(home, name)
    below = [stage.table for stage in STAGES if check.condemned & (made_from(stage.table) - {stage.table})]
    assert below or check.table == "results.predictions"
    session = Session(home, home.settings(), workers=1)
    for table in below:
        with pytest.raises(GateError, match=f"{table} is not computed.*{name}"):
            session.claims.require(table)
    assert not session.publish()
    assert any(name in problem for problem in session.problems)
    restore(home, good)
    session = Session(home, home.settings(), workers=1)
    for table in below:
        session.claims.require(table)
    session.publish()
    assert session.problems == []


def test_a_refresh_of_something_else_is_stored_and_not_published(own, capsys, monkeypatch) -> None:
    home = own[1]
    monkeypatch.setenv("NEEDLE_HOME", str(home.path))
    break_claim(home, "targets_are_central")
    before = home.published.stat().st_ino
    code, _, told = command(capsys, "refresh", "--workers", "1", "--select", "core/hosts", "--recompute", "core/hosts")
    assert (code, home.published.stat().st_ino) == (1, before)
    assert "targets_are_central" in told
    for what in ("folds", "quality"):
        code, _, told = command(capsys, "train", what, "--workers", "1")
        assert (code, "targets_are_central" in told) == (1, True)
    code, _, told = command(capsys, "refresh", "--workers", "1", "--recompute", "core/stamps")
    assert (code, home.published.stat().st_ino != before) == (0, True), "a stage may make its own claim hold again"


@pytest.mark.parametrize("way", ["refresh", "nightly", "train", "click"])
def test_no_way_of_dagster_publishes_condemned_rows(way, home, monkeypatch) -> None:
    opened = Home(home)
    monkeypatch.setattr("needle_assets.pipeline.night.fetch", lambda *_a, **_k: pytest.fail("nobody is asked"))
    break_claim(opened, "targets_are_central")
    with writing(opened.working) as connection:
        connection.execute("update lineage.ledger set fingerprint = '' where asset = 'core.masks'")
        connection.execute("update lineage.state set value = (value::bigint + 1)::varchar where name = 'change'")
    before = opened.published.stat().st_ino
    with instance_of(home) as instance:
        if way == "click":
            key = instance.get_dynamic_partitions(PARTITIONS)[0]
            asset = stage_assets()[[stage.table for stage in STAGES].index("core.masks")]
            result = dg.materialize(
                [asset], instance=instance, partition_key=key, raise_on_error=False, resources={"needle": needle}
            )
        else:
            job = {"refresh": refresh_job, "nightly": nightly_job, "train": train_job}[way]()
            result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert opened.published.stat().st_ino == before
    assert ask(opened.working, "select count(*) from lineage.ledger where asset = 'core.masks' and fingerprint <> ''") == [(0,)]


def test_what_checks_say_is_recorded_where_something_was_computed_and_only_there(home) -> None:
    with writing(Home(home).working) as connection:
        connection.execute("update lineage.ledger set fingerprint = '' where asset = 'core.stamps'")
        connection.execute("update lineage.state set value = (value::bigint + 1)::varchar where name = 'change'")
    with instance_of(home) as instance:
        results = [refresh_job().execute_in_process(instance=instance) for _ in range(2)]
    told = [{"/".join(said.asset_key.path) for said in result.get_asset_check_evaluations()} for result in results]
    assert "core/stamps" in told[0]
    assert {"raw/alerts", "core/detections"}.isdisjoint(told[0])
    assert not [asset for asset in told[1] if asset.startswith("core/")]


def test_a_session_that_ends_with_a_broken_claim_leaves_readers_what_they_have(own) -> None:
    before = own[1].published.stat().st_ino
    with working_session(own[1], what="test", workers=1):
        break_claim(own[1], "targets_are_central")
        with writing(own[1].working) as connection:
            connection.execute("update lineage.state set value = (value::bigint + 1)::varchar where name = 'change'")
    assert own[1].published.stat().st_ino == before


def test_a_claim_about_refusals_names_the_product_whose_they_are() -> None:
    about_refusals = [check for check in CHECKS if "core.rejections" in check.speaks_of]
    assert about_refusals
    assert all(f"stage = '{check.table}'" in check.query for check in about_refusals)


def test_a_claim_between_products_is_not_asked_of_what_is_stale(own) -> None:
    break_claim(own[1], "parents_are_in_the_training_part")
    with writing(own[1].working) as connection:
        connection.execute("update lineage.ledger set fingerprint = '' where asset = 'core.synthetic_samples'")
    session = Session(own[1], own[1].settings(), workers=1)
    assert "parents_are_in_the_training_part" not in {found.check.name for found in session.claims.broken()}


def test_what_was_found_of_a_claim_is_forgotten_when_its_rows_are_written(own) -> None:
    session = Session(own[1], own[1].settings(), workers=1)
    claims: Claims = session.claims
    assert claims.broken() == []
    break_claim(own[1], "targets_are_central")
    claims.written("core.hosts")
    assert claims.broken() == []
    claims.written("core.stamps")
    assert [found.check.name for found in claims.broken()] == ["targets_are_central"]
