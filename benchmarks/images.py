"""Stamps: how fast rules, masks, restoration and scoring are, and how good masks and restoration are beside the authors' way.

    python benchmarks/images.py [LANDING] [--pairs 300] [--stamps 3000] [--no-network] [--only speed,repairs,hard,masks,scoring,memory]

Without a landing folder a small simulated survey is made. Rates are per second of processor time of one core, so that other work
on the machine changes them little; the gain of a second process is in wall-clock time. The quality of repairs is judged on pairs
that are good: damage is put in on purpose, so the truth is known.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from astropy.stats import sigma_clipped_stats
from numpy.typing import NDArray

from needle_assets.classifiers.damage import RULE_KINDS, damaged
from needle_assets.classifiers.intervals import clopper_pearson
from needle_assets.errors import Rejection
from needle_assets.home import Home
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.defects import find_defects
from needle_assets.images.disagreement import find_pair_defects
from needle_assets.images.masking import source_mask
from needle_assets.images.noise import measure_sky
from needle_assets.images.restoration import restore
from needle_assets.images.sources import label_clusters, within_px
from needle_assets.images.stamps import PlacedCutout, place_cutout
from needle_assets.landing.packet import Packet
from needle_assets.landing.packets import read_packet
from needle_assets.pipeline.compute import Task, run_task
from needle_assets.pipeline.session import Session
from needle_assets.settings import Settings, preset_settings
from needle_assets.simulation import simulate
from needle_assets.stages import stage_named
from needle_assets.surveys.ztf import ZTF
from needle_assets.warehouse import rows
from needle_assets.warehouse.connection import writing

OURS, AUTHORS = preset_settings("default"), preset_settings("needle2")
NOTHING = np.zeros((60, 60), bool)


class Pair(NamedTuple):
    """A good pair and the target in it."""

    science: NDArray[np.float32]
    reference: NDArray[np.float32]
    target_px: tuple[float, float]


def placed_pairs(landing: Path) -> Iterator[tuple[Packet, PlacedCutout, PlacedCutout]]:
    """Packets of a landing folder with science and reference, both placed, that no rule objects to."""
    for path in sorted((landing / "alerts").glob("*.avro")):
        packet = read_packet(path.read_bytes())
        if packet.science is None or packet.reference is None:
            continue
        at = {"xpos": packet.candidate["xpos"], "ypos": packet.candidate["ypos"]}
        try:
            science, reference = (place_cutout(decode_cutout(data), ZTF, **at) for data in (packet.science, packet.reference))
        except Rejection:
            continue
        if not any(found.reasons for found in find_pair_defects(science.image, reference.image)):
            yield packet, science, reference


def good_pairs(landing: Path, most: int) -> list[Pair]:
    """The first pairs of a landing folder that no rule objects to."""
    return [
        Pair(science.image, reference.image, (science.target_x_px, science.target_y_px))
        for _, science, reference in islice(placed_pairs(landing), most)
    ]


def per_cpu_second(work: Callable[[], int]) -> float:
    """Items a second of this process's time, after one run to warm up."""
    work()
    start = time.process_time()
    n = work()
    return n / (time.process_time() - start)


def rules_and_masks(pairs: list[Pair]) -> int:
    """Rules on both images and the mask, of every pair."""
    for pair in pairs:
        find_pair_defects(pair.science, pair.reference)
        source_mask(pair.science, pair.reference, target_px=pair.target_px, host_px=(33.0, 30.0))
    return len(pairs)


def median_with_interval(values: list[float] | NDArray) -> str:
    """Median and its 95 % interval from 1000 resamples."""
    if len(values) == 0:
        return "nan"
    drawn = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    low, high = np.quantile(np.median(np.asarray(values)[drawn], axis=1), [0.025, 0.975])
    return f"{np.median(values):.2f} [{low:.2f}, {high:.2f}]"


