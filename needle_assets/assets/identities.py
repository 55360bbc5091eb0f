"""Glue of the identities: which ids of two surveys are one object, and what label serves both."""

import math
from collections.abc import Mapping

import numpy as np
import polars as pl

from needle_assets.assets.objects import surveys_of
from needle_assets.assets.output import Product
from needle_assets.samples.cross_survey import Match, matches, mean_position
from needle_assets.settings import Settings
from needle_assets.surveys.known import survey_name_of_id, survey_named


def identities(frames: Mapping[str, pl.DataFrame], settings: Settings) -> Product:
    """Pairs of ids that two surveys gave to one object, in both directions; nothing where all objects are of one survey."""
    surveys = {object_id: survey.name for object_id, survey in surveys_of(frames).items()}
    if len(set(surveys.values())) < 2:
        return Product()
    places = _places(frames, surveys)
    ids = sorted(places)
    columns = np.array([places[object_id] for object_id in ids], dtype=float).reshape(-1, 3).T
    named = [surveys.get(object_id) or survey_name_of_id(object_id) or "" for object_id in ids]
    chosen = settings.identities
    found = matches(named, *columns, radius_arcsec=chosen.radius_arcsec, largest_sigma=chosen.largest_sigma)
    objects = frames["raw.objects"].filter(pl.col("label").is_not_null())
    labels = dict(objects.select("object_id", "label").iter_rows())
    extinction = dict(frames["raw.objects"].drop_nulls("a_v_mag").select("object_id", "a_v_mag").iter_rows())
    return Product([row for match in found for row in _rows(match, ids, named, {"label": labels, "a_v_mag": extinction})])


def _places(frames: Mapping[str, pl.DataFrame], surveys: Mapping[str, str]) -> dict[str, tuple[float, float, float]]:
    """Position and its error of every id: of its packets, else as the catalogue has it."""
    floor = {name: survey_named(name).position_err_arcsec for name in set(surveys.values())}
    catalogue = frames["raw.objects"].drop_nulls(["ra_deg", "dec_deg"])
    found = {
        object_id: (ra, dec, max(floor.values()))
        for object_id, ra, dec in catalogue.select("object_id", "ra_deg", "dec_deg").iter_rows()
    }
    for (object_id,), part in frames["raw.alerts"].partition_by("object_id", as_dict=True).items():
        err = floor[surveys[str(object_id)]]
        found[str(object_id)] = mean_position(part["ra"].to_numpy(), part["dec"].to_numpy(), err)
    return {object_id: place for object_id, place in found.items() if not any(math.isnan(value) for value in place)}


def _rows(match: Match, ids: list[str], surveys: list[str], known: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """The pair in both directions, with what the other id is known by and this one is not."""
    pair = (match.first, match.second)
    common = {
        "identity": min(ids[k] for k in pair),
        "separation_arcsec": match.separation_arcsec,
        "separation_err_arcsec": match.separation_err_arcsec,
        "is_ambiguous": match.is_ambiguous,
    }
    return [
        {
            "object_id": ids[one],
            "survey": surveys[one],
            "other_id": ids[other],
            "other_survey": surveys[other],
            **common,
            **{
                name: None if match.is_ambiguous or ids[one] in values else values.get(ids[other])
                for name, values in known.items()
            },
        }
        for one, other in (pair, pair[::-1])
    ]
