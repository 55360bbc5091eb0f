"""The learned checker: shapes, scores, calibration, storage, and what it finds."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from needle_assets.assets.trained.quality_models import (
    Task,
    chosen_model,
    counts,
    good_images,
    parts_of,
    train_network,
    training_objects,
)
from needle_assets.classifiers.quality import (
    MODEL_KINDS,
    _spoilt,
    build,
    calibrated,
    curves,
    finding_bad,
    from_bytes,
    prepared,
    score,
    to_bytes,
    train,
)
from needle_assets.errors import Rejection
from needle_assets.settings import CheckerSettings, Settings
from needle_assets_tests.images.examples import star

QUICK = CheckerSettings(epochs=1, batch_size=16)


def sky(rng, n):
    """Stamps of noise with a star each."""
    places = rng.uniform(10, 50, (n, 2))
    return np.stack([rng.normal(100, 5, (60, 60)) + star(x, y, 300.0) for x, y in places]).astype(np.float32)


@pytest.fixture(scope="module")
def trained():
    """Either network after a moment of training on made stamps."""
    images = sky(np.random.default_rng(5), 12)
    return {kind: train(kind, images, seed=3, settings=QUICK).model for kind in MODEL_KINDS}


@pytest.mark.parametrize(("kind", "n_parameters"), [("cnn", 5_842_754), ("resnet18", 11_171_266)])
def test_networks_have_the_size_the_paper_describes(kind, n_parameters):
    assert sum(parameter.numel() for parameter in build(kind).parameters()) == n_parameters


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_outputs_are_log_probabilities(kind, rng):
    with torch.no_grad():
        log_p = build(kind).eval()(prepared(sky(rng, 3)))
    assert log_p.shape == (3, 2)
    assert torch.allclose(log_p.exp().sum(1), torch.ones(3), atol=1e-5)


def test_prepared_images_do_not_depend_on_level_and_gain(rng):
    images = sky(rng, 4)
    assert torch.allclose(prepared(images), prepared(7.0 * images + 1000.0), atol=2e-3)


def test_missing_and_flat_images_can_be_prepared(rng):
    images = np.stack([np.full((60, 60), np.nan), np.full((60, 60), 3.0), rng.normal(size=(60, 60))])
    images[2, :5] = np.nan
    values = prepared(images)
    assert torch.isfinite(values).all()
    assert (values[2, 0, :5] == 0).all()


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_weights_survive_storage_and_folding(kind, trained, rng):
    images = sky(rng, 5)
    again = from_bytes(kind, to_bytes(trained[kind]))
    assert np.allclose(score(again, images), score(trained[kind], images), atol=5e-3)


def test_scores_do_not_depend_on_company(trained, rng):
    images = sky(rng, 70)
    together = score(trained["resnet18"], images)
    assert np.array_equal(together[65:], score(trained["resnet18"], images[65:]))
    assert np.array_equal(together[::-1], score(trained["resnet18"], images[::-1]))
    assert score(trained["resnet18"], images[:0]).shape == (0,)


def test_training_is_repeatable_and_leaves_torchs_generator_alone(rng):
    images = sky(rng, 10)
    before = torch.random.get_rng_state()
    one, other = (to_bytes(train("resnet18", images, seed=1, settings=QUICK).model) for _ in range(2))
    assert one == other
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_calibrated_model_keeps_good_images(trained, rng):
    images = sky(rng, 60)
    model = calibrated(trained["cnn"], images, threshold=0.75, rejected=0.05)
    assert (score(model, images) < 0.75).sum() == 3
    assert (score(calibrated(trained["cnn"], images, threshold=0.75), images) < 0.75).sum() == 1, "one in a hundred"


def test_finding_bad_worked_by_hand():
    found = finding_bad(np.array([0.1, 0.9, 0.2, 0.8]), np.array([True, True, False, False]), 0.5)
    assert (found["completeness"], found["purity"], found["good_rejected"]) == (0.5, 0.5, 0.5)
    assert [found[name] for name in ("n_bad_found", "n_bad_missed", "n_good_lost", "n_good_kept")] == [1, 1, 1, 1]


def test_a_rate_without_a_denominator_is_nan():
    found = finding_bad(np.array([0.9]), np.array([False]), 0.5)
    assert np.isnan(found["completeness"])
    assert np.isnan(found["purity"])
    assert found["good_rejected"] == 0.0


def test_completeness_rises_with_the_threshold(rng):
    found = curves(rng.random(200), rng.random(200) < 0.3)
    assert np.all(np.diff(found["completeness"]) >= 0)
    assert np.all(np.diff(found["good_rejected"]) >= 0)
    assert (found["completeness"][0], found["completeness"][-1]) == (0.0, 1.0)


def test_one_image_is_too_few():
    with pytest.raises(ValueError, match="too few"):
        train("cnn", np.zeros((1, 60, 60)), seed=0)


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="'vgg' is no kind of quality model; choose one of cnn, resnet18"):
        build("vgg")


@pytest.mark.slow
def test_training_finds_obvious_damage(rng):
    images = sky(rng, 200)
    model = train("resnet18", images, seed=1, settings=replace(QUICK, epochs=8)).model
    fresh = sky(rng, 50)
    torn = fresh + 50.0 * (np.arange(60)[:, None] % 8 < 4)
    assert np.median(score(model, torn)) < 0.2 < np.median(score(model, fresh))


def tables_of(rng, n_objects):
    ids = [f"ZTF20aaaa{n:03d}" for n in range(n_objects)]
    images = sky(rng, n_objects).reshape(n_objects, -1)
    stamps = pl.DataFrame({"object_id": ids, "candid": range(n_objects), "band": ["g", "r"] * (n_objects // 2)}).with_columns(
        science=pl.Series(images, dtype=pl.Array(pl.Float32, 3600)), reference=pl.Series(images, dtype=pl.Array(pl.Float32, 3600))
    )
    rows = [
        {"object_id": i, "candid": n, "image": image, "band": "gr"[n % 2], "reasons": ["missing_pixels"] if n < 4 else []}
        for n, i in enumerate(ids)
        for image in ("science", "reference")
    ]
    return {"core.stamps": stamps, "core.stamp_quality": pl.DataFrame(rows, schema_overrides={"reasons": pl.List(pl.String)})}


def test_a_trained_network_says_what_it_finds_by_kind(rng):
    settings = replace(Settings(), checker=replace(QUICK, held_out_fraction=0.8))
    parts = parts_of(good_images(tables_of(rng, 60)), settings)
    row = train_network(Task("resnet18", "f", parts, settings))
    assert row["n_objects_training"] + row["n_objects_held_out"] == 56
    assert row["n_good_lost"] + row["n_good_kept"] == row["n_bad_found"] + row["n_bad_missed"] == sum(row["kind_n"])
    assert sum(row["kind_n_found"]) == row["n_bad_found"] <= sum(row["kind_n_found_with_rules"])


def test_images_are_counted_as_in_table_3(rng):
    counted = counts(tables_of(rng, 60)["core.stamp_quality"])
    assert counted == {"n_good_g": 56, "n_bad_g": 4, "n_good_r": 56, "n_bad_r": 4}


def test_the_network_that_finds_more_is_chosen():
    rows = [
        {"model_id": "a", "model_kind": "cnn", "n_bad_found": 9, "n_bad_missed": 3, "n_good_lost": 1, "n_good_kept": 19},
        {"model_id": "b", "model_kind": "resnet18", "n_bad_found": 10, "n_bad_missed": 2, "n_good_lost": 1, "n_good_kept": 19},
    ]
    assert chosen_model(rows, Settings()) == "b"
    for strict in (CheckerSettings(min_completeness=0.9), CheckerSettings(max_good_rejected=0.04)):
        with pytest.raises(Rejection, match=r"finds 10 of 12 images .* rejects 1 of 20 good ones"):
            chosen_model(rows, replace(Settings(), checker=strict))


def test_too_few_images_are_refused_with_the_numbers(rng):
    with pytest.raises(Rejection, match=r"8 good images are too few .* The rules work without one"):
        parts_of(good_images(tables_of(rng, 8)), Settings())


def test_training_takes_as_many_objects_as_it_needs(rng):
    quality = tables_of(rng, 40)["core.stamp_quality"]
    chosen = training_objects(quality, replace(Settings(), checker=replace(QUICK, max_training_images=20)))
    assert len(chosen) == 10
    assert len(training_objects(quality, Settings())) == 36


def test_fill_values_do_not_overflow(rng):
    images = sky(rng, 2)
    images[0, :, 50:] = np.finfo(np.float32).min
    assert torch.isfinite(prepared(images)).all()
    assert torch.equal(prepared(images)[1], prepared(images[1:])[0])


def test_the_residual_network_halves_the_image_four_times_after_the_first(rng):
    network, sizes = build("resnet18").eval(), []
    for block in network.blocks:
        block.register_forward_hook(lambda _block, _given, result: sizes.append(tuple(result.shape[1:])))
    with torch.no_grad():
        network(prepared(sky(rng, 1)))
    assert sizes == [(64, 15, 15)] * 2 + [(128, 8, 8)] * 2 + [(256, 4, 4)] * 2 + [(512, 2, 2)] * 2


def test_images_called_bad_are_shown_as_one_more_kind_of_damage(rng: np.random.Generator) -> None:
    image, called_bad = rng.normal(size=(60, 60)), np.full((1, 60, 60), 7.0)
    shown = [_spoilt(image, called_bad, rng) for _ in range(120)]
    assert 0 < sum(bool((spoilt == 7.0).all()) for spoilt in shown) < 60
