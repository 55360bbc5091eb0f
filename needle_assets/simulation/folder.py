"""Writes the simulated survey as a landing folder with its truth beside it; the only module here that touches files.

A folder grows: packets that exist are left alone, other files are replaced as a whole. What is written for one object depends on the
seed, the mix, its index and the last night alone.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from needle_assets.errors import NeedleError
from needle_assets.processes.pools import process_pool
from needle_assets.randomness import rng_for
from needle_assets.simulation import catalogues
from needle_assets.simulation.artefacts import draw_missing_pixels, draw_stuck_columns, on_quadrant
from needle_assets.simulation.cadence import FIRST_NIGHT_MJD, N_NIGHTS
from needle_assets.simulation.objects import DEFAULT_MIX, QUADRANT_SHAPE_PX, SimulatedObject, draw_object
from needle_assets.simulation.packets import draw_style, packet_bytes, target_offset_px
from needle_assets.simulation.rubin.folder import write_rubin
from needle_assets.simulation.stamps import BandScene, Exposure, Stamp, build_band, build_scene, render
from needle_assets.simulation.written import CsvTable, Table
from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.ztf import ZTF

SIMULATOR_VERSION = 2
SEEN_BY = (ZTF.name, LSST.name, "both")
OBJECTS_PER_CHUNK = 25
CHUNKS_IN_FLIGHT_PER_WORKER = 3

README_TEXT = """\
This folder is SIMULATED. No photon was involved: every object, packet, magnitude and image in it was made by `needle simulate`.
It serves to demonstrate and to measure the pipeline, never to train models for real data. Object names are in the block
ZTF..zz....., candidate ids end in 999 and six digits, the publisher of every packet is "needle_assets simulation".

