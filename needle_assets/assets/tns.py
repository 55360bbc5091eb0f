"""Glue of the Transient Name Server's list: which of its objects are known here, and what its types add to the catalogue's."""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl

from needle_assets.assets.objects import OBJECTS
from needle_assets.assets.output import Product
from needle_assets.errors import Rejection
from needle_assets.landing.catalogues import label_of, read_catalogue, read_tns
from needle_assets.landing.catalogues.labels import is_type_known
from needle_assets.landing.snapshots import as_it_was_read
from needle_assets.landing.values import shown
from needle_assets.samples.identity import iau_designation
from needle_assets.samples.positions import mean_positions_deg, pairs_within, separations_arcsec
from needle_assets.settings import Settings
from needle_assets.surveys.clock import MJD_OFFSET
from needle_assets.surveys.known import object_id_pattern
from needle_assets.surveys.ztf import ZTF

TNS = "TNS"
# In the order in which they count.
WAYS = ("internal name", "IAU name", "position")
# What was discovered so long before an object's first packet and has its place alone is another transient of the same galaxy.
LONGEST_BEFORE_DAYS = 1000.0


def tns(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """
    What the Transient Name Server's list says of every object known here: found by its id, its IAU name, or its place.

    An object that the list has more than once with different classes gets none of them.
    """
    said = frames["landing.tns"]
    if said.is_empty():
        return Product()
    listed = read_tns(as_it_was_read(said))[0].with_row_index("row")
    known = _known(frames)
    by_name = pl.concat([_by_internal_name(known, listed), _by_iau_name(known, listed)])
    unnamed = known.join(by_name, on="object_id", how="anti")
    pairs = pl.concat([by_name, _by_position(unnamed, listed, settings.identities.radius_arcsec)])
    matched = pairs.join(listed, on="row").join(known.select("object_id", "own_ra", "own_dec"), on="object_id")
    best = matched.filter(pl.col("way") == pl.col("way").min().over("object_id")).sort("object_id", "iau_name")
    product = Product()
    for object_id, candidates in groupby(_with_separation(best).iter_rows(named=True), key=itemgetter("object_id")):
        _take(product, object_id, list(candidates))
    return product


def _with_separation(matched: pl.DataFrame) -> pl.DataFrame:
    columns = (_floats(matched[name]) for name in ("own_ra", "own_dec", "ra_deg", "dec_deg"))
    return matched.with_columns(pl.Series("separation_arcsec", separations_arcsec(*columns)).fill_nan(None))


def _known(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Every id of the catalogue or with data: its IAU designation, place (of its packets, else the catalogue's) and first packet."""
    said, alerts = frames["landing.catalogue"], frames["raw.alerts"]
    rows = [] if said.is_empty() else read_catalogue(as_it_was_read(said))[0]
    names = ("object_id", "iau_name", "ra_deg", "dec_deg")
    schema = {"object_id": pl.String, "iau_name": pl.String, "ra_deg": pl.Float64, "dec_deg": pl.Float64}
    catalogue = pl.DataFrame([{name: row[name] for name in names} for row in rows], schema=schema)
    places = mean_positions_deg(*(alerts[name].to_numpy() for name in ("object_id", "ra", "dec")))
    packets = pl.DataFrame(dict(zip(("object_id", "packet_ra", "packet_dec"), places, strict=True)), schema_overrides=_TEXT)
    first = alerts.group_by("object_id").agg(first_mjd=pl.col("jd").min() - MJD_OFFSET)
    ids = pl.concat([frames[OBJECTS].select("object_id"), catalogue.select("object_id")]).unique()
    joined = ids.join(catalogue, on="object_id", how="left").join(packets, on="object_id", how="left")
    return joined.join(first, on="object_id", how="left").select(
        "object_id",
        "first_mjd",
        own_ra=pl.coalesce("packet_ra", "ra_deg"),
        own_dec=pl.coalesce("packet_dec", "dec_deg"),
        designation=pl.col("iau_name").map_elements(iau_designation, return_dtype=pl.String),
    )


_TEXT = {"object_id": pl.String}


def _by_internal_name(known: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    ids = listed.select("row", object_id=pl.col("internal_names").str.extract_all(rf"\b(?:{object_id_pattern()})\b"))
    return _pairs(ids.explode("object_id").join(known, on="object_id", how="semi").unique(), 0)


def _by_iau_name(known: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    return _pairs(known.drop_nulls("designation").join(listed, on="designation"), 1)


def _by_position(known: pl.DataFrame, listed: pl.DataFrame, radius_arcsec: float) -> pl.DataFrame:
    """Pairs by place alone, but for what was discovered long before the object was seen."""
    places = (known["own_ra"], known["own_dec"]), (listed["ra_deg"], listed["dec_deg"])
    (ra, dec), (other_ra, other_dec) = ((_floats(ra), _floats(dec)) for ra, dec in places)
    first, second, _ = pairs_within(ra, dec, other_ra, other_dec, radius_arcsec)
    before_days = _floats(known["first_mjd"])[first] - _floats(listed["discovery_mjd"])[second]
    is_its_time = ~(before_days > LONGEST_BEFORE_DAYS)
    ids = known["object_id"].gather(first[is_its_time])
    return _pairs(pl.DataFrame({"object_id": ids, "row": listed["row"].gather(second[is_its_time])}, schema_overrides=_TEXT), 2)


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _pairs(found: pl.DataFrame, way: int) -> pl.DataFrame:
    return found.select("object_id", "row", way=pl.lit(way, pl.Int32))


def _take(product: Product, object_id: str, candidates: list[dict[str, Any]]) -> None:
    """The row of an object, from all that the list has under its names; of a place also what nobody has classified counts."""
    typed = [one for one in candidates if is_type_known(one["type"])]
    said = {label_of(one["type"])[0] for one in typed}
    is_by_place = WAYS[candidates[0]["way"]] == "position"
    if len(said) > 1 or (is_by_place and typed and len(typed) < len(candidates)):
        product.rejections.append(_several(object_id, candidates))
        return
    chosen = (typed or candidates)[0]
    product.rows.append(_row(object_id, chosen))
    if chosen["type"] is not None and not typed:
        reason = f"{label_of(chosen['type'])[1]}; {chosen['iau_name']} in the Transient Name Server's list gives no label."
        product.rejections.append(Rejection(reason, object_id=object_id, type=shown(chosen["type"])))


def _row(object_id: str, listed: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("iau_name", "type", "redshift", "ra_deg", "dec_deg", "discovery_mjd", "classified_in", "separation_arcsec")
    return {
        "object_id": object_id,
        **{name: listed[name] for name in kept},
        "label": label_of(listed["type"])[0],
        "is_type_known": is_type_known(listed["type"]),
        "matched_by": WAYS[listed["way"]],
    }


def _several(object_id: str, candidates: list[dict[str, Any]]) -> Rejection:
    named = ", ".join(f"{one['iau_name']} {shown(one['type']) if one['type'] else 'unclassified'}" for one in candidates[:10])
    return Rejection(
        f"the Transient Name Server's list has several objects by this object's {WAYS[candidates[0]['way']]} that are not of one "
        f"class ({named}); it gets no type from there.",
        object_id=object_id,
        n_listed=len(candidates),
    )


def with_tns(rows: list[Mapping[str, Any]], refused: list[Rejection], listed: pl.DataFrame) -> Product:
    """
    The catalogue with what the Transient Name Server's list adds: the catalogue's type counts where it is certain and known.

    Where it has none, and of objects that it does not list, the list's type counts. Where both have one of different classes, the
    catalogue's stays and a rejection says so. Another id of an object of the catalogue has its type; the redshift stays with
    one id of an object, so that none is a parent of synthetic samples twice.
    """
    of_id = {row["object_id"]: row for row in listed.iter_rows(named=True) if is_type_known(row["type"])}
    found = [_merged(row, of_id.get(row["object_id"])) for row in rows]
    filled = {new["object_id"] for old, new in zip(rows, found, strict=True) if new is not old}
    left = [why for why in refused if not ("type" in why.measured and why.object_id in filled)]
    disputes = [
        _disputed(row, of_id[row["object_id"]])
        for row in found
        if row["object_id"] in of_id and row["label"] != label_of(of_id[row["object_id"]]["type"])[0]
    ]
    there = {row["object_id"] for row in rows}
    owners = {of_id[row["object_id"]]["iau_name"]: row for row in found if row["object_id"] in of_id}
    for object_id in sorted(of_id.keys() - there, key=lambda name: (not ZTF.has_id(name), name)):
        told = of_id[object_id]
        found.append(_added(told, owners.get(told["iau_name"])))
        owners.setdefault(told["iau_name"], found[-1])
    return Product(found, [*left, *disputes])


def _merged(row: Mapping[str, Any], told: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A row of the catalogue, with the list's type where it has none that is certain and known."""
    if told is None or is_type_known(row["type"]):
        return row
    redshift = told["redshift"] if row["redshift"] is None else row["redshift"]
    return {**row, **_classified(told["type"]), "redshift": redshift, "type_reported_by": None, "type_classifier": None}


def _added(told: Mapping[str, Any], owner: Mapping[str, Any] | None) -> dict[str, Any]:
    """The row of an object that the catalogue does not list; ``owner`` is a row of another id of it."""
    never_limits = {f"is_{name}_lower_limit": False for name in ("duration", "rise", "fade")}
    place = {name: told[name] for name in ("object_id", "iau_name", "ra_deg", "dec_deg")}
    if owner is None:
        return {**place, **never_limits, **_classified(told["type"]), "redshift": told["redshift"]}
    same = ("type", "label", "label_reason", "label_source", "type_reported_by", "type_classifier")
    return {**place, **never_limits, **{name: owner.get(name) for name in same}}


def _classified(object_type: str) -> dict[str, Any]:
    label, reason = label_of(object_type)
    return {"type": object_type, "label": label, "label_reason": reason, "label_source": label and TNS}


def _disputed(row: Mapping[str, Any], told: Mapping[str, Any]) -> Rejection:
    return Rejection(
        f"the catalogue types it {shown(row['type'])}, the Transient Name Server {shown(told['type'])} ({told['iau_name']}); the "
        "catalogue's type counts.",
        object_id=row["object_id"],
        catalogue_type=row["type"],
        tns_type=told["type"],
    )
