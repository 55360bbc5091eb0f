"""`needle train quality` from end to end on a small simulated home."""

import numpy as np
import polars as pl
import pytest

from needle_assets.assets.trained import quality_models
from needle_assets.cli.verbs import TrainOptions, run_train_quality
from needle_assets.landing import verdicts
from needle_assets.pipeline import train_quality as training_quality
from needle_assets.pipeline.session import RefreshError
from needle_assets_tests.folders import refreshed, rows
from needle_assets_tests.homes import last_event

QUICK = (
    "[checker]\nepochs = 1\nheld_out_fraction = 0.6\nmax_training_images = 120\nmin_completeness = 0.0\nmax_good_rejected = 1.0\n"
)
SCORED = "select count(*) filter (p_good is null), count(distinct model_id) from core.stamp_quality"
ONE_WORKER = TrainOptions(workers=1)


@pytest.fixture
def judged(own, monkeypatch):
    """A home refreshed by rules alone, where training is quick and parts may be small; nothing is stale for these settings."""
    monkeypatch.setattr("needle_assets.assets.trained.quality_models.MIN_IMAGES", 2)
    home = own[1]
    (home.path / "settings.toml").write_text(QUICK)
    assert refreshed(home) == {}
    assert rows(home, SCORED)[0][1] == 0
    return home


def stopped_at(kind, monkeypatch):
    """Training ends as if by Ctrl-C when it comes to a network."""
    real = training_quality.train_network

    def train(task):
        if task.model_kind == kind:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(training_quality, "train_network", train)
    return lambda: monkeypatch.setattr(training_quality, "train_network", real)


def test_a_checker_is_trained_once_and_the_next_refresh_scores_with_it(judged, monkeypatch) -> None:
    go_on = stopped_at("resnet18", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_train_quality(judged, ONE_WORKER)
    go_on()
    ended = run_train_quality(judged, ONE_WORKER)
    shown = last_event(judged, "results.quality_models").metadata
    assert shown["chosen"].value == ended["chosen"]
    assert shown["picture"].value.startswith("![Both checkers"), "the page of the asset shows Figures 5 and 6"
    assert (ended["trained"], ended["up_to_date"]) == (1, 1), "the network that was trained before the stop is kept"
    computed = refreshed(judged)
    assert {"core/stamp_quality", "core/restored_stamps"} <= computed.keys()
    assert not {"raw/alerts", "core/stamps", "core/gp_fits", "core/features"} & computed.keys()
    assert rows(judged, SCORED) == [(0, 1)]
    again = run_train_quality(judged, ONE_WORKER)
    assert (again["trained"], again["up_to_date"], again["chosen"]) == (0, 2, ended["chosen"])
    assert refreshed(judged) == {}
    assert rows(judged, "select count(*), count(*) filter (is_chosen) from results.quality_models") == [(2, 1)]


def test_a_checker_that_finds_little_is_not_used(own, monkeypatch) -> None:
    monkeypatch.setattr("needle_assets.assets.trained.quality_models.MIN_IMAGES", 2)
    monkeypatch.setattr("needle_assets.assets.trained.quality_models.MODEL_KINDS", ("resnet18",))
    monkeypatch.setattr(training_quality, "MODEL_KINDS", ("resnet18",))
    (own[1].path / "settings.toml").write_text(QUICK.replace("min_completeness = 0.0", "min_completeness = 1.0"))
    for trained in (1, 0):
        result = run_train_quality(own[1], ONE_WORKER)
        assert (result["trained"], result["chosen"]) == (trained, "")
        assert "The rules go on alone" in result["not_chosen"]
    assert rows(own[1], "select is_chosen from results.quality_models") == [(False,)]
    refreshed(own[1])
    assert rows(own[1], SCORED)[0][1] == 0


def test_too_few_images_are_told_and_nothing_waits(own) -> None:
    result = run_train_quality(own[1], ONE_WORKER)
    assert "too few to train a quality checker" in result["not_trained"]
    told = rows(own[1], "select reason from core.rejections where stage = 'results.quality_models'")
    assert told == [(result["not_trained"],)]
    assert refreshed(own[1]) == {}


def test_an_empty_home_is_refused(tmp_path) -> None:
    from needle_assets.home import Home

    with pytest.raises(RefreshError, match="holds no judged images"):
        run_train_quality(Home(tmp_path / "home"), ONE_WORKER)


def test_what_people_say_of_stamps_trains_only_where_a_setting_says_so(own) -> None:
    landing, home = own
    before = run_train_quality(home, ONE_WORKER)
    query = "select object_id, candid, image, 'bad' as verdict from core.stamp_quality where is_good order by all limit 1"
    said = dict(zip(("object_id", "candid", "image", "verdict"), rows(home, query)[0], strict=True))
    verdicts.append(landing, verdicts.STAMP_FILE, said)
    assert refreshed(home) == {"raw/verdicts": 1}
    told = ("training_set_id", "n_images")
    assert [run_train_quality(home, ONE_WORKER)[name] for name in told] == [before[name] for name in told]
    (home.path / "settings.toml").write_text("[checker]\ntrains_on_verdicts = true\n")
    after = run_train_quality(home, ONE_WORKER)
    assert after["n_images"] == before["n_images"] - 1
    assert after["training_set_id"] != before["training_set_id"]


def test_a_verdict_stands_in_place_of_the_rules_and_bad_images_are_trained_with() -> None:
    ids = [f"ZTF20aaaaaa{letter}" for letter in "abcdefghij"]
    quality = pl.DataFrame({"object_id": ids, "candid": 1, "image": "science", "reasons": [["dark"]] * 10})
    said = pl.DataFrame({"object_id": ids[:8], "candid": 1, "image": "science", "verdict": ["good", "bad"] * 4})
    heard = quality_models.with_verdicts(quality, said)
    assert heard["reasons"].to_list() == [[], [quality_models.SAID_BAD]] * 4 + [["dark"]] * 2
    stamps = pl.DataFrame({"object_id": ids, "candid": 1, "science": np.ones((10, 3600)), "reference": np.ones((10, 3600))})
    frames = {"core.stamps": stamps, "core.stamp_quality": heard}
    assert [image.object_id for image in quality_models.good_images(frames)] == ids[:8:2]
    assert [image.object_id for image in quality_models.bad_images(frames)] == ids[1:8:2]
