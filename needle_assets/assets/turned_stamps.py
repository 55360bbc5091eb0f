"""Stamps of surveys whose cutouts lie as the camera did: turned north up, each with its scale, variance and orientation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.landing import packets_of
from needle_assets.assets.objects import surveys_of
from needle_assets.assets.output import Product
from needle_assets.assets.stored_stamps import Key, keep_before
from needle_assets.errors import Rejection
from needle_assets.images.turned import SkyCutout, decode_sky_cutout, faults, noise_ratio, turned, turned_side_px
from needle_assets.landing.packet import Packet
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.known import survey_named

TABLE = "core.turned_stamps"
IMAGES = ("science", "reference", "difference")


def turned_stamps(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    Science, reference and difference around each detection with north up, and what speaks against them; none of other surveys.

    A packet whose file has vanished or changed since it was scanned keeps the stamp it had, or the refusal. Raises OSError if it had
    neither: the object stays stale.
    """
    surveys = surveys_of(frames)
    landed = frames["landing.packets"]
    ours = landed.filter(pl.Series([surveys[name].has_turned_stamps for name in landed["object_id"]], dtype=pl.Boolean))
    best: dict[Key, Packet] = {}
    for _, packet in packets_of(ours):
        key = (packet.object_id, packet.candid)
        if key not in best or _n_cutouts(packet) > _n_cutouts(best[key]):
            best[key] = packet
    product = Product()
    for packet in best.values():
        _add(product, packet)
    missing = keep_before(product, frames, TABLE, set(ours.select("object_id", "candid").iter_rows()) - best.keys())
    if missing:
        object_id, candid = min(missing)
        raise FileNotFoundError(
            f"the file of packet {candid} of {object_id} vanished or changed before its stamp was stored; put it back and refresh again"
        )
    return product


def _n_cutouts(packet: Packet) -> int:
    return sum(getattr(packet, name) is not None for name in IMAGES)


def _add(product: Product, packet: Packet) -> None:
    cutouts = {name: _decoded(product, packet, name) for name in IMAGES}
    given = [cutout for cutout in cutouts.values() if cutout is not None]
    if given:
        product.rows.append(_row(packet, cutouts, given[0]))
    elif not _n_cutouts(packet):
        why = "the packet carries no cutout; it counts as a detection only"
        product.rejections.append(Rejection(why, candid=packet.candid, object_id=packet.object_id))


def _decoded(product: Product, packet: Packet, name: str) -> SkyCutout | None:
    data = getattr(packet, name)
    if data is None:
        return None
    try:
        return decode_sky_cutout(data)
    except Rejection as why:
        reason = f"the {name} cutout cannot be used: {why.reason}"
        product.rejections.append(why.also(reason, candid=packet.candid, object_id=packet.object_id))
        return None


def _row(packet: Packet, cutouts: Mapping[str, SkyCutout | None], first: SkyCutout) -> dict[str, Any]:
    side = turned_side_px(first.image.shape)
    nothing = np.full((side, side), np.nan, dtype=np.float32)
    made = {name: turned(cutout) if cutout else (nothing, nothing) for name, cutout in cutouts.items()}
    images = {name: image if image.shape == (side, side) else nothing for name, (image, _) in made.items()}
    variances = {name: variance if variance.shape == (side, side) else nothing for name, (_, variance) in made.items()}
    seen = (images["science"], images["reference"], images["difference"])
    found = faults(*seen, variances["difference"], first.image.size)
    ratio = noise_ratio(images["difference"], variances["difference"])
    return {
        "object_id": packet.object_id,
        "candid": packet.candid,
        "band": survey_named(packet.survey).band_of_number[packet.candidate["fid"]],
        "mjd": packet.candidate["jd"] - MJD_OFFSET,
        "n_px": side,
        **{name: _flat(image) for name, image in images.items()},
        **{f"{name}_variance": _flat(variances[name]) for name in ("science", "reference")},
        "pixel_scale_arcsec": first.pixel_scale_arcsec,
        "rotation_deg": first.rotation_deg,
        "reach_arcsec": first.reach_arcsec,
        "noise_ratio": None if np.isnan(ratio) else ratio,
        "is_good": not found,
        "reasons": list(found),
    }


def _flat(image: np.ndarray) -> list[float] | None:
    return image.ravel().tolist() if np.isfinite(image).any() else None
