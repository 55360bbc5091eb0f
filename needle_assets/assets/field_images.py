"""Images of the field from elsewhere: at the scale of stamps, north up, and masked as stamps are. Shown and stored, never scored."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from needle_assets.assets.detections import position_of
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.images import masking
from needle_assets.images.field_images import field_image
from needle_assets.images.stamps import host_position_px
from needle_assets.randomness import rng_for
from needle_assets.settings import Settings
from needle_assets.surveys.ztf import ZTF

TABLE = "core.field_images"


def field_images(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    Landed images of one object's field on the pixels of ZTF's stamps, other sources masked; none where none landed.

    One whose file has vanished or changed since it was scanned keeps the row that it had. Raises OSError if it had none: the object
    stays stale.
    """
    product = Product()
    landed = frames["landing.field_images"].sort("band", "path")
    if landed.is_empty():
        return product
    catalogued = frames["raw.objects"].row(0, named=True) if len(frames["raw.objects"]) else {}
    position = position_of(catalogued, frames["raw.alerts"])
    chosen = landed.unique("band", keep="first", maintain_order=True)
    for told in chosen.iter_rows(named=True):
        try:
            product.rows.append(_row(told, position, frames, settings))
        except Rejection as why:
            reason = f"{told['path']} cannot be used: {why.reason}"
            product.rejections.append(why.also(reason, object_id=told["object_id"], band=told["band"], path=told["path"]))
    for told in landed.join(chosen, on="path", how="anti", maintain_order="left").iter_rows(named=True):
        reason = f"{told['path']} is not used: another image of the same field and band lies beside it."
        product.rejections.append(Rejection(reason, object_id=told["object_id"], band=told["band"], path=told["path"]))
    return product


def _row(
    told: Mapping[str, Any], position: tuple[float, float] | None, frames: Mapping[str, pl.DataFrame], settings: Settings
) -> Mapping[str, Any]:
    if position is None:
        raise Rejection("where the object is stands neither in the catalogue nor in a packet.")
    data = _as_it_was_scanned(told)
    if data is None:
        before = frames[TABLE].filter(pl.col("sha256") == told["sha256"])
        if before.is_empty():
            raise OSError(f"{told['path']} vanished or changed before it was stored; put it back and refresh again")
        return before.row(0, named=True)
    found = field_image(data, *position, ZTF)
    middle = (ZTF.stamp_size_px - 1) / 2.0
    host_px = _host_px(frames["core.hosts"], position, middle)
    target_px = (middle, middle)
    # Nothing is known of the transient here: the one image stands for both of a pair.
    mask = masking.source_mask(found.image, found.image, target_px=target_px, host_px=host_px, settings=settings.masking)
    rng = rng_for(settings.seed, TABLE, told["object_id"], told["band"])
    places = {"target_px": target_px, "host_px": host_px}
    masked = masking.masked_pair(found.image, found.image, mask.replaced, rng=rng, settings=settings.masking, **places)
    return {
        **{name: told[name] for name in ("object_id", "band", "path", "sha256")},
        "image": found.image.ravel().tolist(),
        "masked": masked.science.ravel().tolist(),
        "mask": mask.mask.ravel().tolist(),
        **dict(zip(("target_x_px", "target_y_px"), target_px, strict=True)),
        **dict(zip(("host_x_px", "host_y_px"), host_px or (None, None), strict=True)),
        **{name: getattr(found, name) for name in ("pixel_scale_arcsec", "rotation_deg", "covered_fraction", "unit")},
        **{name: getattr(mask, name) for name in ("host_state", "n_kept", "is_blended", "touches_border", "n_sources_removed")},
    }


def _host_px(hosts: pl.DataFrame, position: tuple[float, float], middle: float) -> tuple[float, float] | None:
    placed = hosts.drop_nulls(("host_ra_deg", "host_dec_deg"))
    if placed.is_empty():
        return None
    host = placed.row(0, named=True)
    return host_position_px(
        target_ra_deg=position[0],
        target_dec_deg=position[1],
        host_ra_deg=host["host_ra_deg"],
        host_dec_deg=host["host_dec_deg"],
        target_x_px=middle,
        target_y_px=middle,
        pixel_scale_arcsec=ZTF.pixel_scale_arcsec,
    )


def _as_it_was_scanned(told: Mapping[str, Any]) -> bytes | None:
    try:
        data = (Path(told["landing"]) / told["path"]).read_bytes()
    except FileNotFoundError:
        return None
    return data if hashlib.sha256(data).hexdigest() == told["sha256"] else None
