"""The surveys whose objects can be landed, by name and by the ids of their objects."""

from needle_assets.surveys.lsst import LSST
from needle_assets.surveys.survey import Survey
from needle_assets.surveys.ztf import ZTF

SURVEYS: dict[str, Survey] = {survey.name: survey for survey in (ZTF, LSST)}


def survey_named(name: str) -> Survey:
    """The survey of that name. Raises KeyError with the names that there are."""
    if name not in SURVEYS:
        raise KeyError(f"{name!r} is no known survey; there is {', '.join(SURVEYS)}.")
    return SURVEYS[name]


def survey_of_id(value: object) -> Survey | None:
    """The survey that gave an object this id; None if it is no survey's."""
    return next((survey for survey in SURVEYS.values() if survey.has_id(value)), None)


def survey_name_of_id(object_id: str) -> str | None:
    """Name of the survey that gave an object this id; None if it is no survey's."""
    survey = survey_of_id(object_id)
    return survey.name if survey else None


def is_object_id(value: object) -> bool:
    """Whether ``value`` is an object id of a known survey, and nothing else."""
    return survey_of_id(value) is not None


def object_id_pattern() -> str:
    """Regular expression, without anchors, that an object id of any survey fulfils as a whole."""
    return "|".join(f"(?:{survey.id_pattern})" for survey in SURVEYS.values())


def id_examples() -> str:
    """An id of each survey, to show what one looks like."""
    return " or ".join(survey.id_example for survey in SURVEYS.values())


def is_simulated(object_id: str) -> bool:
    """Whether an id belongs to a simulated object, of whatever survey."""
    return any(survey.has_simulated_id(object_id) for survey in SURVEYS.values())


def simulated_id_pattern() -> str:
    """Regular expression, without anchors, that ids of simulated objects fulfil as a whole."""
    return "|".join(f"(?:{survey.simulated_id_pattern})" for survey in SURVEYS.values())
