"""Stamps: the cutouts of the packets, placed so that target and host are known to a fraction of a pixel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.landing import Place, packets_of
from needle_assets.assets.objects import surveys_of
from needle_assets.assets.output import Product
from needle_assets.assets.stored_stamps import Key, keep_before
from needle_assets.errors import Rejection
from needle_assets.images.cutouts import decode_cutout
from needle_assets.images.stamps import host_position_px, place_cutout
from needle_assets.landing.packet import Packet
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.survey import Survey

TABLE = "core.stamps"


def stamps(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    The science and reference images around each detection, cut to the survey's stamp, with the target and the host in them (paper, 3.2).

    Of surveys whose cutouts lie as the camera did there are none here: see :func:`turned_stamps`.

    A packet whose file has vanished or changed since it was scanned keeps the stamp it had, with the host where it is now, or the
    refusal. Raises OSError if it had neither, as then nobody knows what it showed: the object stays stale.
    """
    surveys = surveys_of(frames)
    alerts = {
        (row["object_id"], row["candid"]): row
        for row in frames["raw.alerts"].iter_rows(named=True)
        if not surveys[row["object_id"]].has_turned_stamps
    }
    hosts = {row["object_id"]: row for row in frames["core.hosts"].iter_rows(named=True)}
    used = {(row["path"], row["member"] or "", row["object_id"], row["candid"]) for row in alerts.values()}
    product = Product()
    seen: set[Key] = set()
    for landed, packet in packets_of(_only(frames["landing.packets"], used)):
        key = (packet.object_id, packet.candid)
        if key in alerts and key not in seen:
            seen.add(key)
            _add_stamp(product, packet, surveys[packet.object_id], alerts[key], hosts.get(packet.object_id), landed.path)
    _keep_before(product, frames, {key: alert for key, alert in alerts.items() if key not in seen}, hosts)
    return product


def _keep_before(
    product: Product,
    frames: Mapping[str, pl.DataFrame],
    vanished: Mapping[Key, Mapping[str, Any]],
    hosts: Mapping[str, Mapping[str, Any]],
) -> None:
    """Add what there was of packets that cannot be read now."""
    surveys = surveys_of(frames)

    def as_now(row: dict[str, Any]) -> dict[str, Any]:
        object_id, target = row["object_id"], (row["target_x_px"], row["target_y_px"])
        return {**row, **_host(vanished[object_id, row["candid"]], hosts.get(object_id), target, surveys[object_id])}

    missing = keep_before(product, frames, TABLE, vanished.keys(), as_now)
    if missing:
        first = vanished[min(missing)]
        raise FileNotFoundError(
            f"{first['path']} vanished or changed before the stamp of its packet {first['candid']} was stored; "
            "put it back and refresh again"
        )


def _only(landed: pl.DataFrame, used: set[Place]) -> pl.DataFrame:
    """Packets that ``raw.alerts`` uses: not the copies it left out."""
    keep = [(row["path"], row["member"] or "", row["object_id"], row["candid"]) in used for row in landed.iter_rows(named=True)]
    return landed.filter(pl.Series(keep, dtype=pl.Boolean))


def _add_stamp(
    product: Product,
    packet: Packet,
    survey: Survey,
    alert: Mapping[str, Any],
    host: Mapping[str, Any] | None,
    path: str,
) -> None:
    if packet.science is None and packet.reference is None:
        why = "the packet carries neither a science nor a reference cutout; it counts as a detection only"
        product.rejections.append(Rejection(why, candid=packet.candid, object_id=packet.object_id, path=path))
        return
    images, target = _images(product, packet, survey, alert)
    if target is None:
        return
    position = {"target_x_px": target[0], "target_y_px": target[1], **_host(alert, host, target, survey)}
    product.rows.append(
        {
            "object_id": packet.object_id,
            "candid": packet.candid,
            "band": survey.band_of_number[alert["fid"]],
            "mjd": alert["jd"] - MJD_OFFSET,
            **images,
            **position,
        }
    )


def _images(
    product: Product, packet: Packet, survey: Survey, alert: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray | None], tuple[float, float] | None]:
    images: dict[str, np.ndarray | None] = {}
    target = None
    for name, data in (("science", packet.science), ("reference", packet.reference)):
        images[name] = None
        if data is None:
            continue
        try:
            placed = place_cutout(decode_cutout(data), survey, xpos=alert["xpos"], ypos=alert["ypos"])
        except Rejection as why:
            reason = f"the {name} cutout cannot be used: {why.reason}"
            product.rejections.append(why.also(reason, candid=packet.candid, object_id=packet.object_id))
            continue
        images[name], target = placed.image, (placed.target_x_px, placed.target_y_px)
    return images, target


def _host(
    alert: Mapping[str, Any], host: Mapping[str, Any] | None, target: tuple[float, float], survey: Survey
) -> dict[str, float | None]:
    if host is None or host["host_ra_deg"] is None or host["host_dec_deg"] is None:
        return {"host_x_px": None, "host_y_px": None}
    x_px, y_px = host_position_px(
        target_ra_deg=alert["ra"],
        target_dec_deg=alert["dec"],
        host_ra_deg=host["host_ra_deg"],
        host_dec_deg=host["host_dec_deg"],
        target_x_px=target[0],
        target_y_px=target[1],
        pixel_scale_arcsec=survey.pixel_scale_arcsec,
    )
    return {"host_x_px": x_px, "host_y_px": y_px}
