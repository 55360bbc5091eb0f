"""Training of the quality checkers: which stamps, both networks, which one is chosen (paper, section 3.1)."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from needle_assets.assets.stored_stamps import IMAGES, stamps_of
from needle_assets.assets.trained.fold_models import TrainingError
from needle_assets.errors import Rejection
from needle_assets.images.defects import find_defects
from needle_assets.processes.memory import kept_for_reuse
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings
from needle_assets.surveys.known import SURVEYS
from needle_assets.surveys.survey import FEATURE_COLUMNS

MODEL_KINDS = ("cnn", "resnet18")
MIN_IMAGES = 20
SAID_BAD = "called bad by a person"
# Raised by hand when the same images and settings would give another checker.
CODE_VERSION = "2"


class GoodImage(NamedTuple):
    """An image that passes the rules, shape (60, 60) [DN]."""

    object_id: str
    candid: int
    name: str
    pixels: NDArray[np.float32]


class Parts(NamedTuple):
    """
    Good images, shape (n, 60, 60), to train on, to set the threshold with, and to judge by; no object is in two of them.

    ``bad``, shape (m, 60, 60), are those of objects to train on that people called bad.
    """

    training: NDArray[np.float32]
    calibration: NDArray[np.float32]
    judging: NDArray[np.float32]
    n_objects: tuple[int, int, int]
    bad: NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """All that one network needs in order to be trained; ``told`` is a file in which it says which epoch it has reached."""

    model_kind: str
    fingerprint: str
    parts: Parts
    settings: Settings
    told: Path | None = None


def training_objects(quality: pl.DataFrame, settings: Settings) -> list[str]:
    """
    The objects whose stamps are needed to train: drawn by a hash of their id until ``max_training_images`` good images are had, and
    those of which people called an image bad.

    ``quality`` holds object_id and reasons of ``core.stamp_quality``, all objects.
    """
    good = quality.filter(_passes_rules()).group_by("object_id").len()
    ordered = sorted(good.iter_rows(), key=lambda row: _draw(row[0], settings))
    needed, n_images = quality.filter(pl.col("reasons").list.contains(SAID_BAD))["object_id"].unique().to_list(), 0
    for object_id, n in ordered:
        if n_images >= settings.checker.max_training_images:
            break
        needed.append(object_id)
        n_images += n
    return sorted(set(needed))


def with_verdicts(quality: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """
    What the rules say of images, people's word in its place where there is one: no reason for good, SAID_BAD for bad.

    ``quality`` holds object_id, candid, image and reasons; ``verdicts`` object_id, candid, image and verdict, one row per image.
    """
    said = pl.when(pl.col("verdict") == "good").then(pl.lit([], dtype=pl.List(pl.String))).otherwise(pl.lit([SAID_BAD]))
    joined = quality.join(verdicts, on=["object_id", "candid", "image"], how="left")
    return joined.with_columns(reasons=pl.when(pl.col("verdict").is_null()).then("reasons").otherwise(said)).drop("verdict")


def bad_images(frames: Mapping[str, pl.DataFrame]) -> list[GoodImage]:
    """Every image of some objects that people called bad, sorted like the good ones; see :func:`with_verdicts`."""
    quality = frames["core.stamp_quality"].filter(pl.col("reasons").list.contains(SAID_BAD))
    called = set(zip(quality["object_id"], quality["candid"], quality["image"], strict=True))
    images = ((stamp.object_id, stamp.candid, name, stamp.images[name]) for stamp in stamps_of(frames) for name in IMAGES)
    return sorted((GoodImage(*found) for found in images if found[:3] in called), key=lambda entry: entry[:3])


def good_images(frames: Mapping[str, pl.DataFrame]) -> list[GoodImage]:
    """
    Every image of some objects that passes the rules, sorted by object, packet and name.

    ``core.stamps`` (candid, science, reference) and ``core.stamp_quality`` (candid, image, reasons) of these objects are needed.
    Raises TrainingError if an image was judged that is not there.
    """
    quality = frames["core.stamp_quality"].filter(_passes_rules())
    passed = set(zip(quality["object_id"], quality["candid"], quality["image"], strict=True))
    found = [
        GoodImage(stamp.object_id, stamp.candid, name, stamp.images[name])
        for stamp in stamps_of(frames)
        for name in IMAGES
        if (stamp.object_id, stamp.candid, name) in passed
    ]
    if len(found) < len(passed):
        raise TrainingError(f"{len(passed) - len(found)} judged images have no stamp; run `needle refresh`, then train again.")
    return sorted(found, key=lambda entry: entry[:3])


def parts_of(good: Sequence[GoodImage], settings: Settings, bad: Sequence[GoodImage] = ()) -> Parts:
    """
    Images by part: an object belongs to one part for ever, whatever other objects there are. ``bad`` ones are trained on alone.

    Raises
    ------
    Rejection
        If there are too few good images in one of the three parts.
    """
    names: list[set[str]] = [set(), set(), set()]
    images: list[list[NDArray[np.float32]]] = [[], [], []]
    for object_id, _, _, pixels in good:
        part = _part(object_id, settings)
        names[part].add(object_id)
        images[part].append(pixels)
    if min(len(part) for part in images) < MIN_IMAGES:
        raise Rejection(
            f"{len(good)} good images are too few to train a quality checker: {MIN_IMAGES} are needed in each of three parts, "
            f"but they have {', '.join(str(len(part)) for part in images)}. The rules work without one.",
            n_images=len(good),
        )
    training, calibration, judging = (np.stack(part) for part in images)
    examples = [pixels for object_id, _, _, pixels in bad if _part(object_id, settings) == 0]
    shown = np.stack(examples) if examples else np.empty((0, *training.shape[1:]), np.float32)
    return Parts(training, calibration, judging, (len(names[0]), len(names[1]), len(names[2])), shown)


def _part(object_id: str, settings: Settings) -> int:
    """0 to train on, 1 to set the threshold with, 2 to judge by."""
    half = settings.checker.held_out_fraction / 2 * 2**32
    draw = _draw(f"part of {object_id}", settings)
    return 1 if draw < half else 2 if draw < 2 * half else 0


def training_set_id(good: Sequence[GoodImage], bad: Sequence[GoodImage] = ()) -> str:
    """Hash of the images that training uses, whatever their order."""
    digest = hashlib.sha256()
    ordered = [sorted(images, key=lambda entry: entry[:3]) for images in (good, bad)]
    for object_id, candid, name, pixels in [*ordered[0], *(entry._replace(name=f"bad {entry.name}") for entry in ordered[1])]:
        digest.update(f"{object_id}|{candid}|{name}|".encode() + np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()[:16]


def fingerprint(training_set: str, model_kind: str, settings: Settings) -> str:
    """What decides whether a network has to be trained again: images, settings, seed and code."""
    checker = asdict(settings.checker)
    checker.pop("trains_on_verdicts")  # which images that makes is in the training set
    told = json.dumps([training_set, model_kind, settings.seed, asdict(settings.quality), checker, CODE_VERSION], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def counts(quality: pl.DataFrame) -> dict[str, int]:
    """Good and bad images in the bluer and the redder feature band, by the rules, as in Table 3; ``quality`` holds band and reasons."""
    counted = quality.with_columns(is_good=_passes_rules()).group_by("band", "is_good").len()
    n = {(band, is_good): count for band, is_good, count in counted.iter_rows()}
    bands = {column: {survey.feature_bands[k] for survey in SURVEYS.values()} for k, column in enumerate(FEATURE_COLUMNS)}
    return {
        f"n_{name}_{column}": sum(n.get((band, is_good), 0) for band in bands[column])
        for column in FEATURE_COLUMNS
        for name, is_good in (("good", True), ("bad", False))
    }


def train_network(task: Task) -> dict[str, Any]:
    """
    One network, trained on damage made on purpose: its threshold set on the second part, judged on the third with kinds of
    damage never trained on. Returns its row of ``results.quality_models``. Runs in a worker.
    """
    from needle_assets.classifiers import quality as networks

    started = time.monotonic()
    parts, settings = task.parts, task.settings
    with kept_for_reuse():
        trained = networks.train(
            task.model_kind,
            parts.training,
            seed=settings.seed,
            bad=parts.bad,
            settings=settings.checker,
            on_epoch=_teller(task.told),
        )
    weights = networks.to_bytes(networks.calibrated(trained.model, parts.calibration, threshold=settings.quality.good_threshold))
    return {
        "model_id": hashlib.sha256(weights).hexdigest()[:16],
        "model_kind": task.model_kind,
        "fingerprint": task.fingerprint,
        "seed": settings.seed,
        "n_objects_training": parts.n_objects[0],
        "n_objects_held_out": parts.n_objects[1] + parts.n_objects[2],
        "n_images_training": len(parts.training),
        **_judged(networks, networks.from_bytes(task.model_kind, weights), parts.judging, settings),
        "history_loss": trained.loss,
        "history_accuracy": trained.accuracy,
        "weights": weights,
        "settings": json.dumps({"quality": asdict(settings.quality), "checker": asdict(settings.checker)}, sort_keys=True),
        "seconds": time.monotonic() - started,
    }


def chosen_model(rows: Sequence[Mapping[str, Any]], settings: Settings) -> str:
    """
    The id of the network that finds most damage at the threshold, of equal ones the one that loses fewer good images.

    Raises
    ------
    Rejection
        If that one finds less than ``min_completeness`` of the damage it was never trained on, or loses more than
        ``max_good_rejected`` of good images: rules do better without it.
    """
    checker = settings.checker
    best = max(rows, key=lambda row: (row["n_bad_found"] - row["n_good_lost"], -row["n_good_lost"], row["model_kind"]))
    n_bad, n_good = best["n_bad_found"] + best["n_bad_missed"], best["n_good_lost"] + best["n_good_kept"]
    if best["n_bad_found"] < checker.min_completeness * n_bad or best["n_good_lost"] > checker.max_good_rejected * n_good:
        raise Rejection(
            f"The better of {len(rows)} quality checkers, {best['model_kind']}, finds {best['n_bad_found']} of {n_bad} images "
            f"damaged in ways it was never trained on and rejects {best['n_good_lost']} of {n_good} good ones; to judge beside the "
            f"rules it must find {checker.min_completeness:.0%} and may reject {checker.max_good_rejected:.0%}. The rules go on "
            "alone; more images or epochs may help.",
            n_bad_found=best["n_bad_found"],
            n_bad=n_bad,
            n_good_lost=best["n_good_lost"],
            n_good=n_good,
        )
    return str(best["model_id"])


def _passes_rules() -> pl.Expr:
    return pl.col("reasons").list.set_difference(["low_score"]).list.len() == 0


def _draw(object_id: str, settings: Settings) -> int:
    """A number between 0 and 2**32 that decides where an object goes, the same at every call."""
    return int.from_bytes(hashlib.sha256(f"{settings.seed}|quality|{object_id}".encode()).digest()[:4], "big")


def _teller(told: Path | None) -> Any:
    if told is None:
        return None

    def tell(n_epochs: int) -> None:
        with suppress(OSError):  # how far it is only shows; the network is what counts
            told.write_text(str(n_epochs), encoding="ascii")

    return tell


def _judged(networks: Any, model: Any, images: NDArray[np.float32], settings: Settings) -> dict[str, Any]:
    """What the model finds on held-out objects, in all, along the threshold, and by kind of damage with what the rules add."""
    threshold = settings.quality.good_threshold
    judged = networks.judge(model, images, rng_for(settings.seed, "results.quality_models", "judging"))
    found = networks.finding_bad(judged.p_good, judged.is_bad, threshold)
    curve = networks.curves(judged.p_good, judged.is_bad)
    breaks_rule = np.array([bool(find_defects(image, settings.quality).reasons) for image in judged.bad])
    low = judged.p_good[judged.is_bad] < threshold
    kinds = sorted(set(judged.kinds))
    among = [np.array(judged.kinds) == kind for kind in kinds]
    return {
        "threshold": threshold,
        **{name: found[name] for name in ("n_bad_found", "n_bad_missed", "n_good_lost", "n_good_kept")},
        **{f"curve_{name}": values for name, values in curve.items()},
        "kinds": kinds,
        "kind_n": [int(members.sum()) for members in among],
        "kind_n_found": [int((low & members).sum()) for members in among],
        "kind_n_found_with_rules": [int(((low | breaks_rule) & members).sum()) for members in among],
    }
