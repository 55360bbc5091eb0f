"""How like the real survey the simulated one is: medians side by side. Measures two landing folders; simulates nothing.

Run as ``python -m needle_assets.simulation.realism REAL SIMULATED``. Quantities that no folder of real packets can give without
bias (the photometry at hand mixes alerts with forced photometry) are compared with printed numbers of NEEDLE's training set.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.noise import measure_sky
from needle_assets.images.sources import find_sources
from needle_assets.labels import LABELS, SLSN, SN, TDE
from needle_assets.landing.catalogues import read_catalogue, read_hosts, read_photometry
from needle_assets.landing.packets import read_packet
from needle_assets.surveys.ztf import ZTF

TOLERANCE = 0.25
PIXEL_PERCENTILES = (10.0, 90.0, 97.5, 99.0, 99.9)
SEEN_WITHIN_DAYS = 300.0

# NEEDLE 2.0's training set: medians over 5,148 SN, 120 SLSN-I and 69 TDE of the detections behind its fits.
PRINTED_MEDIANS: Mapping[str, Mapping[str, float]] = {
    "detections in g": {SN: 10.0, SLSN: 14.0, TDE: 16.0},
    "detections in r": {SN: 12.0, SLSN: 16.0, TDE: 14.0},
    "first detection to peak [d]": {SN: 10.0, SLSN: 32.0, TDE: 20.0},
}
# Means of its features over hosted objects, nearly all of them SN.
PRINTED_MEANS: Mapping[str, float] = {
    "discovery to peak in r [mag]": 0.846,
    "discovery to peak in r, same band [d]": 12.4,
    "discovery to peak in r, any band [d]": 14.5,
    "rise in r [mag/d]": 0.066,
    "peak magnitude in r [mag]": 18.00,
    "peak g-r [mag]": 0.048,
}


class Row(NamedTuple):
    """
    One line of the comparison.

    ``ratio`` is simulated over real; for magnitudes it is that of the fluxes, so that 25 % means 0.24 mag.
    """

    quantity: str
    group: str
    real: float
    simulated: float
    ratio: float
    is_within: bool
    n_real: int
    n_simulated: int


class StampPair(NamedTuple):
    """Science and reference of one packet as they came, (ny, nx) [DN], with the object's class and the band."""

    object_id: str
    label: str
    band: str
    science: NDArray[np.float32]
    reference: NDArray[np.float32]


def compare(quantity: str, group: str, real: Iterable[float], simulated: Iterable[float], *, n_real: int | None = None) -> Row:
    """Medians of two samples side by side; what is not finite is left out. ``n_real`` is given for a printed median."""
    real_values, simulated_values = _finite(real), _finite(simulated)
    if not len(real_values) or not len(simulated_values):
        return Row(quantity, group, np.nan, np.nan, np.nan, False, len(real_values), len(simulated_values))
    a, b = float(np.median(real_values)), float(np.median(simulated_values))
    return _row(quantity, group, (a, b), n_real or len(real_values), len(simulated_values))


def _row(quantity: str, group: str, values: tuple[float, float], n_real: int, n_simulated: int) -> Row:
    real, simulated = values
    is_magnitude = quantity.endswith("[mag]")
    ratio = 10.0 ** (-0.4 * (simulated - real)) if is_magnitude else simulated / real if real else np.nan
    least = 1.0 / (1.0 + TOLERANCE) if is_magnitude else 1.0 - TOLERANCE
    is_within = least <= ratio <= 1.0 + TOLERANCE
    return Row(quantity, group, real, simulated, float(ratio), bool(is_within), n_real, n_simulated)


def _finite(values: Iterable[float]) -> NDArray[np.float64]:
    array = np.array(list(values), dtype=float)
    return array[np.isfinite(array)]


def compare_folders(real: Path, simulated: Path) -> list[Row]:
    """
    The realism table.

    Parameters
    ----------
    real, simulated : Path
        Landing folders; labelled objects are compared class by class.

    Returns
    -------
    list of Row
        Catalogue, hosts, light curves, then stamps.
    """
    labels = {name: labelled_objects(folder) for name, folder in (("real", real), ("simulated", simulated))}
    rows = _catalogue_rows(labels["real"], labels["simulated"])
    rows += _host_rows((real, labels["real"]), (simulated, labels["simulated"]))
    rows += _light_curve_rows(simulated, labels["simulated"])
    rows += stamp_rows(read_pairs(real, labels["real"]), read_pairs(simulated, labels["simulated"]))
    return rows


