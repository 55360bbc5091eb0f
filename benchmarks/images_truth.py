"""Stamps whose truth is known: what masks keep and remove, replaced sky, and repairs from earlier detections. SIMULATED.

    python benchmarks/images_truth.py [FOLDER] [--objects 150] [--seed 7]

FOLDER is a simulated survey with its truth; one is made if it is left out. Every object is drawn again without the others around
it, so what is its own light and what is theirs is known in each pixel, also where they overlap. Blended pairs, where a neighbour
that rises above 3 sigma touches the sources of target or host above 3 sigma, are counted apart.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from images import placed_pairs
from numpy.typing import NDArray
from scipy import ndimage

from needle_assets.assets.images import restored_stamps, stamp_quality
from needle_assets.classifiers.damage import RULE_KINDS, damaged
from needle_assets.classifiers.intervals import clopper_pearson
from needle_assets.images.masking import masked_pair, source_mask
from needle_assets.images.noise import measure_sky
from needle_assets.images.sources import within_px
from needle_assets.settings import Settings, preset_settings
from needle_assets.simulation import simulate
from needle_assets.simulation.folder import _rendered
from needle_assets.simulation.objects import draw_object
from needle_assets.simulation.sky import Galaxies, Stars
from needle_assets.simulation.stamps import Stamp
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.ztf import ZTF

OURS, AUTHORS = preset_settings("default"), preset_settings("needle2")
INNER = slice(1, 61)
NOTHING = np.zeros(0)
NO_MAG = dict.fromkeys("gri", NOTHING)
NO_GALAXIES, NO_STARS = Galaxies(NOTHING, NOTHING, NO_MAG, *[NOTHING] * 4), Stars(NOTHING, NOTHING, NO_MAG)


class Light(NamedTuple):
    """Noiseless light above the sky of target and host and of all other sources, shape (60, 60), the sky and its noise [DN]."""

    own: NDArray[np.floating]
    neighbours: NDArray[np.floating]
    sky: float
    sigma: float


class Known(NamedTuple):
    """A simulated good pair and its truth; the host's position is None without one."""

    object_id: str
    candid: int
    band: str
    mjd: float
    images: dict[str, NDArray[np.float32]]
    target_px: tuple[float, float]
    host_px: tuple[float, float] | None
    light: dict[str, Light]


class Judged(NamedTuple):
    """
    What a mask did to a pair.

    ``flux`` is, over both images, that of target and host above 3 sigma which is kept, and all of it; that of neighbours above
    the noise which is removed, and all of it.
    """

    object_id: str
    flux: NDArray[np.float64]
    is_blended: bool
    is_flagged: bool
    is_outside: bool


def known_pairs(folder: Path) -> list[Known]:
    """Every pair of a simulated survey that breaks no rule."""
    truth = {
        row["candid"]: row for path in (folder / "truth/stamps").glob("*.parquet") for row in pl.read_parquet(path).to_dicts()
    }
    placed = {packet.candid: (packet, science, reference) for packet, science, reference in placed_pairs(folder)}
    drawn = dict(drawn_alone(folder, truth.keys() & placed.keys()))
    pairs = []
    for candid, (own, bare) in drawn.items():
        packet, science, reference = placed[candid]
        images, row = {"science": science.image, "reference": reference.image}, truth[candid]
        band, mjd = ZTF.band_of_number[packet.candidate["fid"]], packet.candidate["jd"] - MJD_OFFSET
        target = (science.target_x_px, science.target_y_px)
        host = None if row["host_x_px"] is None else (row["host_x_px"] - 1, row["host_y_px"] - 1)
        light = {name: _light(name, row, images[name], own, bare) for name in images}
        pairs.append(Known(packet.object_id, candid, band, mjd, images, target, host, light))
    return pairs


def drawn_alone(folder: Path, candids: set[int]) -> Iterator[tuple[int, tuple[Stamp, Stamp]]]:
    """Packet by packet: the object without any neighbour, and also without its host."""
    made = json.loads((folder / "truth/simulation.json").read_text())
    for index in pl.read_parquet(folder / "truth/objects.parquet")["index"]:
        alone = replace(draw_object(made["seed"], index, made["mix"]), galaxies=NO_GALAXIES, stars=NO_STARS)
        wanted = [int(i) for i in alone.packets if alone.candid(int(i)) in candids]
        with_host = _rendered(alone, made["seed"], wanted)
        without = _rendered(replace(alone, host=None), made["seed"], wanted)
        for (exposure, own, _), (_, bare, _) in zip(with_host, without, strict=True):
            yield alone.candid(exposure), (own, bare)


