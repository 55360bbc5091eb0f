"""Glue of the Milky Way's extinction from maps of dust, for objects that no catalogue gives A_V for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from needle_assets.assets.objects import OBJECTS
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.landing.dust import WITHOUT_PACKAGE, hash_of_maps, south_of
from needle_assets.landing.snapshots import as_it_was_read
from needle_assets.light_curves.extinction import a_v_of_reddening
from needle_assets.samples.positions import mean_positions_deg
from needle_assets.settings import Settings

SFD = "SFD"
# A packet more moves an object's mean position by less than this is worth [mag].
DECIMALS = 4


def extinction(frames: Mapping[str, pl.DataFrame], _settings: Settings) -> Product:
    """
    A_V from the maps of Schlegel, Finkbeiner & Davis (1998) for every object with a place for which no catalogue has it.

    E(B-V) times 0.86 (Schlafly & Finkbeiner 2011) times 3.1. Without maps, and of an object without a place, nothing.
    """
    said = frames["landing.dust"]
    places = _places(frames) if len(said) else pl.DataFrame()
    if places.is_empty():
        return Product()
    north = as_it_was_read(said)
    e_b_v_mag = _reddening(north, places["ra_deg"].to_numpy(), places["dec_deg"].to_numpy()).round(DECIMALS)
    rows = places.with_columns(
        e_b_v_mag=pl.Series(e_b_v_mag),
        a_v_mag=pl.Series(a_v_of_reddening(e_b_v_mag).round(DECIMALS)),
        a_v_source=pl.lit(SFD),
        maps_sha256=pl.lit(hash_of_maps(north)),
    )
    return Product(list(rows.iter_rows(named=True)))


def _places(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Objects with data and without A_V, where the catalogue has them, else where their packets are on average."""
    objects, alerts = frames["raw.objects"], frames["raw.alerts"]
    catalogue = objects.select("object_id", "ra_deg", "dec_deg")
    known = [frames[name].drop_nulls("a_v_mag")["object_id"] for name in ("raw.objects", "core.identities")]
    ids, ra_deg, dec_deg = mean_positions_deg(*(alerts[name].to_numpy() for name in ("object_id", "ra", "dec")))
    columns = {"object_id": ids, "packet_ra": ra_deg, "packet_dec": dec_deg}
    packets = pl.DataFrame(columns, schema_overrides={"object_id": pl.String})
    wanted = frames[OBJECTS].select("object_id").filter(~pl.col("object_id").is_in(pl.concat(known).implode()))
    placed = wanted.join(catalogue, on="object_id", how="left").join(packets, on="object_id", how="left")
    found = placed.select("object_id", ra_deg=pl.coalesce("ra_deg", "packet_ra"), dec_deg=pl.coalesce("dec_deg", "packet_dec"))
    return found.drop_nulls().sort("object_id")


def _reddening(north: Path, ra_deg: np.ndarray, dec_deg: np.ndarray) -> np.ndarray:
    """E(B-V) as the maps have it [mag]. Raises Rejection if the package that reads them is missing."""
    try:
        from sfdmap2.sfdmap import SFDMap  # an extra: whoever has no maps does without
    except ImportError as error:
        raise Rejection(f"{WITHOUT_PACKAGE}.") from error
    maps = SFDMap(mapdir=str(north.parent), north=north.name, south=south_of(north).name, scaling=1.0)
    return np.asarray(maps.ebv(ra_deg, dec_deg), dtype=float)
