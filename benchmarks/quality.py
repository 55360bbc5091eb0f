"""The quality checkers on real stamps: how much damage they find that they were not trained on, and of stamps labelled by eye.

    python benchmarks/quality.py LANDING [--labels CSV] [--kinds cnn,resnet18] [--epochs N] [--out FOLDER]

Objects of which a stamp has a label of part ``judging`` are kept out of the training and of the rules' limits. The other good
images train both networks, a fifth of the objects sets the threshold. Damage of kinds that training never uses is put into the good
images of the judging part. Intervals are Clopper and Pearson's, 95 %. About 40 minutes of one core with the default settings.
"""

import argparse
import csv
import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from needle_assets.assets.stored_stamps import IMAGES
from needle_assets.classifiers import quality
from needle_assets.classifiers.damage import HELD_OUT_KINDS, TRAINING_KINDS, damaged
from needle_assets.classifiers.intervals import clopper_pearson
from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.disagreement import find_pair_defects
from needle_assets.images.stamps import place_cutout
from needle_assets.landing.packets import read_packet
from needle_assets.settings import CheckerSettings, QualitySettings
from needle_assets.surveys.ztf import ZTF

LABELS = Path(__file__).parents[1] / "needle_assets_tests" / "images" / "stamp_labels.csv"
COPIES = 2
NOTHING = np.full((ZTF.stamp_size_px, ZTF.stamp_size_px), np.nan, dtype=np.float32)


class Real(NamedTuple):
    """A finite real image, whose it is, the other image of its pair, whether a rule objects, and its label: part, verdict, why."""

    object_id: str
    candid: int
    name: str
    pixels: NDArray[np.float32]
    partner: NDArray[np.float32]
    is_refused: bool
    label: tuple[str, str, str]


def real_images(landing: Path, labels: Path) -> list[Real]:
    """Every finite image of a landing folder."""
    with labels.open(encoding="utf-8") as lines:
        known = {(int(row["candid"]), row["image"]): (row["part"], row["label"], row["reason"]) for row in csv.DictReader(lines)}
    found = []
    for path in sorted((landing / "alerts").glob("*.avro")):
        packet = read_packet(path.read_bytes())
        at = {"xpos": packet.candidate["xpos"], "ypos": packet.candidate["ypos"]}
        pair = {name: placed(getattr(packet, name), at) for name in IMAGES}
        for name, partner in zip(IMAGES, IMAGES[::-1], strict=True):
            if np.isfinite(pair[name]).all():
                label = known.get((packet.candid, name), ("", "", ""))
                refused = breaks_rule(pair[name], pair[partner], name)
                found.append(Real(packet.object_id, packet.candid, name, pair[name], pair[partner], refused, label))
    return found


def placed(cutout: bytes | None, at: dict[str, float]) -> NDArray[np.float32]:
    """An image in the stamp's frame; nothing but NaN where there is none."""
    try:
        return NOTHING if cutout is None else place_cutout(decode_cutout(cutout), ZTF, **at).image.astype(np.float32)
    except Rejection:
        return NOTHING


def breaks_rule(pixels: NDArray[np.floating], partner: NDArray[np.floating], name: str) -> bool:
    """Whether a rule objects to the image ``name`` of a pair."""
    other = IMAGES[1 - IMAGES.index(name)]
    return bool(getattr(find_pair_defects(**{name: pixels, other: partner}), name).reasons)


def rate(hits: NDArray[np.bool_]) -> str:
    """A rate with its interval."""
    low, high = clopper_pearson(int(hits.sum()), len(hits))
    return f"{hits.sum():4d} of {len(hits):4d} = {hits.mean() if len(hits) else np.nan:6.1%}  [{low:.1%}, {high:.1%}]"


