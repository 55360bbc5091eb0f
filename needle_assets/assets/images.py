"""Quality, restoration and masks of stamps as products: rows in, one science function each, rows out (paper, section 3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from needle_assets.assets.objects import survey_of
from needle_assets.assets.output import Product
from needle_assets.assets.stored_stamps import (
    IMAGES,
    Pair,
    Quality,
    Stamp,
    by_object,
    pixel_rows,
    quality_rows,
    stamps_of,
    usable_pairs,
)
from needle_assets.errors import Rejection
from needle_assets.images import masking
from needle_assets.images.defects import Defects, find_defects
from needle_assets.images.disagreement import find_pair_defects
from needle_assets.images.noise import noise_quantiles
from needle_assets.images.pairs import Candidate, choose_pair
from needle_assets.images.restoration import Detection, Restored, completed, prior_donor, restore
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings

# The checker of the last chunk: making it anew costs as much as scoring sixty images. Its id is the hash of its weights.
_LOADED: dict[str, Any] = {}


class Repair(NamedTuple):
    """An image before and after, and where the pixels came from."""

    stamp: Stamp
    image: str
    donor_candid: int
    donor_image: str
    restored: Restored


def stamp_quality(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Which images can be used (paper, section 3.1): named rules first, then the learned checker if one has been trained.

    An absent image is bad for the reason ``empty``. Images that break a rule are scored too, so that both can be compared.
    """
    judged = [
        (stamp, name, defects)
        for stamp in stamps_of(frames)
        for name, defects in find_pair_defects(**stamp.images, settings=settings.quality)._asdict().items()
    ]
    checker = Checker.of(frames)
    scores = checker.score([stamp.images[name] for stamp, name, _ in judged])
    return Product([_quality_row(entry, score, checker.model_id, settings) for entry, score in zip(judged, scores, strict=True)])


