"""Fills a landing folder from live services. The only code that talks to the network.

``fetch`` runs one source by name; ``SOURCES`` lists them in the order in which a night goes: the catalogue first, then packets,
then what brokers know, then the magnitudes of hosts. Each writes the landing folder only (see ``docs/fetch.md``).
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from needle_assets.fetch.archive import fetch_archive
from needle_assets.fetch.around import AnswerError, Around, FetchError, Progress
from needle_assets.fetch.brokers.alerce import fetch_alerce
from needle_assets.fetch.brokers.fink import fetch_fink
from needle_assets.fetch.brokers.lasair import fetch_lasair
from needle_assets.fetch.brokers.rubin import fetch_fink_lsst, fetch_lasair_lsst
from needle_assets.fetch.catalogues.bts import fetch_bts
from needle_assets.fetch.catalogues.dust import fetch_dust
from needle_assets.fetch.catalogues.field_images import fetch_field_images
from needle_assets.fetch.catalogues.legacy import fetch_legacy
from needle_assets.fetch.catalogues.panstarrs import fetch_panstarrs
from needle_assets.fetch.catalogues.tns import fetch_tns
from needle_assets.fetch.run import Failure, FetchSummary
from needle_assets.fetch.stream.kafka import fetch_kafka
from needle_assets.settings import Settings

__all__ = [
    "SOURCES",
    "AnswerError",
    "Around",
    "Failure",
    "FetchError",
    "FetchSummary",
    "Progress",
    "fetch",
    "fetch_alerce",
    "fetch_archive",
    "fetch_bts",
    "fetch_dust",
    "fetch_field_images",
    "fetch_fink",
    "fetch_fink_lsst",
    "fetch_kafka",
    "fetch_lasair",
    "fetch_lasair_lsst",
    "fetch_legacy",
    "fetch_panstarrs",
    "fetch_tns",
]

SIMULATION = Path("truth", "simulation.json")  # what makes a folder a simulated survey; real files must not join it

SOURCES: Mapping[str, Callable[..., FetchSummary]] = {
    "bts": fetch_bts,
    "tns": fetch_tns,
    "archive": fetch_archive,
    "kafka": fetch_kafka,
    "alerce": fetch_alerce,
    "lasair": fetch_lasair,
    "fink": fetch_fink,
    "fink_lsst": fetch_fink_lsst,
    "lasair_lsst": fetch_lasair_lsst,
    "panstarrs": fetch_panstarrs,
    "legacy": fetch_legacy,
    "field_images": fetch_field_images,
    "dust": fetch_dust,
}


def fetch(
    source: str,
    landing: Path,
    *,
    settings: Settings,
    ids: Collection[str] | None = None,
    nights: Collection[str] | None = None,
    topics: Collection[str] | None = None,
    group: str | None = None,
    start: str | None = None,
    follow: bool | None = None,
    around: Around | None = None,
) -> FetchSummary:
    """
    Fill the landing folder from one source.

    Parameters
    ----------
    source : str
        A name in ``SOURCES``.
    landing : Path
        The landing folder; made if it is missing.
    settings : Settings
        Its section ``fetch`` says where the services are and how they are asked.
    ids, nights : collection of str, optional
        Only these objects or nights, where the source can be told so.
    topics, group, start, follow : optional
        For a stream; see ``fetch_kafka``.
    around : Around, optional
        Clock, chance, environment, and who is told of the progress.

    Returns
    -------
    FetchSummary
        What landed, what failed and what is left. Single failures are listed there and asked for again in the next run.

    Raises
    ------
    FetchError
        If the source is unknown or cannot start: the folder is simulated, no token, no known objects, another fetch of it under way.
    """
    source = source.replace("-", "_")
    if source not in SOURCES:
        raise FetchError(f"source {source!r} is unknown; choose one of {', '.join(SOURCES)}.")
    if (landing / SIMULATION).exists():
        raise FetchError(f"{landing} holds a simulated survey, of which no service knows anything; name another landing folder.")
    known = inspect.signature(SOURCES[source]).parameters
    asked = {"ids": ids, "nights": nights, "topics": topics, "group": group, "start": start, "follow": follow}
    unusable = [name for name, value in asked.items() if value is not None and name not in known]
    if unusable:
        raise FetchError(f"{source} cannot be told {' or '.join(unusable)}; leave that out.")
    given = {name: value for name, value in asked.items() if value is not None}
    return SOURCES[source](landing, settings=settings, around=around, **given)
