"""The networks are the published ones, the losses obey their laws, and training repeats itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from needle_assets.classifiers.fitting import Plan, Samples, deterministic, train, turned
from needle_assets.classifiers.focal_loss import FocalLoss, cross_entropy
from needle_assets.classifiers.needle import Architecture, Needle, as_tensor, from_bytes, score, to_bytes
from needle_assets.settings import TrainingSettings

TH = Architecture(has_images=True, n_features=33, n_classes=3)
ALPHA, GAMMA = (0.02, 0.49, 0.49), (0.0, 2.0, 2.5)


@pytest.fixture(autouse=True)
def _repeatable():
    with deterministic():
        yield


def pairs(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.random((n, 60, 60, 2), dtype=np.float32)


def test_needle_th_has_the_published_number_of_parameters(rng):
    counts = {name: parameter.numel() for name, parameter in Needle(TH, rng).named_parameters()}
    convolutions = sum(n for name, n in counts.items() if name.startswith("convolution"))
    features = sum(n for name, n in counts.items() if name.startswith("feature"))
    assert convolutions == 2 * 9 * 128 + 128 + 128 * 9 * 128 + 128 == 150_016
    assert features == 20_897
    assert sum(counts.values()) - convolutions - features == 860_547


def test_pooling_before_relu_changes_neither_outputs_nor_gradients(rng):
    network = Needle(TH, rng)
    images, features = as_tensor(pairs(rng, 2)), torch.as_tensor(rng.normal(size=(2, 33)).astype(np.float32))
    ours = network(images, features)
    gradient = torch.autograd.grad(ours.sum(), network.convolution_1.weight)[0]
    first = functional.max_pool2d(functional.relu(network.convolution_1(images)), 3)
    second = functional.max_pool2d(functional.relu(network.convolution_2(first)), 3).flatten(1)
    joined = torch.cat([second, network._feature_branch(features)], dim=1)
    plain = network.classes(functional.relu(network.joined_2(functional.relu(network.joined_1(joined)))))
    assert torch.equal(ours, plain)
    assert torch.equal(gradient, torch.autograd.grad(plain.sum(), network.convolution_1.weight)[0])


def test_weights_survive_their_bytes(rng):
    network = Needle(TH, rng, rng.random(33))
    images, features = pairs(rng, 3), rng.normal(size=(3, 33)).astype(np.float32)
    again = from_bytes(to_bytes(network), TH)
    np.testing.assert_array_equal(score(network, images, features), score(again, images, features))


def test_the_company_an_object_is_scored_in_does_not_change_its_score(rng):
    network = Needle(TH, rng)
    images, features = pairs(rng, 40), rng.normal(size=(40, 33)).astype(np.float32)
    together = score(network, images, features)
    alone = np.concatenate([score(network, images[k : k + 1], features[k : k + 1]) for k in (0, 17, 39)])
    np.testing.assert_array_equal(together[[0, 17, 39]], alone)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=2e-6)


def test_focal_loss_of_one_sample_by_hand():
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64))
    loss = FocalLoss(ALPHA, GAMMA)
    assert loss(logits, torch.tensor([1])).item() == pytest.approx(-0.49 * 0.5**2.0 * np.log(0.5))
    assert loss(logits, torch.tensor([2])).item() == pytest.approx(-0.49 * 0.7**2.5 * np.log(0.3))
    assert loss(logits, torch.tensor([0])).item() == pytest.approx(-0.02 * np.log(0.2))


def test_focal_loss_without_focus_is_weighted_cross_entropy(rng):
    logits, y = torch.as_tensor(rng.normal(size=(50, 3))), torch.as_tensor(rng.integers(0, 3, 50))
    weights = torch.tensor(ALPHA, dtype=torch.float64)
    expected = functional.cross_entropy(logits, y, weight=weights, reduction="none").mean()
    assert cross_entropy(ALPHA)(logits, y).item() == pytest.approx(expected.item())


def test_a_certain_and_right_answer_has_finite_gradients():
    logits = torch.tensor([[80.0, 0.0, 0.0], [0.0, 80.0, 0.0]], requires_grad=True)
    FocalLoss(ALPHA, GAMMA)(logits, torch.tensor([0, 1])).backward()
    assert torch.isfinite(logits.grad).all()


def easy_samples(rng: np.random.Generator, n: int, images: np.ndarray | None = None) -> Samples:
    y = rng.integers(0, 3, n)
    features = rng.normal(size=(n, 33)).astype(np.float32)
    features[:, 0] += 3 * y
    return Samples(images, np.arange(n), features, y)


QUICK = TrainingSettings(epochs=6, learning_rate=3e-3, device="cpu")
EARLY = TrainingSettings(schedule="early_stopping", patience=3, device="cpu")


def plan(settings: TrainingSettings, *, has_images: bool = False, seed: int = 7) -> Plan:
    return Plan(settings, cross_entropy((1.0, 1.0, 1.0)), Architecture(has_images, 33, 3), seed)


def test_training_learns_what_is_there_and_the_same_seed_gives_the_same_bytes(rng):
    parts = easy_samples(rng, 300), easy_samples(rng, 100)
    once, again = (train(*parts, plan(QUICK)) for _ in range(2))
    assert once.weights == again.weights
    assert once.history == again.history
    network = from_bytes(once.weights, Architecture(False, 33, 3))
    assert (score(network, None, parts[1].features).argmax(axis=1) == parts[1].y).mean() > 0.8
    assert train(*parts, plan(QUICK, seed=8)).weights != once.weights


def test_training_stops_when_the_validation_loss_no_longer_falls(rng):
    noise = Samples(None, np.arange(60), rng.normal(size=(60, 33)).astype(np.float32), rng.integers(0, 3, 60))
    settings = replace(EARLY, epochs=60, learning_rate=1e-2)
    done = train(easy_samples(rng, 100), noise, plan(settings))
    assert len(done.history) == done.best_epoch + 4 < 60


def test_balanced_draws_show_classes_evenly_with_weights_that_average_1(rng):
    from needle_assets.classifiers.fitting import _order

    y = np.repeat([0, 1, 2], [900, 60, 40])
    order, weights = _order(y, plan(TrainingSettings(balanced_draws=300)), rng)
    assert np.bincount(y[order]).tolist() == [100, 100, 100]
    assert weights.mean() == pytest.approx(1.0)
    assert weights[y[order] == 2][0] == pytest.approx(0.04 * 3)


def test_turning_moves_pixels_and_changes_none(rng):
    images = pairs(rng, 20)
    moved = turned(images, rng)
    np.testing.assert_array_equal(np.sort(moved.reshape(20, -1), axis=1), np.sort(images.reshape(20, -1), axis=1))
    assert not np.array_equal(moved, images)


def test_a_network_with_stamps_trains_from_rows_of_a_larger_array(rng):
    images = pairs(rng, 30)
    rows = Samples(images, np.arange(10, 22), rng.normal(size=(12, 33)).astype(np.float32), rng.integers(0, 3, 12))
    done = train(rows, rows, plan(TrainingSettings(epochs=2, device="cpu"), has_images=True))
    assert len(done.history) == 2
    assert done.is_bit_exact
    assert done.n_shown == 24


def test_a_loss_that_only_stays_the_same_is_no_progress(rng):
    settings = replace(EARLY, epochs=20, learning_rate=1e-30, smallest_learning_rate=1e-30)
    done = train(easy_samples(rng, 40), easy_samples(rng, 20), plan(settings))
    assert len({epoch["validation_loss"] for epoch in done.history}) == 1
    assert (done.best_epoch, len(done.history)) == (0, 4)


@pytest.mark.parametrize("is_on", [False, True])
def test_what_torch_was_set_to_is_put_back(is_on):
    torch.use_deterministic_algorithms(is_on, warn_only=True)
    threads = torch.get_num_threads()
    with deterministic(threads + 1):
        assert (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()) == (True, threads + 1)
    assert (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()) == (is_on, threads)


def test_a_sample_counts_in_the_loss_as_much_as_it_weighs(rng):
    logits, y = torch.as_tensor(rng.normal(size=(3, 3))), torch.tensor([0, 1, 2])
    weights = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64)
    for loss in (FocalLoss(ALPHA, GAMMA), cross_entropy(ALPHA)):
        alone = torch.stack([loss(logits[k : k + 1], y[k : k + 1]) for k in range(3)])
        assert loss(logits, y, weights).item() == pytest.approx((alone * weights).mean().item())
