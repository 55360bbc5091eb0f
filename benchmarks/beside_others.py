"""What others publish for SLSN-I in ZTF light curves, beside the purity of these models at the same age, completeness and mix.

python benchmarks/beside_others.py HOME

HOME has models trained early (`needle train folds --ablations stacked_early,trees_early`). Objects are judged by models that were not
trained on them. The mix is theirs: SLSN-I here count so often that their share is the published one. Who trains on other objects, with
other labels, answers a slightly different question; a difference within the intervals says nothing.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from needle_assets.assets.early import judged_moments
from needle_assets.classifiers.early import Judgements
from needle_assets.classifiers.intervals import bootstrap_weights, percentile_interval
from needle_assets.home import Home
from needle_assets.labels import LABELS
from needle_assets.warehouse import exploring

N_BOOTSTRAP, SEED = 1000, 1
SLSN = LABELS.index("SLSN-I")
TABLES = ("core.early_features", "core.epochs", "core.splits", "results.fold_models")


@dataclass(frozen=True)
class Published:
    """What somebody published: of SLSN-I, as of an age in days, at a share of all objects."""

    name: str
    moment: str
    completeness: float
    purity: float
    share: float


PUBLISHED = (Published("NOMAI (Fink, arXiv:2604.14761), 30 days of light curve, no redshift", "30 d", 0.66, 0.58, 225 / 5280),)


def main() -> None:
    """Judge and print."""
    home = Home(Path(sys.argv[1]).resolve())
    frames = {name: exploring.frame(home.published, f"select * from {name}") for name in TABLES}
    for other in PUBLISHED:
        print(f"{other.name}: purity {other.purity:.2f} at completeness {other.completeness:.2f}")
        for ablation, judged in judged_moments(frames):
            chosen = judged[np.flatnonzero(judged.moment == other.moment)]
            value, low, high = _purity(chosen, other)
            n = int((chosen.y == SLSN).sum())
            print(f"  {ablation}: {value:.2f} ({low:.2f} to {high:.2f}), {n} SLSN-I of {len(chosen.y)} labelled objects")


def _purity(judged: Judgements, other: Published) -> tuple[float, float, float]:
    is_slsn, p = judged.y == SLSN, judged.p[:, SLSN]
    weights = bootstrap_weights(judged.y, N_BOOTSTRAP, np.random.default_rng(SEED))
    drawn = [purity_at(p, is_slsn, row, other.completeness, other.share) for row in weights]
    value = purity_at(p, is_slsn, np.ones(len(p)), other.completeness, other.share)
    return value, *percentile_interval(np.array(drawn))


def purity_at(p: np.ndarray, is_rare: np.ndarray, counted: np.ndarray, completeness: float, share: float) -> float:
    """Purity at the highest threshold that finds a share ``completeness`` of the rare objects, were they ``share`` of all objects."""
    order = np.argsort(-p, kind="stable")
    rare, others = (np.cumsum((counted * chosen)[order]) for chosen in (is_rare, ~is_rare))
    k = int(np.searchsorted(rare, completeness * rare[-1]))
    k = int(np.flatnonzero(p[order] == p[order][k])[-1])  # all with the same probability are called together
    found, called = share * rare[k] / rare[-1], (1 - share) * others[k] / others[-1]
    return float(found / (found + called))


if __name__ == "__main__":
    main()