def share(n_hits: int, n: int) -> str:
    """A rate and its exact 95 % interval."""
    low, high = clopper_pearson(int(n_hits), n)
    return f"{n_hits / n:.1%} [{low:.1%}, {high:.1%}]"


def repaired(
    bad: NDArray, donor: NDArray, invalid: NDArray, target_px: tuple[float, float], settings: Settings
) -> NDArray | None:
    """The repaired image, or None where the repair is refused."""
    given = {"target_px": target_px, "rng": np.random.default_rng(0), "settings": settings.restoration}
    try:
        return restore(bad, donor, invalid=invalid, donor_invalid=NOTHING, **given).pixels
    except Rejection:
        return None


def report_speed(pairs: list[Pair]) -> None:
    """Rules and masks in one process and two, restoration of both kinds."""
    print(f"rules + masks                {per_cpu_second(lambda: rules_and_masks(pairs)):6.0f} pairs/s per core (wanted 150)")
    halves = [pairs[::2], pairs[1::2]] * 4
    seconds = {}
    for workers in (1, 2):
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(rules_and_masks, [pairs[:2]] * workers))
            start = time.perf_counter()
            list(pool.map(rules_and_masks, halves))
            seconds[workers] = time.perf_counter() - start
    print(
        f"rules + masks, two processes {seconds[1] / seconds[2]:6.2f} times one (wanted 1.7; wall clock, needs an idle machine)"
    )
    block = NOTHING.copy()
    block[5:15, 5:15] = True
    bad = [np.where(block, np.nan, pair.science) for pair in pairs]
    for name, settings in (("ours", OURS), ("authors", AUTHORS)):

        def work(settings: Settings = settings) -> int:
            for pair, image in zip(pairs, bad, strict=True):
                repaired(image, pair.reference, block, pair.target_px, settings)
            return len(pairs)

        print(f"restoration, {name:8s}        {per_cpu_second(work):6.0f} images/s per core (wanted 500)")


def report_repairs(pairs: list[Pair]) -> None:
    """Every kind of damage, from either donor: scatter on sky in units of the noise of both images, good pixels changed."""
    print("\nrepairs: rms on blank sky / noise of both images, p50 and p90; damaged pixels missed; good pixels changed")
    for name in ("science", "reference"):
        for kind in RULE_KINDS:
            for whose, settings in (("ours", OURS), ("authors", AUTHORS)):
                print(f"  {name:10s}{kind:18s}{whose:8s}", _repair_figures(pairs, name, kind, settings))


def _repair_figures(pairs: list[Pair], name: str, kind: str, settings: Settings) -> str:
    rms, missed, changed, refused = [], 0, 0, 0
    for n, pair in enumerate(pairs):
        image, donor = (pair.science, pair.reference) if name == "science" else (pair.reference, pair.science)
        bad, touched = damaged(image, kind, np.random.default_rng(n))
        bad = bad.astype(np.float32)
        result = repaired(bad, donor, find_defects(bad).invalid, pair.target_px, settings)
        if result is None:
            refused += 1
            continue
        sky, donor_sky = measure_sky(image), measure_sky(donor)
        blank = touched & (np.abs(image - sky.level) < 3 * sky.sigma) & (np.abs(donor - donor_sky.level) < 3 * donor_sky.sigma)
        if blank.sum() >= 20:
            rms.append(np.sqrt(np.mean((result - image)[blank] ** 2)) / np.hypot(sky.sigma, donor_sky.sigma))
        missed += int((touched & (result == bad)).sum())
        changed += int((~touched & (result != image)).sum())
    high = np.quantile(rms, 0.9) if rms else np.nan
    return f"{median_with_interval(rms):>20s} {high:9.2f}   missed {missed:6d}   changed {changed:6d}   refused {refused}"


