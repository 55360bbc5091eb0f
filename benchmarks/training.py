"""Training against a bare PyTorch loop, one thread each, in alternation; two processes together; what paper size would take.

python benchmarks/training.py [--samples 256] [--rounds 3]
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from needle_assets.assets.trained.fold_models import Job
from needle_assets.assets.trained.fold_tasks import Task, train_tasks
from needle_assets.assets.trained.pixels import stamp_file
from needle_assets.classifiers.fitting import Plan, Samples, deterministic, train
from needle_assets.classifiers.focal_loss import FocalLoss
from needle_assets.classifiers.needle import Architecture, Needle, as_tensor
from needle_assets.labels import LABELS
from needle_assets.processes.memory import kept_for_reuse
from needle_assets.samples.ablations import ablation_named
from needle_assets.samples.leakage import Parents
from needle_assets.settings import TrainingSettings

ARCHITECTURE = Architecture(has_images=True, n_features=33, n_classes=3)
LOSS = FocalLoss((0.02, 0.49, 0.49), (0.0, 2.0, 2.5))
PAPER = {"samples": 5260, "epochs": 150, "folds": 10}
SYNTHETIC, VALIDATED = 400, 540


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    samples = made_samples(chosen.samples)
    ways = {"naive loop": naive, "bare loop at its best": bare, "needle": ours}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with kept_for_reuse():
        for _ in range(chosen.rounds):
            for name, way in ways.items():
                rates[name].append(rate(way, samples))
    for name, found in rates.items():
        print(f"{name:<24}{max(found):>8.0f} samples/s  (rounds: {', '.join(f'{r:.0f}' for r in found)})")
    best, own = max(rates["bare loop at its best"]), max(rates["needle"])
    paired = np.median(np.array(rates["needle"]) / np.array(rates["bare loop at its best"]))
    print(f"needle / bare loop at its best: {own / best:.2f} of the best rounds, {paired:.2f} median of rounds (wanted: 0.90)")
    together = two_processes(chosen.samples)
    print(f"two processes together: {together:.0f} samples/s")
    for epochs in (PAPER["epochs"], TrainingSettings().epochs):
        hours = PAPER["samples"] * epochs * PAPER["folds"] / together / 3600
        print(f"paper size ({PAPER['samples']} samples x {epochs} epochs x {PAPER['folds']} folds) at this rate: {hours:.1f} h")
    reading, peak_mib = paper_size()
    seconds = PAPER["samples"] * PAPER["epochs"] / (together / 2)
    print(
        f"reading the training set of one model of paper size: {reading:.1f} s, {reading / seconds:.3%} of its training (wanted: 1 %)"
    )
    print(
        f"peak memory of a process that trains at paper size: {peak_mib:.0f} MiB; two of them: {2 * peak_mib:.0f} MiB (wanted: 4096)"
    )


def made_samples(n: int) -> Samples:
    """Random pairs and features."""
    rng = np.random.default_rng(1)
    images = rng.random((n, 60, 60, 2), dtype=np.float32)
    return Samples(images, np.arange(n), rng.normal(size=(n, 33)).astype(np.float32), rng.integers(0, 3, n))


def rate(way: Callable[[Samples], None], samples: Samples) -> float:
    """Samples per second of processor time in one epoch: what others do on the machine counts little."""
    with deterministic():
        started = time.process_time()
        way(samples)
        return len(samples) / (time.process_time() - started)


class Plain(nn.Module):
    """The topology of the paper as a tutorial would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.Sequential(
            nn.Conv2d(2, 128, 3), nn.ReLU(), nn.MaxPool2d(3), nn.Conv2d(128, 128, 3), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten()
        )
        self.features = nn.Sequential(nn.Linear(33, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.joined = nn.Sequential(nn.Linear(3328, 256), nn.ReLU(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, images: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return self.joined(torch.cat([self.images(images), self.features(features)], dim=1))


def naive(samples: Samples) -> None:
    """Channels first, ReLU before pooling."""
    images = torch.as_tensor(samples.images).permute(0, 3, 1, 2).contiguous()
    _loop(Plain(), images, samples)


def bare(samples: Samples) -> None:
    """The fastest exact form, nothing but the steps."""
    _loop(Needle(ARCHITECTURE, np.random.default_rng(0)), as_tensor(samples.images), samples)


def _loop(network: nn.Module, images: torch.Tensor, samples: Samples) -> None:
    features, y = torch.as_tensor(samples.features), torch.as_tensor(samples.y)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
    weight = torch.tensor([0.02, 0.49, 0.49])
    for start in range(0, len(y), 32):
        part = slice(start, start + 32)
        loss = functional.cross_entropy(network(images[part], features[part]), y[part], weight=weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def ours(samples: Samples) -> None:
    """One epoch of training as `needle train` does it, without validation."""
    nobody = Samples(samples.images, np.arange(0), samples.features[:0], samples.y[:0])
    train(samples, nobody, Plan(TrainingSettings(epochs=1, device="cpu"), LOSS, ARCHITECTURE, seed=1))


def _in_process(n: int) -> None:
    with kept_for_reuse():  # as its workers do
        ours(made_samples(n))


def two_processes(n: int) -> float:
    """Samples per second of two trainings at once."""
    context = multiprocessing.get_context("forkserver")
    with context.Pool(2) as pool:
        pool.map(_in_process, [32, 32])
        started = time.perf_counter()
        pool.map(_in_process, [n, n], chunksize=1)
        return 2 * n / (time.perf_counter() - started)


def paper_size() -> tuple[float, float]:
    """Seconds that a worker reads, and its largest memory [MiB], with as many samples as the paper has; a few steps of training."""
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("forkserver").Pool(1) as pool:
        return pool.apply(_paper_task, [folder])


def _paper_task(folder: str) -> tuple[float, float]:
    task = made_task(Path(folder))
    done = train_tasks([task])[0]
    return done["reading_seconds"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def made_task(folder: Path) -> Task:
    """A model of paper size with random pixels in files, as `needle train` lays them out."""
    rng = np.random.default_rng(2)
    n_trained = PAPER["samples"] - SYNTHETIC
    names = [f"ZTF{k}" for k in range(n_trained + VALIDATED)]
    (folder / "progress").mkdir()
    for name, n in ((stamp_file(is_masked=True), len(names)), ("synthetic", SYNTHETIC)):
        pixels = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=(n, 60, 60, 2))
        for k in range(n):
            pixels[k] = rng.random((60, 60, 2), dtype=np.float32)
    recipes = tuple((LABELS[1 + k % 2], k // 2) for k in range(SYNTHETIC))
    job = Job(
        *(ablation_named("masked_upsampled"), "TH", 0, PAPER["folds"], (0,), LABELS),
        trained=tuple(names[:n_trained]),
        validated=tuple(names[n_trained:]),
        synthetic=recipes,
        fingerprint="",
    )
    sizes = (n_trained, VALIDATED, SYNTHETIC)
    return Task(
        job=job,
        folder=folder,
        image_rows=(tuple(range(n_trained)), tuple(range(n_trained, len(names))), tuple(range(SYNTHETIC))),
        features=tuple(rng.normal(size=(n, 33)) for n in sizes),  # type: ignore[arg-type]  # three, as it asks for
        y=tuple(np.arange(n) % 3 for n in sizes),  # type: ignore[arg-type]
        parents=tuple(Parents(names[k], names[k]) for k in range(SYNTHETIC)),
        parted=frozenset(names[:n_trained]),
        untouched=frozenset(),
        settings=TrainingSettings(epochs=1, balanced_draws=96, device="cpu"),
        seed=1,
    )


if __name__ == "__main__":
    main()
