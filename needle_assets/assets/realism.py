"""Glue of the test of synthetic samples: are they told from real ones of their class, by features or by pixels?"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.models import stamp_pair
from needle_assets.assets.output import Product
from needle_assets.assets.samples import feature_matrix, usable_by
from needle_assets.assets.synthetic_pairs import synthetic_pairs
from needle_assets.errors import Rejection
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.randomness import rng_for
from needle_assets.samples.pixel_statistics import PIXEL_STATISTICS, pixel_statistics
from needle_assets.samples.realism import recognisability
from needle_assets.settings import Settings


def realism(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Whether a classifier tells synthetic samples from real ones of their class; from an area of 0.65 on they have failed.

    By the features, and where a model sees stamps by twenty numbers of the pixels as well.
    """
    product = Product()
    real = frames["core.splits"].filter(~pl.col("is_untouched")).join(frames["core.features"], on="object_id")
    identity = frames["core.splits"].select("identity", image_parent="object_id")
    synthetic = (
        frames["core.synthetic_samples"].filter(pl.col("fold") == 0).join(identity, on="image_parent", maintain_order="left")
    )
    for (kind, label), drawn in sorted(synthetic.partition_by("model_kind", "label", as_dict=True).items(), key=str):
        trained = real.filter((pl.col("label") == label) & usable_by(str(kind)) & ~pl.col("validation_of").list.contains(0))
        try:
            product.rows += _realism_rows(str(kind), str(label), trained, drawn, frames["core.masked_stamps"], settings)
        except Rejection as why:
            product.rejections.append(why.also(f"NEEDLE-{kind}, {label}: {why.reason}"))
    return product


def _realism_rows(
    kind: str, label: str, real: pl.DataFrame, drawn: pl.DataFrame, stamps: pl.DataFrame, settings: Settings
) -> Iterator[dict[str, Any]]:
    named = {"model_kind": kind, "label": label, "fold": 0}
    hosts = (real["identity"].to_numpy(), drawn["identity"].to_numpy())
    rng = rng_for(settings.seed, "results.realism", kind, label)
    by_features = recognisability(feature_matrix(real), feature_matrix(drawn), hosts, HOSTED_FEATURES, rng)
    yield {**named, "compared": "features", **asdict(by_features), "is_failed": by_features.is_failed}
    if kind != "metadata":
        of_real, of_drawn, hosts = _pixels(real, drawn, stamps)
        by_pixels = recognisability(of_real, of_drawn, hosts, PIXEL_STATISTICS, rng)
        yield {**named, "compared": "pixels", **asdict(by_pixels), "is_failed": by_pixels.is_failed}


def _pixels(
    real: pl.DataFrame, drawn: pl.DataFrame, stamps: pl.DataFrame
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Numbers of the pixels of real and synthetic pairs, and the host of each."""
    row_of = {row["object_id"]: row for row in stamps.iter_rows(named=True)}
    pairs = np.stack([stamp_pair(row_of[object_id], is_masked=True) for object_id in real["object_id"]])
    rendered = [
        (recipe["identity"], pair)
        for (parent,), recipes in drawn.partition_by("image_parent", as_dict=True, maintain_order=True).items()
        for recipe, pair in synthetic_pairs(row_of[str(parent)], recipes)
    ]
    synthetic = np.stack([pair for _, pair in rendered])
    hosts = (real["identity"].to_numpy(), np.array([host for host, _ in rendered]))
    return pixel_statistics(pairs), pixel_statistics(synthetic), hosts
