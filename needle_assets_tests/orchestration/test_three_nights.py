"""Three nights over services that replay a simulated survey: only the new is fetched and computed, and nothing of it is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.fetch import Around
from needle_assets.home import Home
from needle_assets.orchestration.jobs.nightly import nightly_job
from needle_assets.orchestration.keys import asset_key
from needle_assets.orchestration.records.instance import open_instance
from needle_assets.pipeline import train as training
from needle_assets.pipeline.session import Session
from needle_assets.simulation import simulate
from needle_assets.stages import STAGES
from needle_assets.warehouse.connection import writing
from needle_assets.warehouse.results import models
from needle_assets_tests.assets.sample_frames import objects, session_of
from needle_assets_tests.fetch import sky
from needle_assets_tests.fetch.loopback import Clock
from needle_assets_tests.fetch.survey_services import SurveyServices
from needle_assets_tests.folders import MIX, contents, rows

pytestmark = pytest.mark.slow
SETTINGS = """preset = "demo"
[training]
ablations = ["metadata"]
deployed = ["metadata"]
"""
DAYS_BETWEEN = 91  # so that what was asked for is due again, though these objects faded years ago
HISTORY = {"results.candidates", "results.fold_models", "results.training_sets"}
CANDIDATES_NOW = """select object_id, as_of_mjd, model_kind, n_models, p_sn, p_slsn, p_tde, ra_deg, dec_deg, days_since_first
    from results.candidate_ranking order by object_id"""
HIGH = "select object_id from results.candidates group by object_id having max(greatest(p_slsn, p_tde)) > 0.5 order by 1"
TOLD_HIGH = "select unnest(new_high_scores) as object_id from lineage.nights order by 1"


@dataclass
class Nights:
    """A home that lives through nights, and the services it asks."""

    home: Home
    services: SurveyServices
    trained: Path
    clock: Clock = field(default_factory=lambda: Clock(sky.NOW))

    def settings(self) -> str:
        return f"{SETTINGS}\n{self.services.settings()}"

    def live(self) -> dg.ExecuteInProcessResult:
        """One night."""
        self.clock.sleep(DAYS_BETWEEN * 86400)
        around = Around(clock=self.clock, sleep=self.clock.sleep)
        with open_instance(self.home) as instance:
            return nightly_job(around=around).execute_in_process(instance=instance, raise_on_error=False)

    def from_scratch(self, folder: Path) -> Home:
        """A home built from the same landing folder at once; it is given the models, and who had which place in the folds."""
        home = Home(folder).prepare()
        home.settings_file.write_text(self.settings())
        give_models(self.trained, home)
        with writing(home.working) as connection:
            connection.execute(f"attach '{self.home.published}' as lived (read_only)")
            connection.execute("insert into core.splits by name select * from lived.core.splits")
        run_refresh(home, RefreshOptions(landing=self.home.path / "landing", workers=1))
        return home


def give_models(trained: Path, home: Home) -> None:
    """Three small models of another home, as if they had been trained in this one."""
    Session(home, home.settings(), workers=1).open().close()
    with writing(trained) as connection:
        snapshots = connection.execute("select * from results.training_sets").pl()
        made = connection.execute("select * from results.fold_models order by fold").pl().to_dicts()
    with writing(home.working) as connection:
        models.store_snapshot(connection, made[0]["training_set_id"], snapshots, STAGES)
        for row in made:
            models.store_model(connection, row, STAGES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with models of the features alone."""
    session = session_of(tmp_path_factory.mktemp("trained"), objects())
    assert training.train_folds(session).trained == 3
    return session.home.working


