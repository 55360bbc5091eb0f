"""How many of the first 10, 20 and 50 of a stream are rare, ranked by scores alone and behind what speaks against them.

NEEDLE_HOME=... python benchmarks/stream.py [--objects 3000] [--folder stream]

The stream is simulated in the mix that the survey has, with active nuclei and novae among it; every object is seen as of a detection
drawn from all its own, so early and late ones land alike. The home must hold models without stamps that were trained on simulated
objects of another seed, as that of `make demo` does; nothing in it is changed. The simulator has no variable stars, no moving objects
and no bogus detections. At the end: how well trees tell what is none of the classes.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from needle_assets.assets.candidates import candidates
from needle_assets.assets.light_curves import epochs, features, light_curves
from needle_assets.assets.samples import feature_matrix
from needle_assets.assets.vetting import vetting
from needle_assets.classifiers.metrics import precisions
from needle_assets.classifiers.others import OTHER, areas, fit_others
from needle_assets.cli.verbs import RefreshOptions, run_refresh, run_simulate
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings
from needle_assets.simulation.objects import DEFAULT_MIX
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.warehouse import exploring

SEED = 71
N_FOLDS = 5
Frames = Mapping[str, pl.DataFrame]
LANDED = ("core.detections", "core.hosts", "raw.alerts", "lineage.objects")


def main() -> None:
    """Simulate, look at every object at its own moment, rank, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=Path("stream"))
    chosen = parser.parse_args()
    models = Home(Path(os.environ["NEEDLE_HOME"]))
    stream = Home(chosen.folder / "home")
    if not stream.published.exists():
        run_simulate(chosen.folder / "landing", objects=chosen.objects, seed=SEED, nights=None, mix=None, workers=1, show=True)
        run_refresh(stream, RefreshOptions(landing=chosen.folder / "landing", select=("core.features",)), show=True)
    settings = models.settings()
    fold_models = exploring.frame(models.published, "from results.fold_models where model_kind = 'metadata'")
    seen = [row for one in objects(stream) for row in as_of_a_moment(one, settings, fold_models)]
    truth = pl.read_parquet(chosen.folder / "landing" / "truth" / "objects.parquet").select("ztf_id", "label", "population")
    told = pl.DataFrame(seen, infer_schema_length=None).join(truth, left_on="object_id", right_on="ztf_id").sort("object_id")
    tell(told)
    tell_others(told)


def objects(home: Home) -> Iterator[Frames]:
    """What landed of each object that has packets."""
    frames = {name: exploring.frame(home.published, f"from {name} order by object_id") for name in LANDED}
    parts = {name: frame.partition_by("object_id", as_dict=True) for name, frame in frames.items()}
    for key in parts["raw.alerts"]:
        yield {name: parts[name].get(key, frame.clear()) for name, frame in frames.items()}