def report_hard_set(pairs: list[Pair]) -> None:
    """10 x 10 missing pixels over a field source above 10 sigma."""
    figures: dict[str, list[tuple[float, float]]] = {"ours": [], "authors": [], "flat sky": []}
    for pair in pairs:
        sky = measure_sky(pair.science)
        height = np.where(within_px((60, 60), (30.0, 30.0), 12), 0.0, (pair.science - sky.level) / sky.sigma)[6:54, 6:54]
        if height.max() < 10:
            continue
        y, x = np.add(np.unravel_index(height.argmax(), height.shape), 6)
        box = NOTHING.copy()
        box[y - 5 : y + 5, x - 5 : x + 5] = True
        bad = np.where(box, np.nan, pair.science)
        results = {
            name: repaired(bad, pair.reference, box, pair.target_px, s) for name, s in (("ours", OURS), ("authors", AUTHORS))
        }
        results["flat sky"] = np.where(box, sky.level, pair.science)
        if any(result is None for result in results.values()):
            continue
        for name, result in results.items():
            error = (result - pair.science)[box]
            flux = (result - sky.level)[box].sum() / (pair.science - sky.level)[box].sum()
            figures[name].append((float(np.sqrt(np.mean(error**2))) / sky.sigma, float(flux)))
    print(f"\nhard set: {len(figures['ours'])} pairs, 10 x 10 missing pixels over a source")
    for name, values in figures.items():
        rms, flux = (median_with_interval([value[k] for value in values]) for k in (0, 1))
        print(f"  {name:9s} rms {rms:>20s} sigma   flux ratio {flux:>20s}")


def report_masks(pairs: list[Pair]) -> None:
    """Central sources by an independent sky, and how much of them is erased."""
    print(f"\nmasks of {len(pairs)} pairs: centre kept, pairs whose transient loses pixels, host pixels erased, area replaced")
    for whose, settings in (("ours", OURS), ("authors", AUTHORS)):
        centre = lost = host_px = host_lost = 0
        area = []
        for pair in pairs:
            found = source_mask(pair.science, pair.reference, target_px=pair.target_px, settings=settings.masking)
            transient, host = (_central(image, pair.target_px) for image in (pair.science, pair.reference))
            centre += bool(found.mask[29:32, 29:32].all())
            lost += bool((transient & found.replaced).any())
            host_px, host_lost = host_px + host.sum(), host_lost + (host & found.replaced).sum()
            area.append(found.replaced.mean())
        n = len(pairs)
        print(f"  {whose:8s} {share(centre, n)}  {share(lost, n)}  {host_lost / max(host_px, 1):.2%}  {np.mean(area):.1%}")


def _central(image: NDArray, target_px: tuple[float, float]) -> NDArray[np.bool_]:
    _, level, sigma = sigma_clipped_stats(image)
    labels, _ = label_clusters(image > level + 3 * sigma)
    near = np.unique(labels[within_px(image.shape, target_px, 1.5)])
    return np.isin(labels, near[near > 0])


def report_scoring(pairs: list[Pair]) -> None:
    """ResNet-18 with preparation against the bare network on prepared batches."""
    import torch

    from needle_assets.classifiers.quality import build, from_bytes, prepared, score, to_bytes

    torch.set_num_threads(1)
    model = from_bytes("resnet18", to_bytes(build("resnet18")))
    images = np.stack([image for pair in pairs for image in pair[:2]])[:512]
    batches = [prepared(images[start : start + 64]) for start in range(0, len(images), 64)]

    def bare() -> int:
        with torch.inference_mode():
            for batch in batches:
                model(batch)
        return len(images)

    def whole() -> int:
        score(model, images)
        return len(images)

    rates = [per_cpu_second(work) for work in (bare, whole, bare, whole)]
    ratio = (rates[1] + rates[3]) / (rates[0] + rates[2])
    print(f"\nResNet-18 scoring            {max(rates[1::2]):6.0f} images/s, {ratio:.2f} of the bare network (wanted 0.9)")


