"""What a training set costs to export, and what a network gains or loses by being fed from it.

python benchmarks/exports.py [--objects 300,1500] [--folder exports] [--rounds 5]

Homes of several sizes are simulated and refreshed where they are missing. Each export runs in a process of its own, so that its largest
memory is its own. Feeding: one epoch of the same steps of the same network, from arrays in memory as `needle train` has them, and from
``NeedleDataset`` through a ``DataLoader``, in alternation.
"""

import argparse
import multiprocessing
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from needle_assets import simulation
from needle_assets.classifiers.fitting import Samples, deterministic
from needle_assets.classifiers.needle import Architecture, Needle, as_tensor
from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.datasets import NeedleDataset
from needle_assets.exports.training_set import export_training_set
from needle_assets.home import Home
from needle_assets.simulation.objects import DEMO_MIX

ARCHITECTURE = Architecture(has_images=True, n_features=33, n_classes=3)
BATCH = 32
SEED = 12


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", default="300,1500")
    parser.add_argument("--folder", type=Path, default=Path("exports"))
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    for n in map(int, chosen.objects.split(",")):
        home = prepared(chosen.folder / str(n), n)
        exported = chosen.folder / f"{n}.set"
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, before_mib, peak_mib = pool.apply(measured, (home, exported))
        size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file()) / 1e6
        print(
            f"{n} objects: {seconds:.1f} s, {size:.0f} MB written, {peak_mib:.0f} MiB of memory, {before_mib:.0f} of them before it"
        )
    fed(exported, chosen.rounds)


def prepared(folder: Path, n_objects: int) -> Home:
    """A home of so many simulated objects."""
    home = Home(folder / "home")
    if not home.published.exists():
        simulation.simulate(folder / "landing", objects=n_objects, seed=SEED, mix=DEMO_MIX)
        run_refresh(home, RefreshOptions(landing=folder / "landing", preset="demo"), show=True)
    return home


def measured(home: Home, folder: Path) -> tuple[float, float, float]:
    """Seconds of an export, and the largest memory of this process before and after it [MiB]."""
    shutil.rmtree(folder, ignore_errors=True)
    before, started = _peak_mib(), time.perf_counter()
    export_training_set(home.published, home.settings(), folder)
    return time.perf_counter() - started, before, _peak_mib()


def _peak_mib() -> float:
    """Of this process alone: what getrusage says is inherited from the one that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def fed(folder: Path, rounds: int) -> None:
    """Samples per second of an epoch, fed in both ways."""
    dataset = NeedleDataset(folder)
    assert dataset.images is not None
    features = torch.nan_to_num(dataset.features).numpy()
    arrays = Samples(dataset.images.permute(0, 2, 3, 1).numpy(), np.arange(len(dataset)), features, dataset.labels.numpy())
    ways = {"arrays": lambda: from_arrays(arrays), "dataset": lambda: from_dataset(dataset)}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with deterministic():
                started = time.process_time()
                way()
                rates[name].append(len(dataset) / (time.process_time() - started))
    ratio = np.median(np.array(rates["dataset"]) / np.array(rates["arrays"]))
    told = ", ".join(f"{np.median(found):.0f} samples/s from the {name}" for name, found in rates.items())
    print(f"{len(dataset)} samples: {told}; {ratio:.2f} (median of rounds; wanted: 0.95)")


def from_arrays(samples: Samples) -> None:
    """An epoch as `needle train` feeds it."""
    network, step = _network()
    order = np.random.default_rng(SEED).permutation(len(samples))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        step(
            network, as_tensor(samples.pixels(rows)), torch.from_numpy(samples.features[rows]), torch.from_numpy(samples.y[rows])
        )


def from_dataset(dataset: NeedleDataset) -> None:
    """An epoch through the loader that the documentation shows."""
    network, step = _network()
    sampler = BatchSampler(RandomSampler(dataset), BATCH, drop_last=False)
    for batch in DataLoader(dataset, batch_size=None, sampler=sampler):
        step(network, batch["images"], torch.nan_to_num(batch["features"]), batch["label"])


def _network() -> tuple[Needle, Callable[..., None]]:
    """A network of first weights, and a step of its training."""
    network = Needle(ARCHITECTURE, np.random.default_rng(0))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)

    def step(network: Needle, images: torch.Tensor, features: torch.Tensor, y: torch.Tensor) -> None:
        loss = functional.cross_entropy(network(images, features), y)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return network, step


if __name__ == "__main__":
    main()