def as_of_a_moment(whole: Frames, settings: Settings, fold_models: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Scores and reasons of one object as of one of its detections; nothing if none is clean."""
    object_id = whole["raw.alerts"]["object_id"][0]
    at = whole["core.detections"].filter("is_positive")["mjd"].sort()
    if at.is_empty():
        return
    moment = at[int(rng_for(SEED, "moment", object_id).integers(len(at)))]
    frames = _until(whole, moment)
    for table, stage in (("core.light_curves", light_curves), ("core.epochs", epochs), ("core.features", features)):
        rows = stage(frames, settings).rows
        if not rows:
            return
        frames[table] = pl.DataFrame(rows, infer_schema_length=None)
    told = vetting(frames, settings).rows[0]
    frames |= {
        "results.fold_models": fold_models,
        "core.masked_stamps": pl.DataFrame(schema={"object_id": pl.String, "candid": int}),
    }
    for row in candidates(frames, settings).rows:
        rare = max(row["p_slsn"], row["p_tde"])
        n_against = len(told["reasons"]) - told["is_past_peak"]
        seen = frames["core.features"].select(HOSTED_FEATURES).row(0, named=True)
        yield {"object_id": object_id, "p_rare": rare, "n_reasons": len(told["reasons"]), "n_against": n_against, **seen}


def _until(whole: Frames, moment: float) -> dict[str, pl.DataFrame]:
    """What was known at a moment [MJD]."""
    object_id = whole["raw.alerts"]["object_id"][0]
    unknown = pl.DataFrame(
        {"object_id": [object_id], "type": [None], "label": [None], "a_v_mag": [None], "redshift": [None]},
        schema_overrides={"type": pl.String, "label": pl.String, "a_v_mag": pl.Float64, "redshift": pl.Float64},
    )
    return {
        **whole,
        "core.detections": whole["core.detections"].filter(pl.col("mjd") <= moment),
        "raw.alerts": whole["raw.alerts"].filter(pl.col("jd") <= moment + MJD_OFFSET),
        "raw.objects": unknown,
        "results.candidates": pl.DataFrame(schema={"object_id": pl.String, "as_of_mjd": pl.Float64}),
    }


def tell(seen: pl.DataFrame) -> None:
    """Counts, and the precision of both rankings."""
    counts = ", ".join(f"{n} {label}" for label, n in seen["population"].value_counts().sort("population").rows())
    print(f"{len(seen)} objects ({counts}) in the mix {dict(DEFAULT_MIX)}; {(seen['n_reasons'] > 0).sum()} have reasons")
    orders = {
        "scores alone": -seen["p_rare"].to_numpy(),
        "fewest reasons first, as candidates are": _fewest_first(seen, "n_against"),
        "the same with being past the peak for a reason": _fewest_first(seen, "n_reasons"),
    }
    for name, order in orders.items():
        ranked = seen[np.argsort(order, kind="stable")]
        is_rare = ranked["label"].is_in(["SLSN-I", "TDE"]).to_numpy()
        for found in precisions(-np.arange(len(ranked), dtype=float), is_rare):
            first = ranked["population"][: found.n].value_counts(sort=True).rows()
            print(f"{name}: {found.metric} {found.value:.2f} ({found.ci_low:.2f} to {found.ci_high:.2f}), {first}")


def tell_others(seen: pl.DataFrame) -> None:
    """How well trees on the stream's own objects, in folds, tell what is none of the classes."""
    y = np.array([LABELS.index(label) if label in LABELS else OTHER for label in seen["label"]])
    rng = rng_for(SEED, "others")
    fold = np.empty(len(y), dtype=np.int64)
    for code in np.unique(y):
        fold[rng.permutation(np.flatnonzero(y == code))] = np.arange((y == code).sum()) % N_FOLDS
    _, p = fit_others(feature_matrix(seen, HOSTED_FEATURES), y, fold, prior=0.5, seed=SEED)
    populations = seen["population"].to_numpy()
    parts = {name: (y != OTHER) | (populations == name) for name in sorted(set(populations[y == OTHER]))}
    for name, chosen in {"all": y >= 0, **parts, "against rare classes alone": y > 0}.items():
        found = areas(p[chosen], y[chosen] == OTHER, rng, n_bootstrap=500)
        said = ", ".join(
            f"{n} {found[n]:.3f} ({found[f'{n}_low']:.3f} to {found[f'{n}_high']:.3f})" for n in ("roc_area", "pr_area")
        )
        print(f"none of the classes, {name}: {(y[chosen] == OTHER).sum()} objects, {said}")
    limit = np.quantile(p[y != OTHER], 0.95)
    passing = {label: f"{(p[y == k] > limit).sum()} of {(y == k).sum()}" for k, label in enumerate((*LABELS, "other"))}
    print(f"above the limit that 5 % of all classified objects pass: {passing}")


def _fewest_first(seen: pl.DataFrame, reasons: str) -> np.ndarray:
    """Smaller with fewer reasons, then with the larger probability."""
    return seen[reasons].to_numpy() - seen["p_rare"].to_numpy() * 0.999


if __name__ == "__main__":
    main()
