"""Pictures beside quality, restoration and masks of one object: stored rows in, a figure out (paper, Figures 4 and 7 to 11)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from needle_assets.assets.stored_stamps import IMAGES, Stamp, pixel_rows, quality_rows, stamps_of
from needle_assets.figures.stamps import (
    CheckerCurves,
    MaskedPicture,
    RepairedImage,
    bad_gallery,
    checker_comparison,
    masked_pairs,
    restorations,
)
from needle_assets.images.augmentation import Pair, draw_orientation, oriented
from needle_assets.randomness import rng_for

N_AUGMENTED = 3


def stamp_quality(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """The bad images of an object under their reasons."""
    quality = quality_rows(frames)
    bad = [
        (f"{name}: {', '.join(row['reasons'])}", stamp.images[name])
        for stamp in stamps_of(frames)
        for name in IMAGES
        if not (row := quality[stamp.object_id, stamp.candid, name])["is_good"]
    ]
    return bad_gallery(bad)


def restored_stamps(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """Bad image, donor, repaired pixels and result of every repair of an object."""
    stamps = {stamp.candid: stamp for stamp in stamps_of(frames)}
    return restorations(list(_repairs(frames["core.restored_stamps"], stamps)))


def masks(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """Science, reference and mask of the usable pairs of an object; what is replaced is left out of the masked images."""
    stored = frames["core.masks"]
    kept = dict(zip(stored["candid"], pixel_rows(stored["mask"]), strict=True))
    replaced = dict(zip(stored["candid"], pixel_rows(stored["replaced"]), strict=True))
    return masked_pairs(
        [_kept(stamp, kept[stamp.candid], replaced[stamp.candid]) for stamp in stamps_of(frames) if stamp.candid in kept]
    )


def masked_stamps(frames: Mapping[str, pl.DataFrame]) -> Figure:
    """The chosen pair of an object before and after masking, and some of the ways in which training will turn it."""
    frame = frames["core.masked_stamps"]
    pixels = {name: pixel_rows(frame[name]) for name in (*IMAGES, "science_unmasked", "reference_unmasked", "mask")}
    return masked_pairs(
        [
            _masked({name: values[n] for name, values in pixels.items()}, row)
            for n, row in enumerate(frame.drop(*pixels).iter_rows(named=True))
        ]
    )


def quality_models(models: pl.DataFrame) -> Figure:
    """Both quality checkers side by side (Figures 5 and 6): rows of ``results.quality_models``; weights are not needed."""
    checkers = [
        CheckerCurves(
            f"{row['model_kind']}, chosen" if row["is_chosen"] else row["model_kind"],
            *(row[f"curve_{name}"] for name in ("threshold", "completeness", "purity", "good_rejected")),
            *(row[name] for name in ("n_bad_found", "n_bad_missed", "n_good_lost", "n_good_kept")),
        )
        for row in models.sort("model_kind").iter_rows(named=True)
    ]
    return checker_comparison(checkers, models["threshold"][0])


def _repairs(frame: pl.DataFrame, stamps: Mapping[int, Stamp]) -> Iterator[RepairedImage]:
    pixels, repaired = pixel_rows(frame["pixels"]), pixel_rows(frame["repaired"])
    for n, row in enumerate(frame.drop("pixels", "repaired").iter_rows(named=True)):
        stamp, score = stamps[row["candid"]], row["p_good_after"]
        title = f"{row['image']}\n{'accepted' if row['is_accepted'] else ', '.join(row['reasons_after'])}"
        title += "" if score is None else f"\np(good) {score:.2f}"
        donor = stamps[row["donor_candid"]].images[row["donor_image"]]
        yield RepairedImage(title, stamp.images[row["image"]], donor, repaired[n], pixels[n], stamp.target_px)


def _kept(stamp: Stamp, mask: np.ndarray, replaced: np.ndarray) -> MaskedPicture:
    science, reference = (stamp.images[name] for name in IMAGES)
    return MaskedPicture(
        title=str(stamp.candid),
        science=science,
        reference=reference,
        mask=mask,
        masked_science=np.where(replaced, np.nan, science),
        masked_reference=np.where(replaced, np.nan, reference),
        target_px=stamp.target_px,
        host_px=stamp.host_px,
    )


def _masked(pixels: Mapping[str, np.ndarray], row: Mapping[str, Any]) -> MaskedPicture:
    host = None if row["host_x_px"] is None else (row["host_x_px"], row["host_y_px"])
    pair = Pair(pixels["science"], pixels["reference"], pixels["mask"], (row["target_x_px"], row["target_y_px"]), host)
    rng = rng_for(0, "picture", row["candid"])
    noise = {"science_noise": np.asarray(row["science_noise"]), "reference_noise": np.asarray(row["reference_noise"])}
    return MaskedPicture(
        title=f"{row['object_id']}\n{row['band']}  {row['mjd']:.1f}",
        science=pixels["science_unmasked"],
        reference=pixels["reference_unmasked"],
        mask=pixels["mask"],
        masked_science=pixels["science"],
        masked_reference=pixels["reference"],
        target_px=pair.target_px,
        host_px=pair.host_px,
        augmented=[oriented(pair, draw_orientation(pair, rng), **noise, rng=rng).science for _ in range(N_AUGMENTED)],
    )