bts.csv, hosts.csv, photometry.parquet, alerts/*.avro   the landing folder, in the formats of a real one
truth/objects.parquet         class, redshift, peak, host of every object; one row per object
truth/light_curves.parquet    noiseless daily magnitudes in g and r; one row per object
truth/stamps/*.parquet        noiseless images (63 x 63, row-major) and masks (bits: 1 transient, 2 host, 4 neighbours,
                              8 damaged); one row per packet
truth/rubin.parquet           where Rubin looks too (--survey lsst or both): class, place, peak and noiseless daily magnitudes in
                              ugrizy of every object, and the ZTF object that is the same transient
truth/simulation.json         what made it

Rubin's objects have ids that begin with 999; its survey is moved to the nights of ZTF's, so that both see the same transients.
"""


class SimulationError(NeedleError):
    """A survey that cannot be written; the message says what came, what was needed and what to do."""


@dataclass(frozen=True)
class Survey:
    """What is asked for: where, which seed and mix, the nights up to which (and from which) packets are sent [MJD], and if any are."""

    folder: Path
    seed: int
    mix: Mapping[str, float]
    from_mjd: float
    until_mjd: float
    has_packets: bool = True
    seen_by: str = ZTF.name


@dataclass(frozen=True)
class SimulationSummary:
    """What was asked for and is there now; ``new_packets`` of its ``packets`` were written by this call."""

    folder: Path
    objects: int
    packets: int
    new_packets: int
    catalogue_rows: int
    detections: int
    labels: Mapping[str, int]


@dataclass
class _Chunk:
    """Rows of some objects, on their way from a worker to the tables."""

    n_asked: int
    n_objects: int
    n_packets: int
    n_new_packets: int
    bts: list[dict[str, str]]
    hosts: list[dict[str, Any]]
    photometry: pa.Table
    light_curves: pa.Table
    objects: pa.Table


def simulate(
    folder: Path | str,
    *,
    objects: int,
    seed: int,
    nights: tuple[int, int] | int | None = None,
    mix: Mapping[str, float] | None = None,
    first_object: int = 0,
    has_packets: bool = True,
    survey: str = ZTF.name,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> SimulationSummary:
    """
    Write a simulated survey as a landing folder, or let one grow.

    Parameters
    ----------
    folder : Path
        Written if it does not exist. A folder of the same seed and mix grows; any other is refused.
    objects : int
        How many objects are simulated; those not yet seen by the last night are left out.
    seed : int
        The same seed gives the same bytes, whatever the number of objects, nights and workers.
    nights : int or (int, int), optional
        Number of nights from the start of the survey (17 March 2018), or first night and the one after the last; then only
        packets of these nights are written. Default: all 2,700 nights.
    mix : mapping of str to float, optional
        Share of 'SN', 'SLSN-I', 'TDE' and 'other'; default ``DEFAULT_MIX``.
    first_object : int
        Index of the first object; the tables hold objects from this one on.
    has_packets : bool
        Without packets a sky of many thousand objects takes a minute: photometry, hosts and catalogue alone.
    survey : str
        Who looks: 'ztf'; 'lsst', a sky of Rubin's own, four magnitudes deeper; or 'both', ZTF's sky with the packets that Rubin sends
        of the same transients.
    workers : int
        Processes; 1 computes in this one. Rubin's part is computed in this one.
    progress : callable, optional
        Called with (objects done, objects asked for).

    Returns
    -------
    SimulationSummary
        Counts of objects, packets of the asked nights, catalogue rows, detections up to the last night, and objects by class.

    Raises
    ------
    SimulationError
        If the request makes no sense or the folder belongs to another survey.
    """
    if survey not in SEEN_BY:
        raise SimulationError(f"the survey {survey!r} was asked for; choose among {', '.join(SEEN_BY)}.")
    if survey != ZTF.name and (nights is not None or first_object or not has_packets):
        raise SimulationError("nights, first_object and has_packets are for ZTF's survey alone; leave them out.")
    checked = _checked_survey(Path(folder), objects, seed, nights, mix or DEFAULT_MIX)
    asked = replace(checked, has_packets=has_packets, seen_by=survey)
    _claim(asked)
    if survey == LSST.name:
        return _with_rubin(asked, objects, None, progress)
    chunks = _chunks(first_object, first_object + objects)
    ztf = _write_tables(asked, _computed(asked, chunks, workers), objects, progress)
    return ztf if survey == ZTF.name else _with_rubin(asked, objects, ztf, progress)


def _with_rubin(
    survey: Survey, objects: int, ztf: SimulationSummary | None, progress: Callable[[int, int], None] | None
) -> SimulationSummary:
    """Write Rubin's part, beside ZTF's or alone; both counted together."""
    asked: dict[str, Any] = {"objects": objects, "seed": survey.seed, "mix": survey.mix, "is_twin": ztf is not None}
    counts = write_rubin(survey.folder, **asked, write=_write_atomically, progress=progress)
    if ztf is None:
        labels = counts.pop("labels")
        return SimulationSummary(survey.folder, catalogue_rows=counts["objects"], detections=0, labels=labels, **counts)
    return replace(
        ztf,
        objects=ztf.objects + counts["objects"],
        packets=ztf.packets + counts["packets"],
        new_packets=ztf.new_packets + counts["new_packets"],
    )


def _chunks(first: int, last: int) -> list[range]:
    """Indices in chunks whose borders do not depend on where the request begins or ends: each owns one file of stamp truth."""
    starts = range(first - first % OBJECTS_PER_CHUNK, last, OBJECTS_PER_CHUNK)
    return [range(max(start, first), min(start + OBJECTS_PER_CHUNK, last)) for start in starts]


def _checked_survey(
    folder: Path, objects: int, seed: int, nights: tuple[int, int] | int | None, mix: Mapping[str, float]
) -> Survey:
    first, last = (0, nights) if isinstance(nights, int) else nights or (0, N_NIGHTS)
    if objects < 1:
        raise SimulationError(f"{objects} objects were asked for; give at least 1.")
    if not 0 <= first < last <= N_NIGHTS:
        raise SimulationError(f"nights {first} to {last} were asked for; the survey has nights 0 to {N_NIGHTS}.")
    unknown = set(mix) - set(DEFAULT_MIX)
    if unknown or not mix or min(mix.values()) < 0 or sum(mix.values()) <= 0:
        raise SimulationError(f"the mix {dict(mix)} needs shares of {', '.join(DEFAULT_MIX)}, none negative, not all zero.")
    return Survey(folder, seed, dict(mix), FIRST_NIGHT_MJD + first, FIRST_NIGHT_MJD + last)


def _claim(survey: Survey) -> None:
    """Make the folder, or check that it is this survey's."""
    claim: dict[str, Any] = {"simulator_version": SIMULATOR_VERSION, "seed": survey.seed, "mix": dict(survey.mix)}
    claim |= {} if survey.seen_by == ZTF.name else {"survey": survey.seen_by}
    path = survey.folder / "truth" / "simulation.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored != claim:
            raise SimulationError(
                f"{survey.folder} holds the simulated survey {stored}, but {claim} was asked for; use another folder."
            )
    elif survey.folder.exists() and any(survey.folder.iterdir()):
        raise SimulationError(f"{survey.folder} is not empty and not a simulated survey; use a new folder.")
    for part in ("alerts", "truth/stamps"):
        (survey.folder / part).mkdir(parents=True, exist_ok=True)
    _write_atomically(path, (json.dumps(claim, indent=1) + "\n").encode())
    _write_atomically(survey.folder / "README.txt", README_TEXT.encode())


def _write_atomically(path: Path, content: bytes) -> None:
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(content)
    scratch.replace(path)


def _computed(survey: Survey, chunks: Sequence[Sequence[int]], workers: int) -> Iterator[_Chunk]:
    """Chunks in order, with only a few on their way at a time."""
    if workers <= 1 or len(chunks) == 1:
        for chunk in chunks:
            yield _simulate_chunk(survey, chunk)
        return
    waiting: deque[Future[_Chunk]] = deque()
    with process_pool(workers) as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_simulate_chunk, survey, chunk))
                if len(waiting) >= CHUNKS_IN_FLIGHT_PER_WORKER * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenExecutor as error:
            raise SimulationError(
                f"A process that simulates died (killed, or too little memory for {workers} of them); what it wrote is kept, run the "
                "command again to go on, with --workers 1 if memory is short."
            ) from error


def _simulate_chunk(survey: Survey, indices: Sequence[int]) -> _Chunk:
    """Write packets and stamp truth of some objects; return their rows of the tables."""
    found = [draw_object(survey.seed, index, survey.mix) for index in indices]
    found = [one for one in found if len(one.detections(survey.until_mjd))]
    n_packets, n_new = _write_packets(found, survey, indices[0] // OBJECTS_PER_CHUNK) if survey.has_packets else (0, 0)
    hosts = [catalogues.host_row(one, survey.seed) for one in found]
    photometry = [catalogues.photometry_columns(one, survey.until_mjd) for one in found if one.is_photometered]
    schema = catalogues.PHOTOMETRY_SCHEMA
    return _Chunk(
        n_asked=len(indices),
        n_objects=len(found),
        n_packets=n_packets,
        n_new_packets=n_new,
        bts=[
            catalogues.bts_row(o, survey.seed, survey.until_mjd) for o in found if catalogues.is_classified(o, survey.until_mjd)
        ],
        hosts=[row for row in hosts if row is not None],
        photometry=pa.concat_tables([pa.table(p, schema=schema) for p in photometry] or [schema.empty_table()]),
        light_curves=pa.Table.from_pylist(
            [catalogues.true_light_curve(one) for one in found], schema=catalogues.LIGHT_CURVE_SCHEMA
        ),
        objects=pa.Table.from_pylist([catalogues.truth_row(one) for one in found], schema=catalogues.OBJECT_SCHEMA),
    )


def _write_packets(found: Sequence[SimulatedObject], survey: Survey, chunk: int) -> tuple[int, int]:
    """Write those packets of the wanted nights that are not there yet; returns how many there are and how many are new."""
    n_packets, rows, packets = 0, [], {}
    for one in found:
        mjd = one.exposures.mjd[one.packets]
        wanted = one.packets[(mjd >= survey.from_mjd) & (mjd < survey.until_mjd)]
        n_packets += len(wanted)
        missing = [int(i) for i in wanted if not _packet_path(survey.folder, one.candid(int(i))).exists()]
        for exposure, stamp, details in _rendered(one, survey.seed, missing):
            candid = one.candid(exposure)
            rng = rng_for(survey.seed, "packet", one.object_id, candid)
            packets[candid] = packet_bytes(one, exposure, stamp, draw_style(rng), rng)
            rows.append(catalogues.stamp_truth_row(one, exposure, stamp, details))
    if rows:
        # Truth first: a packet that exists then always has its truth, also after a crash between the two.
        _add_stamp_truth(survey.folder / "truth" / "stamps" / f"{chunk:06d}.parquet", rows)
    for candid, content in packets.items():
        _write_atomically(_packet_path(survey.folder, candid), content)
    return n_packets, len(packets)


def _packet_path(folder: Path, candid: int) -> Path:
    return folder / "alerts" / f"{candid}.avro"


def _rendered(found: SimulatedObject, seed: int, indices: Iterable[int]) -> Iterator[tuple[int, Stamp, Exposure]]:
    """Stamps of some exposures; the surroundings are transformed once for all of them."""
    scene = build_scene(found.host, found.galaxies, found.stars)
    bands: dict[str, BandScene] = {}
    for i in indices:
        band = str(found.exposures.band[i])
        if band not in bands:
            rng = rng_for(seed, "reference", found.object_id, band)
            missing, mag = draw_missing_pixels(rng), found.reference_mag.get(band, np.inf)
            bands[band] = build_band(scene, band, reference_mag=mag, missing=missing, rng=rng)
        rng = rng_for(seed, "stamp", found.object_id, found.candid(i))
        details = _exposure(found, i, rng)
        yield i, render(bands[band], details, rng), details


def _exposure(found: SimulatedObject, i: int, rng: np.random.Generator) -> Exposure:
    exposures = found.exposures
    dx_px, dy_px = target_offset_px(found, i)
    return Exposure(
        sky_sigma_dn=float(exposures.sky_sigma_dn[i]),
        fwhm_px=float(exposures.fwhm_px[i]),
        zero_point_mag=float(exposures.zero_point_mag[i]),
        dx_px=dx_px,
        dy_px=dy_px,
        target_mag=float(found.photometry.true_mag[i]),
        rows=on_quadrant(float(found.y_px[i]), QUADRANT_SHAPE_PX[0]),
        columns=on_quadrant(float(found.x_px[i]), QUADRANT_SHAPE_PX[1]),
        stuck=draw_stuck_columns(rng),
    )


def _add_stamp_truth(path: Path, rows: list[dict[str, Any]]) -> None:
    """Merge rows into a file of stamp truth, sorted by candid, whatever was there before."""
    schema = catalogues.STAMP_TRUTH_SCHEMA
    table = pa.Table.from_pylist(rows, schema=schema)
    if path.exists():
        old = pq.read_table(path, schema=schema)
        table = pa.concat_tables([old.filter(pc.invert(pc.is_in(old["candid"], table["candid"].combine_chunks()))), table])
    sink = pa.BufferOutputStream()
    pq.write_table(table.sort_by("candid"), sink, compression="zstd", use_dictionary=False, write_statistics=False)
    _write_atomically(path, sink.getvalue().to_pybytes())


def _write_tables(
    survey: Survey, chunks: Iterable[_Chunk], objects: int, progress: Callable[[int, int], None] | None
) -> SimulationSummary:
    """Stream the chunks into the tables; each table replaces its predecessor when all are complete."""
    folder = survey.folder
    counts = {"objects": 0, "packets": 0, "new_packets": 0, "catalogue_rows": 0, "detections": 0}
    labels: dict[str, int] = {}
    done = 0
    with (
        Table(folder / "photometry.parquet", catalogues.PHOTOMETRY_SCHEMA) as photometry,
        Table(folder / "truth" / "light_curves.parquet", catalogues.LIGHT_CURVE_SCHEMA) as light_curves,
        Table(folder / "truth" / "objects.parquet", catalogues.OBJECT_SCHEMA) as truth,
        CsvTable(folder / "bts.csv", catalogues.BTS_COLUMNS) as bts,
        CsvTable(folder / "hosts.csv", catalogues.HOST_COLUMNS) as hosts,
    ):
        for chunk in chunks:
            photometry.write(chunk.photometry)
            light_curves.write(chunk.light_curves)
            truth.write(chunk.objects)
            bts.write(chunk.bts)
            hosts.write(chunk.hosts)
            for key, n in zip(
                counts,
                (chunk.n_objects, chunk.n_packets, chunk.n_new_packets, len(chunk.bts), len(chunk.photometry)),
                strict=True,
            ):
                counts[key] += n
            for label in chunk.objects["label"].to_pylist():
                labels[label] = labels.get(label, 0) + 1
            done += chunk.n_asked
            if progress is not None:
                progress(done, objects)
    return SimulationSummary(folder=folder, labels=labels, **counts)
