"""Training of the quality checkers: which stamps, both networks, which one is chosen (paper, section 3.1)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from needle_assets.assets.stored_stamps import IMAGES, stamps_of
from needle_assets.products import Product
from needle_assets.randomness import rng_for
from needle_assets.rejections import Rejection
from needle_assets.settings import Settings

MIN_IMAGES = 20


class Parts(NamedTuple):
    """Good images, shape (n, 60, 60), to train on, to set the threshold with, and to judge by; no object is in two of them."""

    training: NDArray[np.float32]
    calibration: NDArray[np.float32]
    judging: NDArray[np.float32]
    n_objects: tuple[int, int, int]


def training_objects(quality: pl.DataFrame, settings: Settings) -> list[str]:
    """
    The objects whose stamps are needed to train: drawn by a hash of their id until ``max_training_images`` good images are had.

    ``quality`` holds ztf_id and reasons of ``core.stamp_quality``, all objects.
    """
    good = quality.filter(_passes_rules()).group_by("ztf_id").len()
    ordered = sorted(good.iter_rows(), key=lambda row: _draw(row[0], settings))
    needed, n_images = [], 0
    for ztf_id, n in ordered:
        if n_images >= settings.quality.max_training_images:
            break
        needed.append(ztf_id)
        n_images += n
    return sorted(needed)


def train_quality(tables: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Both quality networks, trained on damage made on purpose and judged on held-out objects with kinds of damage never trained on.

    Parameters
    ----------
    tables : mapping of table to frame
        ``core.stamps`` (ztf_id, candid, band, science, reference) of the objects from :func:`training_objects`, and
        ``core.stamp_quality`` (ztf_id, candid, image, band, reasons) of all objects.
    settings : Settings
        Section ``quality`` and the seed.

    Returns
    -------
    Product
        One row of ``results.quality_models`` per network; the better one is chosen.

    Raises
    ------
    Rejection
        If there are too few good images in one of the three parts.
    """
    from needle_assets.classifiers import quality as networks

    good = _good_images(tables)
    parts = _parts(good, settings)
    shared = {"training_set_id": _training_set_id(good, settings), "seed": settings.seed, **_counts(tables)}
    rows = [{**shared, **_trained(networks, kind, parts, settings)} for kind in networks.MODEL_KINDS]
    best = max(rows, key=lambda row: (row["n_bad_found"], -row["n_good_lost"], row["model_kind"]))
    return Product([{**row, "is_chosen": row is best} for row in rows])


def _passes_rules() -> pl.Expr:
    return pl.col("reasons").list.set_difference(["low_score"]).list.len() == 0


def _draw(ztf_id: str, settings: Settings) -> int:
    """A number between 0 and 2**32 that decides where an object goes, the same at every call."""
    return int.from_bytes(hashlib.sha256(f"{settings.seed}|quality|{ztf_id}".encode()).digest()[:4], "big")


def _good_images(tables: Mapping[str, pl.DataFrame]) -> list[tuple[str, int, str, NDArray[np.float32]]]:
    """Object, packet, name and pixels of every image that passes the rules, in the order of their names."""
    quality = tables["core.stamp_quality"].filter(_passes_rules())
    passed = set(zip(quality["ztf_id"], quality["candid"], quality["image"], strict=True))
    found = [
        (stamp.ztf_id, stamp.candid, name, stamp.images[name])
        for stamp in stamps_of(tables)
        for name in IMAGES
        if (stamp.ztf_id, stamp.candid, name) in passed
    ]
    return sorted(found, key=lambda entry: entry[:3])


def _parts(good: Sequence[tuple[str, int, str, NDArray[np.float32]]], settings: Settings) -> Parts:
    """Images by part: an object belongs to one part for ever, whatever other objects there are."""
    half = settings.quality.held_out_fraction / 2 * 2**32
    names: list[set[str]] = [set(), set(), set()]
    images: list[list[NDArray[np.float32]]] = [[], [], []]
    for ztf_id, _, _, pixels in good:
        draw = _draw(f"part of {ztf_id}", settings)
        part = 1 if draw < half else 2 if draw < 2 * half else 0
        names[part].add(ztf_id)
        images[part].append(pixels)
    if min(len(part) for part in images) < MIN_IMAGES:
        raise Rejection(
            f"{len(good)} good images are too few to train a quality checker: {MIN_IMAGES} are needed in each of three parts, "
            f"but they have {', '.join(str(len(part)) for part in images)}. The rules work without one.",
            n_images=len(good),
        )
    training, calibration, judging = (np.stack(part) for part in images)
    return Parts(training, calibration, judging, (len(names[0]), len(names[1]), len(names[2])))


def _trained(networks: Any, kind: str, parts: Parts, settings: Settings) -> dict[str, Any]:
    """One network: trained, its threshold set on the second part, judged on the third."""
    training = networks.train(kind, parts.training, seed=settings.seed, settings=settings.quality)
    threshold = settings.quality.good_threshold
    networks.calibrate(training.model, parts.calibration, threshold=threshold)
    weights = networks.to_bytes(training.model)
    model = networks.from_bytes(kind, weights)
    rng = rng_for(settings.seed, "results.quality_models", "judging")
    p_good, is_bad = networks.judge(model, parts.judging, rng)
    found = networks.finding_bad(p_good, is_bad, threshold)
    curve = networks.curves(p_good, is_bad)
    return {
        "model_id": hashlib.sha256(weights).hexdigest()[:16],
        "model_kind": kind,
        "n_objects_training": parts.n_objects[0],
        "n_objects_held_out": parts.n_objects[1] + parts.n_objects[2],
        "threshold": threshold,
        **{name: found[name] for name in ("n_bad_found", "n_bad_missed", "n_good_lost", "n_good_kept")},
        **{f"curve_{name}": values for name, values in curve.items()},
        "history_loss": training.loss,
        "history_accuracy": training.accuracy,
        "weights": weights,
    }


def _counts(tables: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    """Good and bad images by band, as in Table 3."""
    counted = tables["core.stamp_quality"].with_columns(is_good=_passes_rules()).group_by("band", "is_good").len()
    n = {(band, is_good): count for band, is_good, count in counted.iter_rows()}
    return {f"n_{name}_{band}": n.get((band, is_good), 0) for band in "gr" for name, is_good in (("good", True), ("bad", False))}


def _training_set_id(good: Sequence[tuple[str, int, str, NDArray[np.float32]]], settings: Settings) -> str:
    digest = hashlib.sha256(json.dumps([settings.seed, asdict(settings.quality)], sort_keys=True).encode())
    for ztf_id, candid, name, pixels in good:
        digest.update(f"{ztf_id}|{candid}|{name}|".encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()[:16]
