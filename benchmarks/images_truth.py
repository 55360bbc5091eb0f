"""Stamps whose truth is known: what masks keep and remove, replaced sky, and repairs from earlier detections. SIMULATED.

    python benchmarks/images_truth.py [FOLDER] [--objects 150]

FOLDER is a simulated survey with its truth; one is made if it is left out. Blended pairs, where a neighbour touches the sources
of target or host above 3 sigma in the truth, are counted apart.
"""

import argparse
import tempfile
from collections.abc import Iterator
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
from needle_assets.settings import preset_settings
from needle_assets.simulation import simulate
from needle_assets.survey import BAND_OF_FID, MJD_OFFSET

OURS, AUTHORS = preset_settings("default"), preset_settings("needle2")
INNER = slice(1, 61)
OWN_BITS, NEIGHBOUR_BIT = 3, 4


class Known(NamedTuple):
    """A simulated good pair and its truth."""

    ztf_id: str
    candid: int
    band: str
    mjd: float
    images: dict[str, NDArray[np.float32]]
    target_px: tuple[float, float]
    truth: dict[str, Any]


def known_pairs(folder: Path) -> Iterator[Known]:
    """Every pair of a simulated survey that breaks no rule."""
    truth = {
        row["candid"]: row for path in (folder / "truth/stamps").glob("*.parquet") for row in pl.read_parquet(path).to_dicts()
    }
    for packet, science, reference in placed_pairs(folder):
        if packet.candid in truth:
            images = {"science": science.image, "reference": reference.image}
            band, mjd = BAND_OF_FID[packet.candidate["fid"]], packet.candidate["jd"] - MJD_OFFSET
            target = (science.target_x_px, science.target_y_px)
            yield Known(packet.ztf_id, packet.candid, band, mjd, images, target, truth[packet.candid])


def cut(values: list[float]) -> NDArray[Any]:
    """The inner 60 x 60 of a stored 63 x 63 image."""
    return np.array(values).reshape(63, 63)[INNER, INNER]


def _shares(pair: Known, settings: Any) -> tuple[list[float], bool, bool]:
    """Flux kept and there of target and host, removed and there of neighbours, over both images; blended in truth; flagged."""
    truth = pair.truth
    target = (truth["target_x_px"] - 1, truth["target_y_px"] - 1)
    host = None if truth["host_x_px"] is None else (truth["host_x_px"] - 1, truth["host_y_px"] - 1)
    found = source_mask(
        pair.images["science"], pair.images["reference"], target_px=target, host_px=host, settings=settings.masking
    )
    totals, is_blended = np.zeros(4), False
    for name, image in pair.images.items():
        clean, bits = cut(truth[f"clean_{name}"]).astype(float), cut(truth[f"{name}_mask"])
        blank = (bits & (OWN_BITS | NEIGHBOUR_BIT)) == 0
        flux = clean - np.median(clean[blank] if blank.any() else clean)
        sigma = truth["sky_sigma_dn"] if name == "science" else 1.4826 * np.median(np.abs(image - clean))
        ours = ((bits & OWN_BITS) > 0) & (flux > 3 * sigma)
        neighbour = ((bits & NEIGHBOUR_BIT) > 0) & ((bits & OWN_BITS) == 0)
        labels, _ = ndimage.label(flux > 3 * sigma, np.ones((3, 3)))
        joined = np.isin(labels, np.setdiff1d(labels[ours], 0))
        is_blended |= bool((joined & neighbour).sum() > 2)
        totals += [
            flux[ours & ~found.replaced].sum(), flux[ours].sum(), flux[neighbour & found.replaced].sum(), flux[neighbour].sum()
        ]  # fmt: skip
    return list(totals), is_blended, found.is_blended


def report_masks(pairs: list[Known]) -> None:
    """Flux above 3 sigma kept and neighbours' flux removed, of all pairs together and in the median pair; how many are flagged."""
    for whose, settings in (("ours", OURS), ("authors", AUTHORS)):
        judged = [_shares(pair, settings) for pair in pairs]
        for title, wanted in (("unblended", False), ("blended", True)):
            chosen = [(totals, flag) for totals, is_blended, flag in judged if is_blended is wanted]
            totals = np.array([entry[0] for entry in chosen])
            kept, removed = totals[:, 0].sum() / totals[:, 1].sum(), totals[:, 2].sum() / max(totals[:, 3].sum(), 1e-9)
            rng = np.random.default_rng(0)
            drawn = totals[rng.integers(0, len(totals), (2000, len(totals)))].sum(axis=1)
            ends = np.quantile(drawn[:, ::2] / np.maximum(drawn[:, 1::2], 1e-9), [0.025, 0.975], axis=0)
            n_flagged = sum(flag for _, flag in chosen)
            low, high = clopper_pearson(n_flagged, len(chosen))
            print(
                f"  {whose:8s}{title:10s} {len(chosen):4d} pairs: kept {kept:.2%} [{ends[0, 0]:.2%}, {ends[1, 0]:.2%}]  "
                f"neighbours removed {removed:.1%} [{ends[0, 1]:.1%}, {ends[1, 1]:.1%}]  "
                f"flagged {n_flagged / len(chosen):.0%} [{low:.0%}, {high:.0%}]"
            )


def report_sky(pairs: list[Known]) -> None:
    """Replaced pixels of science against the sky of the truth."""
    offsets, ratios = [], []
    for n, pair in enumerate(pairs):
        target = (pair.truth["target_x_px"] - 1, pair.truth["target_y_px"] - 1)
        found = source_mask(pair.images["science"], pair.images["reference"], target_px=target)
        masked = masked_pair(
            pair.images["science"], pair.images["reference"], found.replaced, rng=np.random.default_rng(n), target_px=target
        )
        clean, bits = cut(pair.truth["clean_science"]), cut(pair.truth["science_mask"])
        values, sigma = masked.science[found.replaced], pair.truth["sky_sigma_dn"]
        offsets.append((values.mean() - np.median(clean[bits == 0] if (bits == 0).any() else clean)) / sigma)
        ratios.append(values.std() / sigma)
    print(
        f"  replaced sky, {len(pairs)} pairs: mean - sky {np.mean(offsets):+.4f} +- {np.std(offsets) / np.sqrt(len(offsets)):.4f} "
        f"sigma, scatter ratio {np.mean(ratios):.4f} +- {np.std(ratios) / np.sqrt(len(ratios)):.4f}"
    )


def report_earlier(pairs: list[Known]) -> None:
    """Science images damaged on purpose and repaired by the stage from an earlier detection of the object."""
    rms, ratios, n_refused, n_wrong = [], [], 0, 0
    groups: dict[tuple[str, str], list[Known]] = {}
    for pair in pairs:
        groups.setdefault((pair.ztf_id, pair.band), []).append(pair)
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
            **{name: [getattr(pair, name) for pair in members] for name in ("ztf_id", "candid", "band", "mjd")},
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder
        if folder is None:
            folder = Path(made) / "survey"
            simulate(folder, objects=arguments.objects, seed=7)
        pairs = list(known_pairs(folder))
    print(f"SIMULATED: {len(pairs)} good pairs of known truth")
    report_masks(pairs)
    report_sky(pairs)
    report_earlier(pairs)


if __name__ == "__main__":
    main()
