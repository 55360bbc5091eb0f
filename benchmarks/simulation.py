"""Measures the simulator: speed and memory, and how well a pixel classifier tells its stamps from real ones.

python benchmarks/simulation.py                                   packets per second with one and two processes, peak memory
python benchmarks/simulation.py --classifier --real DIR           AUC of real against simulated stamps, by object
python benchmarks/simulation.py --montage FILE.png --real DIR     real and simulated stamps side by side
"""

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from needle_assets.figures.realism import StampImages, realism_montage
from needle_assets.images.noise import measure_sky
from needle_assets.simulation import DEMO_MIX, simulate
from needle_assets.simulation.realism import StampPair, labelled_objects, read_pairs
from needle_assets.surveys.ztf import ZTF

SIMULATED_PER_REAL_OBJECT = 4
N_DRAWS = 3
HALF_WIDTH_PX = 24


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", type=Path, help="landing folder of real packets")
    parser.add_argument("--simulated", type=Path, help="existing simulated folder; made in a scratch folder otherwise")
    parser.add_argument("--classifier", action="store_true")
    parser.add_argument("--montage", type=Path)
    given = parser.parse_args()
    if (given.classifier or given.montage) and given.real is None:
        parser.error("--classifier and --montage need --real DIR")
    with tempfile.TemporaryDirectory() as scratch:
        if not (given.classifier or given.montage):
            return measure_speed(Path(scratch), given.objects, given.seed)
        folder = given.simulated or Path(scratch) / "survey"
        if given.simulated is None:
            simulate(folder, objects=max(given.objects, 600), seed=given.seed, mix=DEMO_MIX)
        pairs = [read_pairs(path, labelled_objects(path)) for path in (given.real, folder)]
        if given.montage:
            draw_montage(given.montage, pairs[0], pairs[1], given.seed)
        if given.classifier:
            report_classifier(pairs[0], pairs[1])
    return 0


def measure_speed(scratch: Path, objects: int, seed: int) -> int:
    """Print packets per second with one and two processes; CPU time and peak memory of the former."""
    for workers in (1, 2):
        start, cpu = time.perf_counter(), time.process_time()
        made = simulate(scratch / f"by-{workers}", objects=objects, seed=seed, mix=DEMO_MIX, workers=workers)
        wall = time.perf_counter() - start
        print(
            f"{workers} process(es): {made.objects} objects, {made.packets} packets in {wall:.1f} s, {made.packets / wall:.0f} packets/s"
        )
        if workers == 1:
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"  {1e3 * (time.process_time() - cpu) / made.packets:.1f} ms CPU a packet, peak memory {memory_mb:.0f} MB")
    return 0


def draw_montage(path: Path, real: Sequence[StampPair], simulated: Sequence[StampPair], seed: int) -> None:
    """Save a montage of 40 objects from each side, in the same classes."""
    rng = np.random.default_rng(seed)
    chosen = _chosen_objects(real, simulated, rng)[:40]
    sides = []
    for pairs, wanted in ((real, [ids[0] for ids in chosen]), (simulated, [ids[1] for ids in chosen])):
        by_object = _by_object(pairs)
        shown = [by_object[object_id][int(rng.integers(len(by_object[object_id])))] for object_id in wanted]
        sides.append([StampImages(f"{p.object_id} {p.label} {p.band}", p.science, p.reference) for p in shown])
    FigureCanvasAgg(realism_montage(*sides)).print_figure(path, dpi=90)


def _chosen_objects(real: Sequence[StampPair], simulated: Sequence[StampPair], rng: np.random.Generator) -> list[tuple[str, str]]:
    """Pairs of a real and a simulated object of the same class, in random order."""
    out = []
    for label in sorted({p.label for p in real}):
        sides = [rng.permutation(sorted({p.object_id for p in pairs if p.label == label})) for pairs in (real, simulated)]
        out += [(str(a), str(b)) for a, b in zip(*sides, strict=False)]
    return [out[i] for i in rng.permutation(len(out))]


def _by_object(pairs: Sequence[StampPair]) -> dict[str, list[StampPair]]:
    groups = defaultdict(list)
    for pair in pairs:
        groups[pair.object_id].append(pair)
    return groups


def report_classifier(real: Sequence[StampPair], simulated: Sequence[StampPair]) -> None:
    """Print cross-validated AUCs (folds by object, each object with the same weight, same classes on both sides)."""
    scores = defaultdict(list)
    everything = [*real, *simulated]
    all_pixels, all_statistics = np.array([_pixels(p) for p in everything]), [_statistics(p) for p in everything]
    all_numbers = np.array([list(s.values()) for s in all_statistics])
    for seed in range(N_DRAWS):
        which, is_real, groups, weight = _sample(real, simulated, np.random.default_rng(seed))
        pixels, numbers = all_pixels[which], all_numbers[which]
        for name, auc in _cross_validated(pixels, numbers, is_real, groups, weight, seed).items():
            scores[name].append(auc)
    n_real, n_simulated = (len({g for g, r in zip(groups, is_real, strict=True) if r == side}) for side in (True, False))
    print(f"real against simulated stamps: {n_real} and {n_simulated} objects, 5 folds by object, {N_DRAWS} draws")
    for name, values in scores.items():
        print(f"  {name:<42} AUC {np.mean(values):.3f} +- {np.std(values):.3f}")
    print("  statistics one by one (AUC, 0.5 = alike):")
    names = list(all_statistics[0])
    alone = [roc_auc_score(is_real, numbers[:, i], sample_weight=weight) for i in range(len(names))]
    for i in np.argsort(-np.abs(np.array(alone) - 0.5))[:12]:
        a, b = (np.median(numbers[is_real == side, i]) for side in (True, False))
        print(f"    {names[i]:<36} {alone[i]:.2f}   median real {a:.3g}, simulated {b:.3g}")