def chunk_of(pairs: list[Pair], first: int, n: int) -> pl.DataFrame:
    """Rows of core.stamps, every eighth with missing pixels in its science image."""
    chosen = [pairs[k % len(pairs)] for k in range(first, first + n)]
    science = np.stack([pair.science for pair in chosen])
    science[::8, 50:55, 5:12] = np.nan
    pixels = {"science": science, "reference": np.stack([pair.reference for pair in chosen])}
    return pl.DataFrame(
        {
            "object_id": [f"ZTF20{k:07d}" for k in range(first, first + n)],
            "candid": list(range(first, first + n)),
            "band": ["r"] * n,
            "mjd": [59_000.0] * n,
            "target_x_px": [pair.target_px[0] for pair in chosen],
            "target_y_px": [pair.target_px[1] for pair in chosen],
            "host_x_px": [33.0] * n,
            "host_y_px": [30.0] * n,
            **{name: pl.Series(v.reshape(n, -1), dtype=pl.Array(pl.Float32, 3600)) for name, v in pixels.items()},
        }
    )


def through_the_stages(pairs: list[Pair], first: int, n_stamps: int, schemas: Mapping[str, pa.Schema]) -> int:
    """Quality, restoration and masks of made stamps as a refresh computes them, chunk by chunk; returns how many masks there are."""
    n_masks, size = 0, stage_named("core.masks").chunk_rows
    for start in range(first, first + n_stamps, size):
        frames = {"core.stamps": chunk_of(pairs, start, min(size, first + n_stamps - start))}
        for name in ("core.stamp_quality", "core.restored_stamps", "core.masks"):
            stage = stage_named(name)
            keys = tuple(frames["core.stamps"]["object_id"])
            done = run_task(Task(stage, keys, dict(frames), OURS, schemas[name]))
            assert not done.failures, next(iter(done.failures.values()))
            frames[name] = pl.from_arrow(done.rows)
        n_masks += len(frames["core.masks"])
    return n_masks


def report_memory(pairs: list[Pair], n_stamps: int) -> None:
    """Peak memory of this process after a tenth of the stamps went through the stages, and after all of them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        Session(home, OURS).open()
        with writing(home.working) as connection:
            schemas = {
                name: rows.arrow_schema(connection, name) for name in ("core.stamp_quality", "core.restored_stamps", "core.masks")
            }
    tenth = n_stamps // 10
    n_masks = through_the_stages(pairs, 0, tenth, schemas)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_masks += through_the_stages(pairs, tenth, n_stamps - tenth, schemas)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"\nmemory: {before / 1024:.0f} MiB at most after {tenth} stamps, {after / 1024:.0f} MiB after {n_stamps} "
        f"({(after - before) / 1024:+.1f} MiB; {n_masks} masks)"
    )


def main() -> None:
    """Print everything in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landing", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--stamps", type=int, default=3000)
    parser.add_argument("--no-network", action="store_true")
    parser.add_argument("--only", default="speed,repairs,hard,masks,scoring,memory")
    arguments = parser.parse_args()
    wanted = set(arguments.only.split(",")) - ({"scoring"} if arguments.no_network else set())
    with tempfile.TemporaryDirectory() as folder:
        landing = arguments.landing
        if landing is None:
            landing = Path(folder) / "survey"
            simulate(landing, objects=60, seed=7)
            print("SIMULATED stamps")
        pairs = good_pairs(landing, arguments.pairs)
    print(f"{len(pairs)} good pairs")
    reports: dict[str, Callable[[], None]] = {
        "memory": lambda: report_memory(pairs, arguments.stamps),  # first: the peak of others would hide its growth
        "speed": lambda: report_speed(pairs),
        "repairs": lambda: report_repairs(pairs[:100]),
        "hard": lambda: report_hard_set(pairs),
        "masks": lambda: report_masks(pairs),
        "scoring": lambda: report_scoring(pairs),
    }
    for name, report in reports.items():
        if name in wanted:
            report()


if __name__ == "__main__":
    main()
