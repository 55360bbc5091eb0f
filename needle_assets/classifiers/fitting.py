"""Trains one network on one training part, by a fixed schedule or with early stopping; the same bytes every time.

Arrays in, weights and history out. Whoever calls it decides what belongs together (see ``samples``) and where results go.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from needle_assets.classifiers.focal_loss import FocalLoss
from needle_assets.classifiers.needle import Architecture, FloatArray, Needle, as_tensor, score, to_bytes
from needle_assets.settings import TrainingSettings
from needle_assets.shapes import require_lengths

# Validation losses of rare classes jump; the best epoch is the end of the best run of this many.
SMOOTHED_EPOCHS = 3
# Of one cycle: the part of all steps during which the rate rises, and where it begins, in units of the largest.
RISING, FIRST_RATE = 0.25, 0.04


@dataclass(frozen=True)
class Samples:
    """
    What a network sees.

    Parameters
    ----------
    images : ndarray, shape (n, 60, 60, 2), float32, or None
        Pairs between 0 and 1; may be mapped from a file.
    rows : ndarray of int, shape (m,)
        Which of the images belong to this part.
    features : ndarray, shape (m, k), float32
        Standardised.
    y : ndarray of int, shape (m,)
        Classes, 0 to n_classes - 1.
    """

    images: FloatArray | None
    rows: NDArray[np.intp]
    features: NDArray[np.float32]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        require_lengths(rows=self.rows, features=self.features, y=self.y)

    def __len__(self) -> int:
        return len(self.y)

    def pixels(self, chosen: NDArray[np.intp]) -> FloatArray | None:
        """Images of some of the samples."""
        return None if self.images is None else np.asarray(self.images[self.rows[chosen]])


@dataclass(frozen=True)
class Trained:
    """
    A trained network.

    Parameters
    ----------
    weights : bytes
        Of the best epoch, as safetensors.
    best_epoch : int
        From 0.
    history : list of dict
        ``epoch``, ``training_loss``, ``validation_loss`` of every epoch.
    n_shown : int
        Samples shown, those of repeated epochs counted again.
    is_bit_exact : bool
        Whether the same machine gives the same bytes again: not on a GPU.
    """

    weights: bytes
    best_epoch: int
    history: list[dict[str, float]]
    n_shown: int
    is_bit_exact: bool


@dataclass(frozen=True)
class Plan:
    """How to train: settings, loss, architecture, the seed of everything random, fixed feature weights, who hears of epochs."""

    settings: TrainingSettings
    loss: FocalLoss
    architecture: Architecture
    seed: int
    feature_weights: NDArray[np.floating] | None = None
    tell: Callable[[int, int], None] = field(default=lambda _done, _total: None)


def train(training: Samples, validation: Samples, plan: Plan) -> Trained:
    """
    Train one network, with or without stamps, by the schedule of the settings.

    Parameters
    ----------
    training, validation : Samples
        Parts that share no object. Without validation samples all epochs are trained and the last is kept.
    plan : Plan
        Settings, loss, form and seed.

    Returns
    -------
    Trained
        With ``schedule = "one_cycle"`` the weights of the last epoch: a rate that has fallen to nothing leaves nothing to choose,
        and validation has no part in them. With ``"early_stopping"`` those of the epoch that ended the best three in a row, the
        last one tried when the validation loss has not improved for ``patience`` epochs.

    Notes
    -----
    Section 6 and the authors' code: Adam, learning rate falling by 4 % an epoch. They train 150 epochs and keep the best;
    stopping early keeps the same epoch unless the loss would have recovered after ``patience`` epochs. The loss of a fold with
    seven SLSN-I says little about which epoch ranks best, so the default is a fixed length (Smith & Topin 2019). With ``balanced_draws`` an
    epoch shows that many samples drawn evenly from the classes, each weighted so that the expected gradient is that of all
    samples.
    """
    device = chosen_device(plan.settings)
    rng = np.random.default_rng([plan.seed, 3])
    with deterministic():
        network = Needle(plan.architecture, np.random.default_rng([plan.seed, 4]), plan.feature_weights).to(device)
        optimiser = torch.optim.AdamW(network.parameters(), plan.settings.learning_rate, weight_decay=plan.settings.weight_decay)
        return _epochs(network, optimiser, training, validation, plan, rng)


def _epochs(
    network: Needle,
    optimiser: torch.optim.Optimizer,
    training: Samples,
    validation: Samples,
    plan: Plan,
    rng: np.random.Generator,
) -> Trained:
    settings, history, recent = plan.settings, [], deque[float](maxlen=SMOOTHED_EPOCHS)
    best, best_epoch, weights, n_shown = np.inf, 0, b"", 0
    is_fixed = settings.schedule == "one_cycle"
    for epoch in range(settings.epochs):
        loss, shown = _one_epoch(network, optimiser, training, plan, rng, epoch)
        n_shown += shown
        judged = _loss_of(network, validation, plan) if len(validation) else loss
        recent.append(judged)
        history.append({"epoch": float(epoch), "training_loss": loss, "validation_loss": judged})
        smoothed = float(np.mean(recent))
        if smoothed < best or is_fixed or not weights or not len(validation):
            best, best_epoch = smoothed, epoch
            weights = b"" if is_fixed else to_bytes(network)
        plan.tell(epoch + 1, settings.epochs)
        if epoch - best_epoch >= settings.patience:
            break
    weights = weights or to_bytes(network)
    return Trained(weights, best_epoch, history, n_shown, is_bit_exact=next(network.parameters()).device.type == "cpu")


def _one_epoch(
    network: Needle, optimiser: torch.optim.Optimizer, samples: Samples, plan: Plan, rng: np.random.Generator, epoch: int
) -> tuple[float, int]:
    """One pass; returns the mean loss and the number of samples shown."""
    device = next(network.parameters()).device
    order, weights = _order(samples.y, plan, rng)
    total, size = 0.0, plan.settings.batch_size
    network.train()
    for start in range(0, len(order), size):
        set_learning_rate(optimiser, plan.settings, epoch, start / len(order))
        chosen = order[start : start + size]
        images = samples.pixels(chosen)
        pixels = None if images is None else as_tensor(turned(images, rng) if plan.settings.is_augmented else images).to(device)
        features, y = (torch.as_tensor(values[chosen]).to(device) for values in (samples.features, samples.y))
        loss = plan.loss(network(pixels, features), y, torch.as_tensor(weights[start : start + size]).to(device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(chosen)
    return total / len(order), len(order)


def _order(y: NDArray[np.int64], plan: Plan, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which samples an epoch shows, and the weight of each."""
    n_draws = plan.settings.balanced_draws
    if n_draws == 0:
        return rng.permutation(len(y)), np.ones(len(y), dtype=np.float32)
    classes, counts = np.unique(y, return_counts=True)
    drawn = [rng.choice(np.flatnonzero(y == k), n_draws // len(classes), replace=True) for k in classes]
    order = rng.permutation(np.concatenate(drawn))
    share = dict(zip(classes.tolist(), (counts / len(y) * len(classes)).tolist(), strict=True))
    return order, np.array([share[int(k)] for k in y[order]], dtype=np.float32)


def turned(images: FloatArray, rng: np.random.Generator) -> FloatArray:
    """
    Each pair, shape (n, 60, 60, 2), in one of the eight orientations that change no pixel: the one place where training augments.

    Notes
    -----
    Section 3.4. Every class and every sample, real or synthetic, is treated alike. The authors' code turns rare ones beforehand
    and all of them again in the network, by any angle and with smeared edges.
    """
    result = np.empty_like(images)
    quarters, is_flipped = rng.integers(0, 4, len(images)), rng.random(len(images)) < 0.5
    for k, image in enumerate(images):
        flipped = image[:, ::-1] if is_flipped[k] else image
        result[k] = np.rot90(flipped, int(quarters[k]), axes=(0, 1))
    return result


def _loss_of(network: Needle, samples: Samples, plan: Plan) -> float:
    network.eval()
    p = score(network, samples.pixels(np.arange(len(samples))), samples.features)
    logits = torch.as_tensor(np.log(np.maximum(p, 1e-7)))
    return float(plan.loss(logits, torch.as_tensor(samples.y)))


def set_learning_rate(optimiser: torch.optim.Optimizer, settings: TrainingSettings, epoch: int, part: float) -> None:
    """
    The rate of the next step, ``part`` of an epoch (0 to 1) into ``epoch``.

    One cycle rises from a twenty-fifth of the largest rate during the first quarter of all steps and falls to nothing, both as a
    cosine; else the rate falls by a factor each epoch.
    """
    if settings.schedule == "one_cycle":
        rate = settings.learning_rate * _one_cycle((epoch + part) / settings.epochs)
    else:
        rate = max(settings.learning_rate * settings.learning_rate_decay**epoch, settings.smallest_learning_rate)
    for group in optimiser.param_groups:
        group["lr"] = rate


def _one_cycle(progress: float) -> float:
    if progress < RISING:
        return FIRST_RATE + (1.0 - FIRST_RATE) * 0.5 * (1.0 - math.cos(math.pi * progress / RISING))
    return 0.5 * (1.0 + math.cos(math.pi * (progress - RISING) / (1.0 - RISING)))


def chosen_device(settings: TrainingSettings) -> torch.device:
    """The processor, or the GPU where torch finds one and the settings do not forbid it."""
    wants_gpu = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if wants_gpu else "cpu")


@contextmanager
def deterministic(threads: int = 1) -> Iterator[None]:
    """Repeatable results while inside: deterministic algorithms and a fixed number of threads; both are put back afterwards."""
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