def parts_of(images: list[Real]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Good images to train on and to set the threshold with: nothing of an object in the judging part, nothing labelled bad."""
    kept_out = {image.object_id for image in images if image.label[0] == "judging"}
    free = [i for i in images if i.object_id not in kept_out and not i.is_refused and i.label[1] not in ("bad", "unsure")]
    is_calibration = [hashlib.sha256(i.object_id.encode()).digest()[0] < 256 // 5 for i in free]
    training, calibration = (
        np.stack([i.pixels for i, c in zip(free, is_calibration, strict=True) if c == wanted]) for wanted in (False, True)
    )
    return training, calibration


def injected(good: list[Real], kinds: list[str]) -> dict[str, NDArray[np.float64]]:
    """Each good image damaged in each kind, with different random numbers in each copy."""
    rng = np.random.default_rng(20261123)
    return {kind: np.stack([damaged(i.pixels, kind, rng)[0] for i in good[::COPIES]]) for kind in kinds}


def report(kind: str, model: quality.nn.Module, images: list[Real], threshold: float) -> None:
    """Print what one network finds, alone and with the rules."""
    for part in ("judging", "tuning"):
        chosen = [i for i in images if i.label[0] == part]
        good, bad = ([i for i in chosen if i.label[1] == label] for label in ("good", "bad"))
        low = quality.score(model, np.stack([i.pixels for i in good])) < threshold
        ruled = np.array([i.is_refused for i in good])
        seen = " (seen in training)" if part == "tuning" else ""
        print(f"\n{kind}: labelled by eye, {part} part{seen}")
        print("  good rejected, rules alone    ", rate(ruled))
        print("  good rejected, network alone  ", rate(low))
        print("  good rejected, rules + network", rate(low | ruled))
        p_bad = quality.score(model, np.stack([i.pixels for i in bad]))
        bad_ruled = np.array([i.is_refused for i in bad])
        print("  bad found, rules alone        ", rate(bad_ruled))
        print("  bad found, network alone      ", rate(p_bad < threshold))
        print("  bad found, rules + network    ", rate((p_bad < threshold) | bad_ruled))
        for image, p_good in zip(bad, p_bad, strict=True):
            told = "rule " if image.is_refused else "     "
            print(f"    {image.candid:19d} {image.name:10s}{image.label[2]:42s} {told} p_good {p_good:.3f}")


def report_injected(kind: str, model: quality.nn.Module, images: list[Real], threshold: float) -> None:
    """Print what is found of damage put in on purpose."""
    good = [i for i in images if i.label[:2] == ("judging", "good")]
    print(f"\n{kind}: damage of kinds never trained on, network alone; rules + network")
    alone, both = [], []
    for name, bad in injected(good, list(HELD_OUT_KINDS)).items():
        low = quality.score(model, bad) < threshold
        ruled = np.array([breaks_rule(pixels, i.partner, i.name) for pixels, i in zip(bad, good[::COPIES], strict=True)])
        print(f"  {name:18s} {rate(low)}   {rate(low | ruled)}")
        alone.append(low)
        both.append(low | ruled)
    print(f"  {'all':18s} {rate(np.concatenate(alone))}   {rate(np.concatenate(both))}")
    trained = injected(good, list(TRAINING_KINDS))
    told = {name: float(np.mean(quality.score(model, bad[:40]) < threshold)) for name, bad in trained.items()}
    print("  kinds trained on, down to invisible ones:", ", ".join(f"{name} {found:.0%}" for name, found in told.items()))


def main() -> None:
    """Train, then print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landing", type=Path)
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--kinds", default=",".join(quality.MODEL_KINDS))
    parser.add_argument("--epochs", type=int, default=CheckerSettings().epochs)
    parser.add_argument("--out", type=Path, help="folder where weights are kept; those that are there are not trained again")
    arguments = parser.parse_args()
    settings, threshold = replace(CheckerSettings(), epochs=arguments.epochs), QualitySettings().good_threshold
    images = real_images(arguments.landing, arguments.labels)
    training, calibration = parts_of(images)
    print(f"{len(images)} finite images; {len(training)} good ones train, {len(calibration)} set the threshold")
    for kind in arguments.kinds.split(","):
        kept = None if arguments.out is None else arguments.out / f"{kind}_{arguments.epochs}.safetensors"
        if kept is not None and kept.exists():
            weights = kept.read_bytes()
        else:
            start = time.process_time()
            done = quality.train(kind, training, seed=1, settings=settings, on_epoch=lambda _: print(".", end="", flush=True))
            print(
                f"\n{kind}: trained in {time.process_time() - start:.0f} s of processor time; accuracy",
                np.round(done.accuracy, 3),
            )
            weights = quality.to_bytes(done.model)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(weights)
        model = quality.calibrated(quality.from_bytes(kind, weights), calibration, threshold=threshold)
        report(kind, model, images, threshold)
        report_injected(kind, model, images, threshold)


if __name__ == "__main__":
    main()
