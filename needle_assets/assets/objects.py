"""Which survey the objects are of whose rows a stage is given: every stage gets ``lineage.objects`` beside what it reads."""

from collections.abc import Mapping

import polars as pl

from needle_assets.surveys.known import survey_named
from needle_assets.surveys.survey import Survey

OBJECTS = "lineage.objects"


def survey_of(frames: Mapping[str, pl.DataFrame]) -> Survey:
    """The survey of the one object whose rows these are."""
    (name,) = frames[OBJECTS]["survey"].unique()
    return survey_named(name)


def surveys_of(frames: Mapping[str, pl.DataFrame]) -> dict[str, Survey]:
    """The survey of each object whose rows these are."""
    return {object_id: survey_named(name) for object_id, name in frames[OBJECTS].select("object_id", "survey").iter_rows()}


def of_survey(frames: Mapping[str, pl.DataFrame], survey: Survey) -> dict[str, pl.DataFrame]:
    """The frames, with every object in them said to be of one survey: for whoever calls a stage without a warehouse."""
    ids = {str(name) for frame in frames.values() if "object_id" in frame.columns for name in frame["object_id"]}
    schema = {"object_id": pl.String, "survey": pl.String}
    return {**frames, OBJECTS: pl.DataFrame({"object_id": sorted(ids), "survey": [survey.name] * len(ids)}, schema=schema)}
