"""Networks trained together are what each would be alone, learn what is there, and know nothing of validation."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from needle_assets.classifiers.fitting import Plan, Samples, set_learning_rate
from needle_assets.classifiers.focal_loss import FocalLoss, alpha_for
from needle_assets.classifiers.needle import Architecture, Committee, Needle, from_bytes, score
from needle_assets.classifiers.replicas import train_committees
from needle_assets.settings import TrainingSettings

FORM = Architecture(False, 33, 3)
SETTINGS = TrainingSettings(epochs=4, n_members=2, batch_size=32, learning_rate=3e-3, device="cpu")


def samples(rng: np.random.Generator, n: int) -> Samples:
    y = rng.integers(0, 3, n)
    features = rng.normal(size=(n, 33)).astype(np.float32)
    features[:, 0] += 3 * y
    return Samples(None, np.arange(n), features, y)


def plan(seed: int, alpha: tuple[float, ...] = (0.2, 0.3, 0.5)) -> Plan:
    return Plan(SETTINGS, FocalLoss(alpha, (0.0, 2.0, 2.5)), FORM, seed)


def numbers(weights: bytes) -> np.ndarray:
    return np.concatenate([tensor.numpy().ravel() for _, tensor in sorted(safetensors.torch.load(weights).items())])


@pytest.mark.parametrize("others", [(100,), (97, 400, 101)])
def test_a_network_is_what_it_would_be_alone_whoever_is_trained_with_it(rng, others):
    own, judged, company = samples(rng, 100), samples(rng, 30), [samples(rng, n) for n in others]
    alone = train_committees([own], [judged], [plan(1)])[0]
    plans = [plan(1), *(plan(9 + k, (0.1, 0.1, 0.8)) for k in range(len(company)))]
    among = train_committees([own, *company], [judged] * len(plans), plans)[0]
    np.testing.assert_allclose(numbers(among.weights), numbers(alone.weights), atol=1e-5)
    assert among.n_shown == alone.n_shown == 4 * 2 * 100


def test_a_replica_takes_the_steps_of_a_bare_loop_over_the_same_batches(rng):
    own, seed = samples(rng, 64), 3
    done = train_committees([own], [own], [replace(plan(seed), settings=replace(SETTINGS, n_members=1))])[0]
    network, order = Needle(FORM, np.random.default_rng([seed, 4, 0])), np.random.default_rng([seed, 3, 0])
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=SETTINGS.weight_decay)
    for epoch in range(SETTINGS.epochs):
        for batch, rows in enumerate(np.array_split(order.permutation(64), 2)):
            set_learning_rate(optimiser, SETTINGS, epoch, batch / 2)
            optimiser.zero_grad()
            plan(seed).loss(network(None, torch.as_tensor(own.features[rows])), torch.as_tensor(own.y[rows])).backward()
            optimiser.step()
    assert score(from_bytes(done.weights, FORM), None, own.features) == pytest.approx(
        score(network, None, own.features), abs=1e-4
    )


def test_members_differ_their_mean_is_the_answer_and_it_is_learnt(rng):
    judged = samples(rng, 200)
    done = train_committees([samples(rng, 300)], [judged], [plan(4)])[0]
    committee = from_bytes(done.weights, FORM)
    assert isinstance(committee, Committee)
    p = score(committee, None, judged.features)
    each = [score(network, None, judged.features) for network in committee.networks]
    np.testing.assert_allclose(p, np.mean(each, axis=0), atol=2e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01
    assert (p.argmax(axis=1) == judged.y).mean() > 0.8


def test_validation_has_no_part_in_the_weights_and_its_loss_is_told(rng):
    own, judged = samples(rng, 90), samples(rng, 40)
    once, far = (
        train_committees([own], [part], [plan(2)])[0] for part in (judged, replace(judged, features=judged.features + 9))
    )
    assert once.weights == far.weights
    assert once.history[-1]["validation_loss"] < far.history[-1]["validation_loss"]
    assert (len(once.history), once.best_epoch) == (4, 3)


def test_one_cycle_rises_for_a_quarter_and_falls_to_nothing(rng):
    optimiser = torch.optim.SGD([torch.zeros(1)])
    rates = []
    for step in range(4001):
        set_learning_rate(optimiser, SETTINGS, step // 1000, step % 1000 / 1000)
        rates.append(optimiser.param_groups[0]["lr"])
    assert (np.argmax(rates), max(rates)) == (1000, SETTINGS.learning_rate)
    assert (np.diff(rates[:1001]) > 0).all()
    assert (np.diff(rates[1000:]) < 0).all()
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_alpha_gives_each_class_its_share_of_the_loss_whatever_its_number():
    counts = np.array([3832, 242, 254])
    alpha = np.array(alpha_for((0.4, 0.3, 0.3), counts.tolist()))
    np.testing.assert_allclose(alpha * counts / (alpha @ counts), (0.4, 0.3, 0.3))
    assert alpha.sum() == pytest.approx(1.0)
    table_4 = np.array(alpha_for((0.24, 0.37, 0.39), counts.tolist()))
    np.testing.assert_allclose(table_4, (0.02, 0.49, 0.49), atol=0.005)