@pytest.fixture
def nights(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    monkeypatch.setattr("os.fsync", lambda _file: None)
    monkeypatch.setattr("needle_assets.orchestration.records.pictures.OBJECTS_PER_RUN", 0)
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NEEDLE_LANDING", raising=False)
    simulate(tmp_path / "survey", objects=10, seed=3, mix=MIX, workers=1)
    services = SurveyServices(tmp_path / "survey")
    home = Home(tmp_path / "home").prepare()
    made = Nights(home, services, trained)
    home.settings_file.write_text(made.settings())
    give_models(trained, home)
    (home.path / "landing").mkdir()
    (home.path / "landing" / "follow.txt").write_text("\n".join(services.packets))
    yield made
    services.close()


def tonight(services: SurveyServices, number: int) -> set[str]:
    """
    What the sky shows in night 1, 2 or 3; returns the new packets.

    All but the last two objects are there from the first night and show one packet more every night; one of the others appears
    in each later night with all its packets, one is seen no more after the first. The first four are classified, a fifth in the
    third night.
    """
    ids = sorted(services.packets)
    before = {sent.packet.candid for object_id in ids for sent in services.sent(object_id)}
    for place, object_id in enumerate(ids):
        late = place - (len(ids) - 2)
        seen = len(services.packets[object_id]) - 3 + (number if place != 1 else 1)
        services.known[object_id] = max(seen, 1) if late < 0 else (99 if number >= late + 2 else 0)
    services.classified = set(ids[:5] if number == 3 else ids[:4])
    return {str(sent.packet.candid) for object_id in ids for sent in services.sent(object_id)} - {
        str(candid) for candid in before
    }


def histories(home: Home) -> dict[str, list[float]]:
    """Epochs at which each candidate was scored."""
    found = rows(home, "select object_id, list(as_of_mjd order by as_of_mjd) from results.candidates group by object_id")
    return {str(object_id): list(epochs) for object_id, epochs in found}  # type: ignore[call-overload]


def without_history(home: Home) -> set[tuple[object, ...]]:
    return {row for row in contents(home) if row[0] not in HISTORY}


def test_three_nights_fetch_and_compute_only_the_new_and_equal_a_build_from_scratch(nights: Nights, tmp_path: Path) -> None:
    ids = sorted(nights.services.packets)
    before: dict[str, list[float]] = {}
    for number in (1, 2, 3):
        new = tonight(nights.services, number)
        result = nights.live()
        assert result.success, rows(nights.home, "select failures from lineage.nights")
        asked = nights.services.asked()
        assert sorted(asked["packets"]) == sorted(new), "each new packet was asked for once, and no other"
        changed = {object_id for object_id in ids for sent in nights.services.sent(object_id) if str(sent.packet.candid) in new}
        assert set(asked["detections"]) == changed
        by_night = f"select object_id from lineage.ledger where asset = 'core.detections' and run_id = '{result.run_id}'"
        assert {str(object_id) for (object_id,) in rows(nights.home, by_night)} == changed, (
            "only what has something new was computed"
        )
        scratch = nights.from_scratch(tmp_path / f"scratch{number}")
        assert without_history(nights.home) == without_history(scratch)
        assert rows(nights.home, CANDIDATES_NOW) == rows(scratch, CANDIDATES_NOW)
        now = histories(nights.home)
        for object_id in before:
            assert now[object_id][: len(before[object_id])] == before[object_id], "what was said stays"
        grown = {object_id for object_id in now if len(now[object_id]) > len(before.get(object_id, []))}
        assert grown == changed - nights.services.classified != set()
        before = now
        assert rows(nights.home, HIGH) == rows(nights.home, TOLD_HIGH)
    told = rows(nights.home, "select new_objects, failures, n_left from lineage.nights order by started_at")
    assert told == [(len(ids) - 2, [], 0), (1, [], 0), (1, [], 0)]
    assert_shown(nights, result.run_id)


def assert_shown(nights: Nights, run_id: str) -> None:
    """The page of the asset shows the last night, and each service its own answers."""
    with open_instance(nights.home) as instance:
        event = instance.get_latest_materialization_event(asset_key("lineage.nights"))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["run"].value == run_id
        assert "| new objects | 1 |" in str(metadata["summary"].value)
        for source in ("bts", "alerce", "panstarrs"):
            assert len(instance.fetch_materializations(dg.AssetKey(["fetch", source]), limit=10).records) == 3