def _light(name: str, row: dict[str, Any], image: NDArray[np.floating], own: Stamp, bare: Stamp) -> Light:
    """The light in one image; the sky is what a stamp with the transient alone has in most pixels."""
    everything = np.array(row[f"clean_{name}"]).reshape(63, 63)[INNER, INNER].astype(float)
    alone, target = (getattr(stamp, f"clean_{name}")[INNER, INNER].astype(float) for stamp in (own, bare))
    sky = float(np.median(target))
    sigma = row["sky_sigma_dn"] if name == "science" else 1.4826 * np.median(np.abs(image - everything))
    return Light(alone - sky, everything - alone, sky, float(sigma))


def judged(pair: Known, settings: Settings) -> Judged:
    """One pair's mask against the truth."""
    images = pair.images
    found = source_mask(
        images["science"], images["reference"], target_px=pair.target_px, host_px=pair.host_px, settings=settings.masking
    )
    flux, is_blended = np.zeros(4), False
    for own, neighbours, _, sigma in pair.light.values():
        ours, theirs = own > 3 * sigma, neighbours > sigma
        labels, _ = ndimage.label(own + neighbours > 3 * sigma, np.ones((3, 3)))
        joined = np.isin(labels, np.setdiff1d(labels[ours], 0))
        is_blended |= bool((joined & (neighbours > 3 * sigma)).sum() > 2)
        flux += [
            own[ours & ~found.replaced].sum(), own[ours].sum(), neighbours[theirs & found.replaced].sum(), neighbours[theirs].sum()
        ]  # fmt: skip
    return Judged(pair.object_id, flux, is_blended, found.is_blended, is_outside(pair))


def is_outside(pair: Known) -> bool:
    """Whether the host's centre lies outside the stamp."""
    return pair.host_px is not None and not all(-0.5 <= place < 59.5 for place in pair.host_px)


def share_with_interval(entries: Sequence[Judged], part: int) -> str:
    """Flux ``part`` over the next one, of all pairs together, and its 95 % interval from 2000 resamples of the objects."""
    names, object_of = np.unique([entry.object_id for entry in entries], return_inverse=True)
    flux = np.zeros((len(names), 4))
    np.add.at(flux, object_of, [entry.flux for entry in entries])
    sums = flux[np.random.default_rng(0).integers(0, len(names), (2000, len(names)))].sum(axis=1)
    low, high = np.quantile(sums[:, part] / np.maximum(sums[:, part + 1], 1e-9), [0.025, 0.975])
    return f"{flux[:, part].sum() / max(flux[:, part + 1].sum(), 1e-9):.2%} [{low:.2%}, {high:.2%}]"


def report_masks(pairs: Sequence[Known]) -> None:
    """Flux above 3 sigma kept and neighbours' flux removed, of all pairs together; how many are flagged."""
    for whose, settings in (("ours", OURS), ("authors", AUTHORS)):
        every = [judged(pair, settings) for pair in pairs]
        groups = {
            "unblended": [entry for entry in every if not entry.is_blended],
            "blended": [entry for entry in every if entry.is_blended],
            "host outside": [entry for entry in every if entry.is_outside],
        }
        for title, chosen in groups.items():
            if not chosen:
                continue
            n_flagged, n_objects = sum(entry.is_flagged for entry in chosen), len({entry.object_id for entry in chosen})
            low, high = clopper_pearson(n_flagged, len(chosen))
            print(
                f"  {whose:8s}{title:13s}{len(chosen):4d} pairs of {n_objects:3d} objects: kept {share_with_interval(chosen, 0)}  "
                f"neighbours removed {share_with_interval(chosen, 2)}  "
                f"flagged {n_flagged / len(chosen):.0%} [{low:.0%}, {high:.0%}]"
            )