def _sample(
    real: Sequence[StampPair], simulated: Sequence[StampPair], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.str_], NDArray[np.float64]]:
    """Indices of all real stamps and of those of several simulated objects of the same class for each real one."""
    everything = [*real, *simulated]
    labels = {p.object_id: p.label for p in simulated}
    wanted = {p.object_id for p in real}
    for label in sorted({p.label for p in real}):
        n = SIMULATED_PER_REAL_OBJECT * len({p.object_id for p in real if p.label == label})
        wanted |= set(rng.permutation(sorted(i for i, of in labels.items() if of == label))[:n].tolist())
    which = np.array([i for i, p in enumerate(everything) if p.object_id in wanted])
    is_real = which < len(real)
    ids = np.array([everything[i].object_id for i in which])
    counts = Counter(ids.tolist())
    weight = np.array([1.0 / counts[object_id] for object_id in ids.tolist()])
    weight[~is_real] *= weight[is_real].sum() / weight[~is_real].sum()
    return which, is_real, ids, weight


def _cross_validated(
    pixels: NDArray[np.float64],
    numbers: NDArray[np.float64],
    is_real: NDArray[np.bool_],
    groups: NDArray[np.str_],
    weight: NDArray[np.float64],
    seed: int,
) -> dict[str, float]:
    predicted = {
        name: np.zeros(len(is_real))
        for name in ("logistic on 30 components of the pixels", "boosted trees on statistics and components")
    }
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(pixels, is_real, groups):
        reduce = PCA(30, svd_solver="randomized", random_state=seed).fit(pixels[train])
        components = {True: reduce.transform(pixels[train]), False: reduce.transform(pixels[test])}
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        linear.fit(components[True], is_real[train], logisticregression__sample_weight=weight[train])
        trees = HistGradientBoostingClassifier(
            max_iter=150, max_leaf_nodes=8, learning_rate=0.06, l2_regularization=1.0, random_state=seed
        )
        trees.fit(np.hstack([numbers[train], components[True]]), is_real[train], sample_weight=weight[train])
        first, second = predicted
        predicted[first][test] = linear.predict_proba(components[False])[:, 1]
        predicted[second][test] = trees.predict_proba(np.hstack([numbers[test], components[False]]))[:, 1]
    return {name: float(roc_auc_score(is_real, p, sample_weight=weight)) for name, p in predicted.items()}


def _whole(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """The central part of an image in units of its sky noise, missing pixels at the sky's level; shape (49, 49)."""
    full = np.full((ZTF.cutout_size_px, ZTF.cutout_size_px), np.nan)
    full[: image.shape[0], : image.shape[1]] = image
    sky = measure_sky(image)
    middle = slice(ZTF.cutout_size_px // 2 - HALF_WIDTH_PX, ZTF.cutout_size_px // 2 + HALF_WIDTH_PX + 1)
    return np.nan_to_num((full - sky.level) / sky.sigma)[middle, middle]


def _pixels(pair: StampPair) -> NDArray[np.float64]:
    """Both images, stretched, as one vector."""
    return np.concatenate([np.arcsinh(_whole(image) / 3.0).ravel() for image in (pair.science, pair.reference)])


def _statistics(pair: StampPair) -> dict[str, float]:
    """Numbers of a pair that need no position: histogram, correlation of neighbouring pixels, profile around the centre."""
    out = {"is r": float(pair.band == "r"), "missing share": float(np.isnan(pair.science).mean())}
    for name, image in (("science", pair.science), ("reference", pair.reference)):
        sky, x = measure_sky(image), _whole(image)
        out |= {f"{name} sky level": sky.level, f"{name} sky sigma": sky.sigma}
        out |= {f"{name} {p} %": float(np.percentile(x, p)) for p in (0.1, 1, 10, 50, 75, 90, 97, 99, 99.9)}
        clipped = np.where(np.abs(x) < 3.0, x, np.nan)
        for lag, (dy, dx) in {
            "x1": (0, 1),
            "y1": (1, 0),
            "xy": (1, 1),
            "x2": (0, 2),
            "y2": (2, 0),
            "x4": (0, 4),
            "y4": (4, 0),
        }.items():
            a, b = clipped[dy:, dx:], clipped[: clipped.shape[0] - dy, : clipped.shape[1] - dx]
            out[f"{name} correlation {lag}"] = float(np.nanmean(a * b) / np.nanmean(clipped**2))
        out |= _profile(name, x)
    out["correlation of the images"] = float(
        np.corrcoef(np.arcsinh(_whole(pair.science)).ravel(), np.arcsinh(_whole(pair.reference)).ravel())[0, 1]
    )
    return out


def _profile(name: str, image: NDArray[np.float64]) -> dict[str, float]:
    y, x = np.indices(image.shape) - HALF_WIDTH_PX
    radius = np.hypot(x, y)
    edges = (0.0, 0.8, 1.6, 2.5, 3.5, 5.0, 7.0, 10.0, 15.0, 24.0)
    rings = [float(np.arcsinh(image[(radius >= a) & (radius < b)].mean())) for a, b in pairwise(edges)]
    out = {f"{name} ring {a:g} px": value for a, value in zip(edges, rings, strict=False)}
    return out | {f"{name} ring {a:g} over centre": value - rings[0] for a, value in zip(edges[1:], rings[1:], strict=False)}


if __name__ == "__main__":
    sys.exit(main())
