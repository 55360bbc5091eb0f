"""What trees trained on simulated ZTF objects say of simulated Rubin objects: ``python benchmarks/transfer.py``.

Both see features of the light curve alone, as of the classification epoch. Trees trained on ZTF, and on as many of Rubin's own, judge
the same Rubin objects: the area under the ROC curve of each rare class against all others, with 95 % intervals (bootstrap), for all,
by the redshift of the rare objects, and by the number of bands in which they were seen.
"""

import argparse

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.light_curves import ztf_detections
from benchmarks.rubin import detections, row_of
from needle_assets.classifiers.intervals import percentile_interval
from needle_assets.classifiers.trees import fit_trees, score_trees
from needle_assets.labels import LABELS, SLSN, SN, TDE
from needle_assets.light_curves.features import HOSTLESS_FEATURES
from needle_assets.simulation.objects import draw_object
from needle_assets.simulation.rubin.objects import draw_rubin_object
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.ztf import ZTF

MIX = {SN: 0.5, SLSN: 0.25, TDE: 0.25}
BOOTSTRAPS = 400

Sample = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def matrix(rows: list[tuple[dict, str, float, int]]) -> Sample:
    """Features, classes, redshifts and numbers of bands."""
    x = np.array([[np.nan if row[name] is None else row[name] for name in HOSTLESS_FEATURES] for row, *_ in rows], dtype=float)
    return (
        x,
        np.array([LABELS.index(label) for _, label, *_ in rows]),
        np.array([z for *_, z, _ in rows]),
        np.array([n for *_, n in rows]),
    )


def of_ztf(n: int) -> Sample:
    """Objects of ZTF's simulated survey."""
    rows = []
    for index in range(n):
        found = draw_object(21, index, MIX)
        row = row_of(ztf_detections(found), found.transient.a_v_mag, ZTF)
        if row:
            rows.append((row, found.transient.label, found.transient.redshift, 2))
    return matrix(rows)


def of_rubin(n: int) -> Sample:
    """Objects of Rubin's own."""
    rows = []
    for index in range(n):
        found = draw_rubin_object(22, index, MIX, is_twin=False)
        row = row_of(detections(found), found.transient.a_v_mag, LSST) if found else None
        if found and row:
            seen = len(set(found.band[found.detections(np.inf)].tolist()))
            rows.append((row, found.transient.label, found.transient.redshift, seen))
    return matrix(rows)


def auc(p: np.ndarray, is_class: np.ndarray, rng: np.random.Generator) -> str:
    """Area under the curve with its interval."""
    hits, others = np.flatnonzero(is_class), np.flatnonzero(~is_class)
    if len(hits) < 5 or len(others) < 5:
        return f"too few ({len(hits)})"
    drawn = []
    for _ in range(BOOTSTRAPS):
        rows = np.concatenate([rng.choice(hits, len(hits)), rng.choice(others, len(others))])
        drawn.append(roc_auc_score(is_class[rows], p[rows]))
    low, high = percentile_interval(np.array(drawn))
    return f"{roc_auc_score(is_class, p):.2f} ({low:.2f} to {high:.2f}, n = {len(hits)})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=400)
    n, rng = parser.parse_args().objects, np.random.default_rng(3)
    ztf, rubin = of_ztf(n // 2), of_rubin(n)
    half = len(rubin[0]) // 2
    judged = tuple(column[half:] for column in rubin)
    trees = {
        "ZTF": fit_trees(*ztf[:2], (1.0, 1.0, 1.0), 0),
        "Rubin": fit_trees(rubin[0][:half], rubin[1][:half], (1.0, 1.0, 1.0), 0),
    }
    x, y, redshift, n_bands = judged
    parts = {
        "all": np.ones(len(y), dtype=bool),
        **{f"redshift {low:g} to {high:g}": (redshift >= low) & (redshift < high) for low, high in ((0, 0.5), (0.5, 1), (1, 5))},
        **{f"{low} to {high} bands": (n_bands >= low) & (n_bands <= high) for low, high in ((1, 3), (4, 6))},
    }
    print(
        f"trained on {len(ztf[0])} of ZTF and {half} of Rubin, judged on {len(y)} others of Rubin; features of light curves alone"
    )
    for label in (SLSN, TDE):
        for name, part in parts.items():
            among = part | (y != LABELS.index(label)) if name != "all" else part
            told = {
                survey: auc(score_trees(model, x)[among, LABELS.index(label)], (y == LABELS.index(label))[among], rng)
                for survey, model in trees.items()
            }
            print(f"  {label:7s} {name:18s} by ZTF's trees {told['ZTF']:34s} by Rubin's {told['Rubin']}")


if __name__ == "__main__":
    main()