def report_sky(pairs: Sequence[Known]) -> None:
    """Replaced pixels of science against the sky of the truth, where a tenth of the stamp or more shows nothing but sky."""
    offsets, ratios = [], []
    for n, pair in enumerate(pairs):
        light, images = pair.light["science"], pair.images
        if (np.abs(light.own + light.neighbours) < 0.1 * light.sigma).mean() < 0.1:
            continue
        found = source_mask(images["science"], images["reference"], target_px=pair.target_px)
        masked = masked_pair(
            images["science"], images["reference"], found.replaced, rng=np.random.default_rng(n), target_px=pair.target_px
        )
        values = masked.science[found.replaced]
        offsets.append((values.mean() - light.sky) / light.sigma)
        ratios.append(values.std() / light.sigma)
    print(
        f"  replaced sky, {len(offsets)} pairs that show sky: "
        f"mean - sky {np.mean(offsets):+.4f} +- {np.std(offsets) / np.sqrt(len(offsets)):.4f} "
        f"sigma, scatter ratio {np.mean(ratios):.4f} +- {np.std(ratios) / np.sqrt(len(ratios)):.4f}"
    )


def report_earlier(pairs: list[Known]) -> None:
    """Science images damaged on purpose and repaired by the stage from an earlier detection of the object."""
    rms, ratios, n_refused, n_wrong = [], [], 0, 0
    groups: dict[tuple[str, str], list[Known]] = {}
    for pair in pairs:
        groups.setdefault((pair.object_id, pair.band), []).append(pair)
    for n, members in enumerate(groups.values()):
        members.sort(key=lambda pair: pair.mjd)
        for k in range(1, len(members)):
            pair = members[k]
            bad, touched = damaged(pair.images["science"], list(RULE_KINDS)[(n + k) % 7], np.random.default_rng([n, k]))
            row = _repaired_row(members[: k + 1], bad.astype(np.float32))
            if row is None:
                n_refused += 1
                continue
            donor = next(other for other in members if other.candid == row["donor_candid"])
            sky, donor_sky = measure_sky(pair.images["science"]), measure_sky(donor.images["science"])
            image, noise = pair.images["science"], np.hypot(sky.sigma, donor_sky.sigma)
            blank = touched & (np.abs(image - sky.level) < 3 * sky.sigma) & (np.abs(row["pixels"] - sky.level) < 4 * noise)
            if blank.any():
                rms.append(np.sqrt(np.mean((row["pixels"] - image)[blank] ** 2)) / noise)
            source = touched & (image - sky.level > 5 * sky.sigma)
            if source.sum() > 10:
                ratios.append((row["pixels"] - sky.level)[source].sum() / (image - sky.level)[source].sum())
            near = within_px((60, 60), pair.target_px, 3)
            n_wrong += row["is_transient_lost"] != bool((touched & near).any())
            n_wrong += not row["is_transient_lost"] and bool((row["pixels"] != image)[near].any())
    print(
        f"  repairs from an earlier detection: {len(rms)}, refused {n_refused}; rms / noise p50 {np.median(rms):.2f}, "
        f"p90 {np.quantile(rms, 0.9):.2f}; flux ratio of {len(ratios)} sources {np.median(ratios):.3f}; "
        f"transients changed or not flagged {n_wrong}"
    )


def _repaired_row(members: list[Known], bad: NDArray[np.float32]) -> dict[str, Any] | None:
    """The row that the stage makes of the newest of some pairs, whose science image is bad; None if it is refused."""
    science = [*(pair.images["science"] for pair in members[:-1]), bad]
    pixels = {"science": science, "reference": [pair.images["reference"] for pair in members]}
    stamps = pl.DataFrame(
        {
            **{name: [getattr(pair, name) for pair in members] for name in ("object_id", "candid", "band", "mjd")},
            "target_x_px": [pair.target_px[0] for pair in members],
            "target_y_px": [pair.target_px[1] for pair in members],
            **{name: pl.Series(np.stack(v).reshape(len(v), -1), dtype=pl.Array(pl.Float32, 3600)) for name, v in pixels.items()},
        }
    )
    judged = pl.DataFrame(stamp_quality({"core.stamps": stamps}, OURS).rows, schema_overrides={"reasons": pl.List(pl.String)})
    rows = restored_stamps({"core.stamps": stamps, "core.stamp_quality": judged}, OURS).rows
    newest = [row for row in rows if row["candid"] == members[-1].candid and row["donor_candid"] != row["candid"]]
    return dict(newest[0]) if newest else None


def main() -> None:
    """Print everything in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--objects", type=int, default=150)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder
        if folder is None:
            folder = Path(made) / "survey"
            simulate(folder, objects=arguments.objects, seed=arguments.seed)
        pairs = known_pairs(folder)
    print(f"SIMULATED: {len(pairs)} good pairs of known truth")
    report_masks(pairs)
    report_sky(pairs)
    report_earlier(pairs)


if __name__ == "__main__":
    main()
