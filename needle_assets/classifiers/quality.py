"""The learned quality checker: a plain CNN and a ResNet-18 that score how good an image is (paper, section 3.1).

Images in, probabilities out. Rules (``images/defects.py``) come before and need none of this. Training shows every good image
twice, as it is and damaged on purpose (``classifiers/damage.py``), because labelled bad images that rules miss are rare.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional

from needle_assets.classifiers.damage import HELD_OUT_KINDS, TRAINING_KINDS, Damage, damaged
from needle_assets.classifiers.fitting import deterministic
from needle_assets.classifiers.resnet import ResNet18, folded
from needle_assets.settings import CheckerSettings
from needle_assets.shapes import require_columns

MODEL_KINDS = ("cnn", "resnet18")
BAD, GOOD = 0, 1

# Heights below the sky as well as stars of a thousand sigma must stay visible: asinh of sky sigmas, about -1.3 to 2.6.
_SOFTENING_SIGMA = 2.0
_SCALE = 3.0
# Fill values such as -3.4e38 must not overflow.
_LARGEST_DN = 1e9
# Scores are computed in batches of exactly this many and rounded, so that the company of an image cannot change them.
_SCORING_BATCH = 64
_SCORE_DECIMALS = 4
# The image that defines the limit itself stays on the good side of it, whatever rounding does.
_CALIBRATION_MARGIN = 1e-3
_KINDS = tuple(TRAINING_KINDS)


class PlainCNN(nn.Module):
    """Two convolutions of 128 and 256 channels with max-pooling, three fully connected layers (paper, section 3.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 128, 3)
        self.conv2 = nn.Conv2d(128, 256, 3)
        self.full1 = nn.Linear(256 * 13 * 13, 128)
        self.full2 = nn.Linear(128, 64)
        self.last = nn.Linear(64, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities of bad and good, shape (n, 2), of prepared images, shape (n, 1, 60, 60)."""
        x = functional.relu(functional.max_pool2d(self.conv1(images), 2))  # (n, 128, 29, 29); pooling first changes nothing
        x = functional.relu(functional.max_pool2d(self.conv2(x), 2))  # (n, 256, 13, 13)
        x = functional.relu(self.full1(x.flatten(1)))
        return functional.log_softmax(self.last(functional.relu(self.full2(x))), dim=1)


@dataclass
class TrainedChecker:
    """A trained checker, and mean loss and accuracy of every epoch."""

    model: nn.Module
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


def build(kind: str) -> nn.Module:
    """An untrained network of a kind in ``MODEL_KINDS``, with weights drawn from torch's current generator."""
    if kind not in MODEL_KINDS:
        raise ValueError(f"{kind!r} is no kind of quality model; choose one of {', '.join(MODEL_KINDS)}.")
    model: nn.Module = PlainCNN() if kind == "cnn" else ResNet18()
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def prepared(images: NDArray[np.floating]) -> Tensor:
    """
    Images as the networks see them.

    Parameters
    ----------
    images : ndarray, shape (n, 60, 60), float
        Stamps [DN]; NaN becomes the level of the sky (missing pixels are the rules' affair).

    Returns
    -------
    Tensor, shape (n, 1, 60, 60), float32
        asinh of the height above the sky in units of its scatter. The authors clip by zscale and stretch to [0, 1], which hides
        how deep a dark pixel is.
    """
    flat = np.clip(np.asarray(images, dtype=np.float32).reshape(len(images), -1), -_LARGEST_DN, _LARGEST_DN)
    ordered = np.sort(flat, axis=1)  # NaN last
    n_finite = np.maximum(np.isfinite(flat).sum(axis=1), 1)
    rows = np.arange(len(flat))
    level = ordered[rows, n_finite // 2]
    sigma = level - ordered[rows, (0.1587 * n_finite).astype(int)]  # sources lift the upper half only
    unit = (1.0 / (_SOFTENING_SIGMA * np.where(sigma > 0.0, sigma, 1.0))).astype(np.float32)
    scaled = _asinh(torch.from_numpy((flat - level[:, None]) * unit[:, None])).mul_(1.0 / _SCALE)
    # A missing pixel looks like sky, which tells the network nothing; that it is missing is the rules' to say.
    prepared_images = torch.nan_to_num_(scaled, nan=0.0).reshape(-1, 1, *images.shape[1:])
    return prepared_images.contiguous(memory_format=torch.channels_last)


def _asinh(x: Tensor) -> Tensor:
    """Inverse hyperbolic sine, in steps that processors do many at a time: four times as fast as torch's own."""
    size = x.abs()
    return torch.copysign(torch.log1p(size + size * size / (1.0 + torch.sqrt(1.0 + size * size))), x)


def score(model: nn.Module, images: NDArray[np.floating]) -> NDArray[np.float64]:
    """
    Probability that each image is good.

    Parameters
    ----------
    model : torch.nn.Module
        Trained, from :func:`from_bytes` or :func:`train`.
    images : ndarray, shape (n, 60, 60), float
        Stamps [DN]; read in batches of 64, so memory does not grow with n beyond the images themselves.

    Returns
    -------
    ndarray, shape (n,), float64
        Rounded to four decimals.
    """
    model.eval()
    with deterministic(), torch.inference_mode():
        parts = [_scored(model, images[start : start + _SCORING_BATCH]) for start in range(0, len(images), _SCORING_BATCH)]
    return np.concatenate(parts) if parts else np.empty(0)


def train(
    kind: str,
    images: NDArray[np.floating],
    *,
    seed: int,
    bad: NDArray[np.floating] | None = None,
    settings: CheckerSettings | None = None,
    on_epoch: Callable[[int], object] | None = None,
) -> TrainedChecker:
    """
    Train a checker on good images and damaged copies of them, made anew in every epoch.

    Parameters
    ----------
    kind : {"cnn", "resnet18"}
        Which network.
    images : ndarray, shape (n, 60, 60), float
        Good stamps [DN].
    seed : int
        Decides weights, order, damage and orientation; torch's own generator is left as it was.
    bad : ndarray, shape (m, 60, 60), float, optional
        Stamps that people called bad [DN]: shown in place of damaged copies as often as one kind of damage.
    settings : CheckerSettings, optional
        Epochs, rates and weights; ``default`` if left out.
    on_epoch : callable, optional
        Called with the number of epochs done.

    Raises
    ------
    ValueError
        If there are fewer than 2 images.

    Notes
    -----
    Adam with a rate that falls to 0 along a cosine, negative log-likelihood, a bad image weighing ``bad_weight`` times a good
    one. The authors index their weights the wrong way round, so that good ones count double there.
    """
    settings = settings or CheckerSettings()
    if len(images) < 2:
        raise ValueError(f"{len(images)} good images are too few to train a quality model; at least 2 are needed.")
    with torch.random.fork_rng(devices=[]), deterministic():
        torch.manual_seed(seed)
        examples = np.empty((0, 60, 60)) if bad is None else bad
        return _trained(build(kind), images, examples, np.random.default_rng(seed), settings, on_epoch)


def calibrated(model: nn.Module, good: NDArray[np.floating], *, threshold: float, rejected: float = 0.01) -> nn.Module:
    """
    The model with its scores shifted so that a fraction ``rejected`` of known good images falls below ``threshold``.

    The order of scores, and so the trade between purity and completeness, stays; the threshold gets the same meaning for every
    model. ``good``, shape (n, 60, 60) [DN], must not have been trained on. Too few images for the fraction count their lowest.
    """
    model = copy.deepcopy(model)
    p_good = np.clip(score(model, good), 1e-9, 1.0 - 1e-9)
    lowest = float(np.quantile(np.log(p_good / (1.0 - p_good)), rejected, method="higher"))
    last = model.get_submodule("last")
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias[GOOD] += float(np.log(threshold / (1.0 - threshold))) - lowest + _CALIBRATION_MARGIN
    return model


def to_bytes(model: nn.Module) -> bytes:
    """Weights as safetensors in half precision: half as much to store and hand to workers, scores the same within 0.005."""
    state = model.state_dict()
    return save({name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in state.items()})


def from_bytes(kind: str, weights: bytes) -> nn.Module:
    """
    A model ready to score: weights restored, batch normalisation folded into the convolutions (same scores, fewer steps).

    Raises ValueError for an unknown kind, and RuntimeError where the weights belong to another network.
    """
    with torch.random.fork_rng(devices=[]):
        model = build(kind)
    model.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in load(weights).items()})
    model.eval()
    return (folded(model) if isinstance(model, ResNet18) else model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def finding_bad(p_good: NDArray[np.floating], is_bad: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    """
    How well bad images are found at a threshold (Figures 5 and 6 of the paper).

    Parameters
    ----------
    p_good : ndarray, shape (n,), float
        Scores.
    is_bad : ndarray of bool, shape (n,)
        The truth.
    threshold : float
        Score below which an image is called bad.

    Returns
    -------
    dict
        ``completeness`` (= recall of bad), ``purity`` (= precision of bad), ``good_rejected`` (fraction of good ones called
        bad), and the four counts. NaN where a denominator is 0.
    """
    require_columns(p_good=p_good, is_bad=is_bad)
    called_bad = p_good < threshold
    found, missed = int((called_bad & is_bad).sum()), int((~called_bad & is_bad).sum())
    lost, kept = int((called_bad & ~is_bad).sum()), int((~called_bad & ~is_bad).sum())
    return {
        "completeness": _ratio(found, found + missed),
        "purity": _ratio(found, found + lost),
        "good_rejected": _ratio(lost, lost + kept),
        "n_bad_found": found,
        "n_bad_missed": missed,
        "n_good_lost": lost,
        "n_good_kept": kept,
    }


def curves(p_good: NDArray[np.floating], is_bad: NDArray[np.bool_]) -> dict[str, list[float]]:
    """:func:`finding_bad` at 101 thresholds: ``threshold``, ``completeness``, ``purity``, ``good_rejected``, each of length 101."""
    thresholds = np.linspace(0.0, 1.0, 101)
    points = [finding_bad(p_good, is_bad, float(threshold)) for threshold in thresholds]
    names = ("completeness", "purity", "good_rejected")
    return {"threshold": thresholds.tolist(), **{name: [point[name] for point in points] for name in names}}


class Judged(NamedTuple):
    """Scores and truth, shape (2 n,), good images first; the damaged images, shape (n, 60, 60), and the kind of each."""

    p_good: NDArray[np.float64]
    is_bad: NDArray[np.bool_]
    bad: NDArray[np.float64]
    kinds: list[str]


def judge(
    model: nn.Module, good: NDArray[np.floating], rng: np.random.Generator, kinds: Mapping[str, Damage] = HELD_OUT_KINDS
) -> Judged:
    """
    Scores of good images and of damaged copies of them, one copy each, kinds in turn.

    Parameters
    ----------
    model : torch.nn.Module
        Trained.
    good : ndarray, shape (n, 60, 60), float
        Good stamps of objects that were not trained on [DN].
    rng : numpy.random.Generator
        Decides the damage.
    kinds : mapping of str to damage
        By default kinds that training never uses.

    """
    names = [list(kinds)[n % len(kinds)] for n in range(len(good))]
    bad = np.stack([damaged(image, name, rng)[0] for image, name in zip(good, names, strict=True)])
    return Judged(np.concatenate([score(model, good), score(model, bad)]), np.repeat([False, True], len(good)), bad, names)


def _scored(model: nn.Module, images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of one batch, filled up to its full size."""
    batch = prepared(images)
    if len(batch) < _SCORING_BATCH:
        batch = torch.cat([batch, batch.new_zeros((_SCORING_BATCH - len(batch), *batch.shape[1:]))])
        batch = batch.contiguous(memory_format=torch.channels_last)
    return np.round(model(batch)[: len(images), GOOD].exp().double().numpy(), _SCORE_DECIMALS)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _trained(
    model: nn.Module,
    images: NDArray[np.floating],
    bad: NDArray[np.floating],
    rng: np.random.Generator,
    settings: CheckerSettings,
    on_epoch: Callable[[int], object] | None,
) -> TrainedChecker:
    n_batches = -(-len(images) // (settings.batch_size // 2)) * settings.epochs
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(n_batches, 1))
    weights = torch.ones(2)
    weights[BAD] = settings.bad_weight
    trained = TrainedChecker(model)
    for _ in range(settings.epochs):
        model.train()
        losses, right = 0.0, 0
        for batch, labels in _epoch(images, bad, rng, settings.batch_size // 2):
            log_p = model(batch)
            loss = functional.nll_loss(log_p, labels, weight=weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses += float(loss.detach()) * len(labels)
            right += int((log_p.argmax(1) == labels).sum())
        trained.loss.append(losses / (2 * len(images)))
        trained.accuracy.append(right / (2 * len(images)))
        if on_epoch is not None:
            on_epoch(len(trained.loss))
    return trained


def _epoch(
    images: NDArray[np.floating], examples: NDArray[np.floating], rng: np.random.Generator, n_images: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one pass, shuffled: ``n_images`` turned at random, each once as it is and once damaged, or a bad example in its place."""
    order = rng.permutation(len(images))
    for start in range(0, len(order), n_images):
        good = [_turned(images[index], rng) for index in order[start : start + n_images]]
        bad = [_spoilt(image, examples, rng) for image in good]
        yield prepared(np.stack([*good, *bad])), torch.tensor([GOOD] * len(good) + [BAD] * len(bad))


def _spoilt(image: NDArray[np.floating], examples: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """The image damaged in some way; examples count as one more way."""
    way = int(rng.integers(len(_KINDS) + (len(examples) > 0)))
    if way < len(_KINDS):
        return damaged(image, _KINDS[way], rng)[0]
    return _turned(examples[rng.integers(len(examples))], rng)


def _turned(image: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    turned = np.rot90(image, int(rng.integers(4)))
    return turned[:, ::-1] if rng.random() < 0.5 else turned