def labelled_objects(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Labelled rows of the catalogue by ZTF id."""
    rows, _ = read_catalogue(folder / "bts.csv")
    return {row["object_id"]: row for row in rows if row["label"] in LABELS}


def _catalogue_rows(real: Mapping[str, Mapping[str, Any]], simulated: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    columns: tuple[tuple[str, str], ...] = (
        ("peak magnitude [mag]", "peak_mag"),
        ("redshift", "redshift"),
        ("half flux to peak [d]", "rise_days"),
    )
    columns += (("peak to half flux [d]", "fade_days"), ("Milky Way A_V", "a_v_mag"))
    return [
        compare(name, label, _column(real, label, column), _column(simulated, label, column))
        for name, column in columns
        for label in LABELS
    ]


def _column(rows: Mapping[str, Mapping[str, Any]], label: str, column: str) -> list[float]:
    """Values of a class; lower limits are left out."""
    limit = f"is_{column.removesuffix('_days')}_lower_limit"
    return [r[column] for r in rows.values() if r["label"] == label and r[column] is not None and not r.get(limit)]


def _host_rows(real: tuple[Path, Mapping[str, Any]], simulated: tuple[Path, Mapping[str, Any]]) -> list[Row]:
    rows = []
    for name, column in (
        ("host r [mag]", "r_mag"),
        ("host g-r [mag]", "g_r"),
        ("host offset [arcsec]", "separation_arcsec"),
    ):
        for label in LABELS:
            a, b = (_host_values(folder, labels, label, column) for folder, labels in (real, simulated))
            rows.append(compare(name, label, a, b))
    return rows


def _host_values(folder: Path, labels: Mapping[str, Mapping[str, Any]], label: str, column: str) -> list[float]:
    frame, _ = read_hosts(folder / "hosts.csv")
    frame = frame.with_columns(g_r=pl.col("g_mag") - pl.col("r_mag"))
    wanted = [object_id for object_id, row in labels.items() if row["label"] == label]
    return frame.filter(pl.col("object_id").is_in(wanted))[column].drop_nulls().to_list()


def _numbers_by_label(folder: Path, labels: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, list[float]]]:
    frame, _ = read_photometry(folder / "photometry.parquet")
    by_label: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (object_id,), curve in frame.partition_by("object_id", as_dict=True).items():
        if object_id in labels:
            for name, value in _light_curve_numbers(curve, labels[str(object_id)]).items():
                by_label[labels[str(object_id)]["label"]][name].append(value)
    return by_label


def _light_curve_rows(folder: Path, labels: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    by_label = _numbers_by_label(folder, labels)
    rows = [
        compare(name, label, [value], by_label[label][name], n_real={SN: 5148, SLSN: 120, TDE: 69}[label])
        for name, medians in PRINTED_MEDIANS.items()
        for label, value in medians.items()
    ]
    for name, value in PRINTED_MEANS.items():
        values = _finite(by_label[SN][name])
        rows.append(_row(name, f"{SN}, mean", (value, float(np.mean(values)) if len(values) else np.nan), 5335, len(values)))
    return rows


def _light_curve_numbers(curve: pl.DataFrame, row: Mapping[str, Any]) -> dict[str, float]:
    """Detections, times and magnitudes of one object as NEEDLE's features define them; A_V removed where it is known."""
    curve = curve.filter(pl.col("mjd") < pl.col("mjd").min() + SEEN_WITHIN_DAYS).sort("mjd")
    bands = {band: curve.filter(pl.col("band") == band) for band in ("g", "r")}
    first = float(np.min(curve["mjd"].to_numpy()))
    peaks = {band: part.row(int(np.argmin(part["mag"].to_numpy())), named=True) for band, part in bands.items() if len(part)}
    out = {f"detections in {band}": float(len(part)) for band, part in bands.items()}
    out["first detection to peak [d]"] = min((peak["mjd"] for peak in peaks.values()), default=np.nan) - first
    if "r" in peaks and row["a_v_mag"] is not None:
        peak, discovery = peaks["r"], bands["r"].row(0, named=True)
        risen, days = discovery["mag"] - peak["mag"], peak["mjd"] - discovery["mjd"]
        out["discovery to peak in r [mag]"] = risen
        out["discovery to peak in r, same band [d]"] = days
        out["discovery to peak in r, any band [d]"] = peak["mjd"] - first
        out["rise in r [mag/d]"] = risen / days if days > 0 else np.nan
        out["peak magnitude in r [mag]"] = peak["mag"] - 0.78 * row["a_v_mag"]
        if "g" in peaks:
            out["peak g-r [mag]"] = peaks["g"]["mag"] - peak["mag"] - 0.40 * row["a_v_mag"]
    return out


def read_pairs(folder: Path, labels: Mapping[str, Mapping[str, Any]]) -> list[StampPair]:
    """Stamps of labelled objects in g and r that have both science and reference."""
    pairs = []
    for path in sorted((folder / "alerts").rglob("*.avro")):
        try:
            packet = read_packet(path.read_bytes())
            label = labels.get(packet.object_id, {}).get("label")
            if label is None or packet.science is None or packet.reference is None or packet.candidate["fid"] not in (1, 2):
                continue
            band = ZTF.band_of_number[packet.candidate["fid"]]
            pairs.append(StampPair(packet.object_id, label, band, decode_cutout(packet.science), decode_cutout(packet.reference)))
        except Rejection:
            continue
    return pairs


def stamp_rows(real: Sequence[StampPair], simulated: Sequence[StampPair]) -> list[Row]:
    """
    Sky noise, sources, pixel histogram and damage; every object counts once, with the mean of its stamps.

    Of SN alone, since a demonstration survey is richer in rare classes than the real one.
    """
    real, simulated = ([pair for pair in pairs if pair.label == SN] for pairs in (real, simulated))
    measured = [_by_object(pairs) for pairs in (real, simulated)]
    rows = []
    for name in dict.fromkeys(name for of_object in measured[0].values() for name in of_object):
        a, b = ([values[name] for values in side.values() if name in values] for side in measured)
        quantity, _, bands = name.partition(", in ")
        if quantity == "share of damaged stamps":
            rows.append(_row(quantity, f"{SN}, mean", (float(np.mean(a)), float(np.mean(b))), len(a), len(b)))
        else:
            rows.append(compare(quantity, f"{SN}, {bands}", a, b))
    return rows


def _by_object(pairs: Sequence[StampPair]) -> dict[str, dict[str, float]]:
    """Mean of every number over the stamps of each object."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for pair in pairs:
        for name, value in _stamp_numbers(pair).items():
            values[pair.object_id][name].append(value)
    return {object_id: {name: float(np.mean(v)) for name, v in numbers.items()} for object_id, numbers in values.items()}


def _stamp_numbers(pair: StampPair) -> dict[str, float]:
    """Numbers of one pair, under names that end in the bands over which they are compared."""
    is_whole = pair.science.shape == (ZTF.cutout_size_px, ZTF.cutout_size_px) and bool(np.isfinite(pair.science).all())
    out = {"share of damaged stamps, in g and r": float(not is_whole)}
    try:
        sky, reference_sky = measure_sky(pair.science), measure_sky(pair.reference)
        n_sources = find_sources(pair.reference, threshold_sigma=5.0).n
    except Rejection:
        return out
    out |= {
        f"science sky noise [DN], in {pair.band}": sky.sigma,
        f"reference sky noise [DN], in {pair.band}": reference_sky.sigma,
    }
    out |= {f"sky level [DN], in {pair.band}": reference_sky.level, f"sources in a reference, in {pair.band}": float(n_sources)}
    for name, image, of_image in (("science", pair.science, sky), ("reference", pair.reference, reference_sky)):
        for percent, value in zip(PIXEL_PERCENTILES, np.nanpercentile(image, PIXEL_PERCENTILES), strict=True):
            out[f"{name} pixels, {percent} % [sky sigma], in g and r"] = float(value - of_image.level) / of_image.sigma
    return out


def as_text(rows: Sequence[Row]) -> str:
    """The table as Markdown."""
    lines = [
        "| quantity | group | real | simulated | ratio | within 25 % | n real | n simulated |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        verdict = "yes" if row.is_within else "**no**"
        numbers = f"{row.real:.3g} | {row.simulated:.3g} | {row.ratio:.2f} | {verdict} | {row.n_real} | {row.n_simulated}"
        lines.append(f"| {row.quantity} | {row.group} | {numbers} |")
    n_within = sum(row.is_within for row in rows)
    return "\n".join([*lines, "", f"{n_within} of {len(rows)} within 25 %."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table for two landing folders."""
    parser = argparse.ArgumentParser(description="Compare a simulated landing folder with a real one.")
    parser.add_argument("real", type=Path)
    parser.add_argument("simulated", type=Path)
    given = parser.parse_args(arguments)
    sys.stdout.write(as_text(compare_folders(given.real, given.simulated)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
