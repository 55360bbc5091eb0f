"""Glue of the candidates: unclassified objects scored epoch by epoch with the models that exist."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.models import P_COLUMNS, probabilities, scaler_of, stamps_by_object
from needle_assets.assets.others import p_other
from needle_assets.assets.output import Product
from needle_assets.assets.samples import feature_matrix
from needle_assets.samples.positions import mean_position_deg
from needle_assets.settings import Settings
from needle_assets.surveys.known import is_simulated


def candidates(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Unclassified objects scored by the deployed models as of their newest epoch; what was said before stays (paper, Table 2).

    An object that has been classified since is no longer scored, but its rows remain.
    """
    product = Product()
    catalogue = frames["raw.objects"].select("object_id", "type")
    waiting = frames["core.features"].join(catalogue, on="object_id", how="left").filter(pl.col("type").is_null()).drop("type")
    before = {str(k[0]): p for k, p in frames["results.candidates"].partition_by("object_id", as_dict=True).items()}
    now = {row["object_id"]: row for row in _candidate_rows(waiting, frames, settings)}
    for object_id in sorted(before.keys() | now.keys()):
        history = before[object_id].sort("as_of_mjd").to_dicts() if object_id in before else []
        product.rows += _with_history(history, now.get(object_id))
    return product


def _candidate_rows(waiting: pl.DataFrame, frames: Mapping[str, pl.DataFrame], settings: Settings) -> Iterator[dict[str, Any]]:
    stamps = stamps_by_object(frames["core.masked_stamps"])
    hosted = set(frames["core.hosts"].filter(pl.col("is_hosted"))["object_id"])
    ensembles, trees = ensembles_of(frames["results.fold_models"], settings), _trees(frames["results.fold_models"])
    kinds = [_kind_for(object_id, stamps.keys(), hosted, ensembles.keys()) for object_id in waiting["object_id"]]
    known = _Known.of(frames)
    for kind in sorted({k for k in kinds if k}):
        chosen = waiting.filter(pl.Series([k == kind for k in kinds], dtype=pl.Boolean))
        said = _scores(chosen, ensembles[kind], trees, stamps)
        others = p_other(frames.get("results.other_models", pl.DataFrame()), chosen)
        for row, scores, other in zip(chosen.iter_rows(named=True), said, others, strict=True):
            yield {**known.beside(row, is_seen=kind != "metadata"), **scores, "p_other": other}


def _scores(
    chosen: pl.DataFrame,
    models: Sequence[Mapping[str, Any]],
    trees: Sequence[Mapping[str, Any]],
    stamps: Mapping[str, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """What models of one kind, and trees on the same features, say of each object."""
    scored = np.stack([probabilities(model, chosen, stamps) for model in models])
    mean, spread = scored.mean(axis=0).round(6), scored.std(axis=0).round(6)
    beside = np.mean([probabilities(model, chosen, stamps) for model in trees], axis=0).round(6) if trees else None
    outside = np.all([_outside(model, chosen) for model in models], axis=0)
    common = {"ablation": models[0]["ablation"], "model_kind": models[0]["model_kind"], "n_models": len(models)}
    for k in range(len(chosen)):
        yield {
            **common,
            "model_set": _model_set(models),
            **dict(zip(P_COLUMNS, mean[k].tolist(), strict=True)),
            "p_slsn_std": float(spread[k, 1]),
            "p_tde_std": float(spread[k, 2]),
            "p_slsn_trees": None if beside is None else float(beside[k, 1]),
            "p_tde_trees": None if beside is None else float(beside[k, 2]),
            "outside_range": [name for name, is_out in zip(scaler_of(models[0]).names, outside[k], strict=True) if is_out],
        }


@dataclass(frozen=True)
class _Known:
    """What stands beside scores, by object: the packet whose stamps are looked at, the first epoch [MJD], the place [deg]."""

    candid: Mapping[str, int]
    first_mjd: Mapping[str, float]
    place: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, frames: Mapping[str, pl.DataFrame]) -> "_Known":
        candid = dict(frames["core.masked_stamps"].select("object_id", "candid").iter_rows())
        return cls(
            candid, dict(frames["core.epochs"].select("object_id", "first_mjd").iter_rows()), _places(frames["raw.alerts"])
        )

    def beside(self, row: Mapping[str, Any], *, is_seen: bool) -> dict[str, Any]:
        names = ("object_id", "as_of_mjd", "n_det_g", "n_det_r", "peak_mag_g", "peak_mag_r", "separation_arcsec", "host_r_mag")
        object_id = row["object_id"]
        ra_deg, dec_deg = self.place.get(object_id, (None, None))
        return {
            **{name: row[name] for name in names},
            "ra_deg": ra_deg,
            "dec_deg": dec_deg,
            "days_since_first": row["as_of_mjd"] - self.first_mjd[object_id],
            "stamp_candid": self.candid[object_id] if is_seen else None,
            "is_simulated": is_simulated(object_id),
        }


def _places(alerts: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Where the packets of each object lie on average [deg]."""
    grouped = alerts.select("object_id", "ra", "dec").partition_by("object_id", as_dict=True)
    return {str(key[0]): mean_position_deg(part["ra"].to_numpy(), part["dec"].to_numpy()) for key, part in grouped.items()}


def ensembles_of(models: pl.DataFrame, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The models that score candidates, by kind: those of the first deployed ablation that has been trained."""
    chosen: dict[str, list[dict[str, Any]]] = {}
    for name in settings.training.deployed:
        of_ablation = models.filter(pl.col("ablation") == name).sort("model_kind", "fold")
        for key, part in of_ablation.partition_by("model_kind", as_dict=True, maintain_order=True).items():
            chosen.setdefault(str(key[0]), part.to_dicts())
    return chosen


def _trees(models: pl.DataFrame) -> list[dict[str, Any]]:
    """Boosted trees that stand beside the networks' scores: those with synthetic samples, if both are there."""
    of_ablation = {str(key[0]): part for key, part in models.partition_by("ablation", as_dict=True).items()}
    chosen = next((of_ablation[name] for name in ("trees_upsampled", "trees") if name in of_ablation), models.clear())
    return chosen.sort("fold").to_dicts()


def _outside(model: Mapping[str, Any], objects: pl.DataFrame) -> np.ndarray:
    """Where features lie outside of what a model was trained on, shape (n, k)."""
    scaler = scaler_of(model)
    return scaler.outside(feature_matrix(objects, scaler.names))


def _kind_for(object_id: str, stamped: Collection[str], hosted: Collection[str], ensembles: Collection[str]) -> str | None:
    """Which kind of model looks at a candidate: the one made for it, else the one that needs no stamps, else none."""
    wanted = ("TH" if object_id in hosted else "T") if object_id in stamped else "metadata"
    return next((kind for kind in (wanted, "metadata") if kind in ensembles), None)


def _model_set(models: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.md5(",".join(sorted(m["model_id"] for m in models)).encode(), usedforsecurity=False).hexdigest()


def _with_history(history: list[dict[str, Any]], now: dict[str, Any] | None) -> list[dict[str, Any]]:
    """What was said at earlier epochs, and what is said now in place of anything said of the same epoch or of later ones."""
    if now is None:
        return history
    kept = [row for row in history if row["as_of_mjd"] < now["as_of_mjd"]]
    above = next((row["as_of_mjd"] for row in [*kept, now] if max(row["p_slsn"], row["p_tde"]) > 0.5), None)
    return [*kept, {**now, "first_above_half_mjd": above}]