def restored_stamps(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Bad images repaired from a good one of the same field (paper, section 3.2).

    A bad science image takes its pixels from the latest good one among five earlier detections in its band, else from its own
    reference. A bad reference takes them from its own science image, else from an earlier reference or science image. Where all
    of these are bad, an image that lacks a few known pixels is completed with its own noise, any other is refused. The result is
    judged again.
    """
    product = Product()
    quality = quality_rows(frames)
    repairs = [
        repair for stamps in by_object(stamps_of(frames)).values() for repair in _repairs(stamps, quality, settings, product)
    ]
    scores = Checker.of(frames).score([repair.restored.pixels for repair in repairs])
    for repair, score in zip(repairs, scores, strict=True):
        row = _restored_row(repair, score, settings)
        product.rows.append(row)
        if not row["is_accepted"]:
            product.rejections.append(_refusal(repair, row))
    return product


def masks(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Pixels that belong to the transient or its host, of every pair whose images are good or repaired (paper, 3.3, Eq. 4)."""
    rows: list[Mapping[str, Any]] = []
    for pair in usable_pairs(frames):
        stamp = pair.stamp
        found = masking.source_mask(
            pair.science, pair.reference, target_px=stamp.target_px, host_px=stamp.host_px, settings=settings.masking
        )
        rows.append(
            {
                "object_id": stamp.object_id,
                "candid": stamp.candid,
                **found._asdict(),
                "host_found": found.host_state == "found",
                "is_restored": pair.is_restored,
            }
        )
    return Product(rows)


def masked_stamps(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """The best usable pair at or before the classification epoch, other sources replaced by noise (paper, section 3.3)."""
    if frames["core.stamps"].is_empty():
        return Product()
    masked = set(frames["core.masks"]["candid"])
    pairs = {pair.stamp.candid: pair for pair in usable_pairs(frames) if pair.stamp.candid in masked}
    return Product([_masked_row(pairs[_choose(pairs, frames)], frames, settings)])


class Checker:
    """The chosen learned checker, or the lack of one."""

    def __init__(self, model_id: str | None, model: Any) -> None:
        self.model_id = model_id
        self._model = model

    @classmethod
    def of(cls, frames: Mapping[str, pl.DataFrame]) -> "Checker":
        """The model that ``results.quality_models`` says is chosen; torch is imported only if there is one."""
        models = frames.get("results.quality_models", pl.DataFrame())
        chosen = models if models.is_empty() else models.filter(pl.col("is_chosen"))
        if chosen.is_empty():
            return cls(None, None)
        from needle_assets.classifiers.quality import from_bytes

        row = chosen.row(0, named=True)
        if row["model_id"] not in _LOADED:
            _LOADED.clear()
            _LOADED[row["model_id"]] = from_bytes(row["model_kind"], row["weights"])
        return cls(row["model_id"], _LOADED[row["model_id"]])

    def score(self, images: Sequence[NDArray[np.floating]]) -> list[float | None]:
        """Probability that each image is good; None without a model or for an image without a pixel."""
        if self._model is None:
            return [None] * len(images)
        from needle_assets.classifiers.quality import score

        present = [index for index, image in enumerate(images) if np.isfinite(image).any()]
        scores: list[float | None] = [None] * len(images)
        values = score(self._model, np.stack([images[index] for index in present])) if present else ()
        for index, value in zip(present, values, strict=True):
            scores[index] = float(value)
        return scores


def _quality_row(
    judged: tuple[Stamp, str, Defects], score: float | None, model_id: str | None, settings: Settings
) -> dict[str, Any]:
    stamp, name, defects = judged
    is_low = score is not None and score < settings.quality.good_threshold
    reasons = [*defects.reasons, *(["low_score"] if is_low else [])]
    return {
        "object_id": stamp.object_id,
        "candid": stamp.candid,
        "image": name,
        "band": stamp.band,
        "is_good": not reasons,
        "reasons": reasons,
        "n_invalid": int(defects.invalid.sum()),
        "p_good": score,
        "model_id": None if score is None else model_id,
    }


def _repairs(stamps: Sequence[Stamp], quality: Quality, settings: Settings, product: Product) -> Iterator[Repair]:
    """Every bad image of an object that could be repaired; what could not is noted in ``product``."""
    for stamp in stamps:
        refused: dict[str, Rejection] = {}
        wrong = {f"{name}_reasons": why for name, why in _reasons(stamp, quality).items() if why}
        for name in IMAGES:
            try:
                if not quality[stamp.object_id, stamp.candid, name]["is_good"]:
                    yield _repair(stamp, name, stamps, quality, settings)
            except Rejection as why:
                told = why.also(candid=stamp.candid, object_id=stamp.object_id, **wrong)
                refused[why.reason] = told  # of both images once, if for one reason
        product.rejections += refused.values()


def _repair(stamp: Stamp, name: str, stamps: Sequence[Stamp], quality: Quality, settings: Settings) -> Repair:
    reasons = quality[stamp.object_id, stamp.candid, name]["reasons"]
    is_suspect = list(reasons) == ["low_score"]
    defects: Defects = getattr(find_pair_defects(**stamp.images, settings=settings.quality), name)
    rng = rng_for(settings.seed, "core.restored_stamps", stamp.object_id, stamp.candid, name)
    choice = _donor(stamp, name, stamps, quality, settings)
    if choice is None:
        if is_suspect or np.count_nonzero(~defects.invalid) < settings.restoration.min_own_fraction * defects.invalid.size:
            raise _both_bad(_reasons(stamp, quality))
        alone = completed(
            stamp.images[name], invalid=defects.invalid, target_px=stamp.target_px, rng=rng, settings=settings.restoration
        )
        return Repair(stamp, name, stamp.candid, name, alone)
    donor, donor_image = choice
    restored = restore(
        stamp.images[name],
        donor.images[donor_image],
        invalid=defects.invalid,
        donor_invalid=find_defects(donor.images[donor_image], settings.quality).invalid,
        target_px=stamp.target_px,
        donor_target_px=None if donor is stamp else donor.target_px,
        is_suspect=is_suspect,
        rng=rng,
        settings=settings.restoration,
    )
    return Repair(stamp, name, donor.candid, donor_image, restored)


def _donor(stamp: Stamp, name: str, stamps: Sequence[Stamp], quality: Quality, settings: Settings) -> tuple[Stamp, str] | None:
    """The image to take pixels from; None if neither the other image nor an earlier one of the field is good."""
    other = "reference" if name == "science" else "science"
    own = [(stamp, other)] if quality[stamp.object_id, stamp.candid, other]["is_good"] else []
    earlier = [
        (donor, image)
        for image in (name, other)
        if (donor := _earlier(stamp, image, stamps, quality, settings)) is not None and not (name == "science" and image == other)
    ]
    choices = [*earlier, *own] if name == "science" else [*own, *earlier]
    return choices[0] if choices else None


def _earlier(stamp: Stamp, image: str, stamps: Sequence[Stamp], quality: Quality, settings: Settings) -> Stamp | None:
    same_band = {other.candid: other for other in stamps if other.band == stamp.band}
    detections = [
        Detection(other.candid, other.mjd, quality[other.object_id, other.candid, image]["is_good"])
        for other in same_band.values()
    ]
    found = prior_donor(stamp.mjd, detections, max_prior_detections=settings.restoration.max_prior_detections)
    return None if found is None else same_band[found.candid]


def _reasons(stamp: Stamp, quality: Quality) -> dict[str, str]:
    """What is wrong with each image of a stamp; empty if nothing is."""
    return {name: ", ".join(quality[stamp.object_id, stamp.candid, name]["reasons"]) for name in IMAGES}


def _both_bad(reasons: Mapping[str, str]) -> Rejection:
    told = " and ".join(f"{name} ({why})" for name, why in reasons.items())
    return Rejection(
        f"{told} are both bad, and so are earlier detections in this band; one good image of the field is needed for such a repair."
    )


def _restored_row(repair: Repair, score: float | None, settings: Settings) -> dict[str, Any]:
    restored = repair.restored
    after: dict[str, NDArray[np.floating]] = {**repair.stamp.images, repair.image: restored.pixels}
    left: Defects = getattr(find_pair_defects(**after, settings=settings.quality), repair.image)
    reasons = list(left.reasons)
    if restored.is_transient_lost:
        reasons.append("transient_lost")
    if score is not None and score < settings.restoration.restored_threshold:
        reasons.append("low_score")
    return {
        "object_id": repair.stamp.object_id,
        "candid": repair.stamp.candid,
        "image": repair.image,
        "donor_candid": repair.donor_candid,
        "donor_image": repair.donor_image,
        "pixels": restored.pixels,
        "repaired": restored.repaired,
        "n_repaired": int(restored.repaired.sum()),
        "n_from_noise": restored.n_from_noise,
        "gain": restored.gain if np.isfinite(restored.gain) else None,
        "is_transient_lost": restored.is_transient_lost,
        "reasons_after": reasons,
        "p_good_after": score,
        "is_accepted": not reasons,
    }


def _refusal(repair: Repair, row: Mapping[str, Any]) -> Rejection:
    return Rejection(
        f"The repaired {repair.image} image is refused: {', '.join(row['reasons_after'])}.",
        candid=repair.stamp.candid,
        object_id=repair.stamp.object_id,
        p_good_after=row["p_good_after"],
        n_repaired=row["n_repaired"],
    )


def _choose(pairs: Mapping[int, Pair], frames: Mapping[str, pl.DataFrame]) -> int:
    """The candid of the chosen pair; Rejection if no pair can stand for the object."""
    epochs = frames["core.epochs"]
    classification_mjd = None if epochs.is_empty() else epochs["classification_mjd"][0]
    if classification_mjd is None:
        raise Rejection("No classification epoch is known: the object has no usable detection.", n_usable_pairs=len(pairs))
    detections = {row["candid"]: row for row in frames["core.detections"].iter_rows(named=True)}
    candidates = (_candidate(pair, detections.get(candid, {})) for candid, pair in pairs.items())
    bands = survey_of(frames).pair_bands
    chosen = choose_pair(candidates, classification_mjd, bands)
    if chosen is None:
        raise Rejection(
            f"None of {len(frames['core.stamps'])} stamps gives a usable pair in {' or '.join(bands)}, brighter than the reference, "
            "at or before the classification epoch; see the refusals of its stamps.",
            n_usable_pairs=len(pairs),
            classification_mjd=classification_mjd,
        )
    return chosen.candid


def _candidate(pair: Pair, detection: Mapping[str, Any]) -> Candidate:
    stamp = pair.stamp
    is_positive = detection.get("is_positive") is not False
    return Candidate(stamp.candid, stamp.band, stamp.mjd, detection.get("mag"), pair.is_restored, is_positive)


def _masked_row(pair: Pair, frames: Mapping[str, pl.DataFrame], settings: Settings) -> dict[str, Any]:
    stamp = pair.stamp
    stored = frames["core.masks"].filter(pl.col("candid") == stamp.candid)
    masked = masking.masked_pair(
        pair.science,
        pair.reference,
        pixel_rows(stored["replaced"])[0],
        rng=rng_for(settings.seed, "core.masked_stamps", stamp.object_id, stamp.candid),
        target_px=stamp.target_px,
        host_px=stamp.host_px,
        settings=settings.masking,
    )
    return {
        "object_id": stamp.object_id,
        "candid": stamp.candid,
        "band": stamp.band,
        "mjd": stamp.mjd,
        "science": masked.science,
        "reference": masked.reference,
        "science_unmasked": masked.science_unmasked,
        "reference_unmasked": masked.reference_unmasked,
        "mask": pixel_rows(stored["mask"])[0],
        "science_noise": noise_quantiles(masked.science_noise),
        "reference_noise": noise_quantiles(masked.reference_noise),
        "target_x_px": stamp.target_px[0],
        "target_y_px": stamp.target_px[1],
        "host_x_px": None if stamp.host_px is None else stamp.host_px[0],
        "host_y_px": None if stamp.host_px is None else stamp.host_px[1],
        "is_restored": pair.is_restored,
        "is_blended": stored["is_blended"][0],
        "touches_border": stored["touches_border"][0],
    }
