"""When work begins by itself, and which survey services are asked, how gently."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Gt, Le

from needle_assets.settings.limits import (
    Catalogue,
    Count,
    CountOrNone,
    Cron,
    Days,
    Distinct,
    Fraction,
    NotNegative,
    PositiveFraction,
    PositiveSeconds,
    Scheduler,
    Seconds,
    Storage,
    Text,
    Timezone,
    Url,
    require_order,
)

Source = Literal[
    "bts",
    "tns",
    "archive",
    "kafka",
    "alerce",
    "lasair",
    "fink",
    "fink_lsst",
    "lasair_lsst",
    "panstarrs",
    "legacy",
    "field_images",
    "dust",
]
SOURCES: tuple[str, ...] = get_args(Source)
Destination = Literal["lasair", "lasair_lsst", "webhook", "jsonl"]
DESTINATIONS: tuple[str, ...] = get_args(Destination)


@dataclass(frozen=True)
class ScheduleSettings:
    """
    When the nightly run and, where it is switched on, the training begin.

    The night asks ``sources`` first, in the order of SOURCES; with none of them it refreshes what others landed.
    """

    sources: Annotated[tuple[Source, ...], Distinct] = ("bts", "alerce", "panstarrs")
    cron: Cron = "0 13 * * *"
    train_cron: Cron = "0 18 * * 6"
    timezone: Timezone = "UTC"
    landing_check_seconds: Annotated[int, Ge(1), Le(86_400)] = 60


@dataclass(frozen=True)
class PublishingSettings:
    """How many published files are kept besides the newest, each as large as the warehouse; fewer where the disk is full."""

    kept: Annotated[int, Ge(0), Le(1000)] = 3


@dataclass(frozen=True)
class ComputeSettings:
    """
    Where is computed: in ``workers`` processes of this machine, or by the workers of a Dask ``scheduler``.

    ``scheduler`` is its address (``tcp://host:8786``, or ``tls://host:8786`` with the three files of certificates) or the file that
    it wrote for those who look for it; the environment variable NEEDLE_SCHEDULER goes before it. Empty, there is none.
    """

    workers: Annotated[int, Ge(1), Le(1024)] = 2
    scheduler: Scheduler = ""
    tls_ca_file: str = ""
    tls_certificate_file: str = ""
    tls_key_file: str = ""

    def __post_init__(self) -> None:
        n_files = sum(map(bool, (self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)))
        if n_files not in (0, 3):
            raise ValueError("tls_ca_file, tls_certificate_file and tls_key_file belong together; give all three, or none")
        if self.scheduler.startswith("tls://") and not n_files:
            raise ValueError("a scheduler that begins with tls:// needs tls_ca_file, tls_certificate_file and tls_key_file")


@dataclass(frozen=True)
class DagsterSettings:
    """
    What Dagster is told. Up to ``object_events_up_to`` objects in the home each has an event of its own of every product.

    With more there is one event for all objects that were computed together: each costs 0.7 ms and 5 kB, for each of 17 products.
    """

    object_events_up_to: CountOrNone = 20_000


@dataclass(frozen=True)
class WarehouseSettings:
    """
    Where the tables lie: in one file of the home, or in a lake that several machines share.

    ``catalogue`` is ``postgres:`` followed by what libpq knows, such as ``postgres:host=db dbname=needle``, or ``sqlite:FILE`` on one
    machine; empty, all is in one file. ``data`` is a folder or ``s3://bucket/folder`` for the rows. No password stands in either:
    credentials come from the environment.
    """

    catalogue: Catalogue = ""
    data: Storage = ""

    def __post_init__(self) -> None:
        if bool(self.catalogue) != bool(self.data):
            raise ValueError("catalogue and data belong together; give both for a lake, or neither for one file")


@dataclass(frozen=True)
class ServiceSettings:
    """
    Where a survey service is and how gently it is asked.

    ``url`` is the documented public address; ``interval_seconds`` passes between two requests, ``max_requests`` are made in a
    run, ``batch`` things are asked for at once, and stamps of at most ``cutouts`` detections of an object (0: of all).
    """

    url: Url
    interval_seconds: Seconds = 0.5
    max_requests: Count = 20_000
    batch: Count = 10
    cutouts: CountOrNone = 0


@dataclass(frozen=True)
class KafkaSettings:
    """
    Which stream is read. Credentials come from the environment alone.

    ``servers`` is HOST:PORT, several joined by commas; a topic that begins with ``^`` is a pattern; an empty ``group`` is made for
    each landing folder. ``start`` says where a group begins that has never read; ``security`` left empty is plaintext without
    credentials and sasl_ssl with them. ``batch`` messages at most are stored before the broker is told.
    """

    servers: str = ""
    topics: tuple[Text, ...] = ()
    group: str = ""
    start: Literal["oldest", "newest"] = "oldest"
    security: Literal["", "plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = ""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    batch: Annotated[int, Ge(1), Le(10_000)] = 100


@dataclass(frozen=True)
class FetchSettings:
    """How the landing folder is filled from live services."""

    bts: ServiceSettings = ServiceSettings("https://sites.astro.caltech.edu/ztf/bts/explorer.php?f=s&format=csv")
    tns: ServiceSettings = ServiceSettings("https://www.wis-tns.org/system/files/tns_public_objects")
    alerce: ServiceSettings = ServiceSettings("https://api.alerce.online/ztf/v1", batch=50)
    alerce_packets: ServiceSettings = ServiceSettings("https://avro.alerce.online")
    lasair: ServiceSettings = ServiceSettings("https://lasair-ztf.lsst.ac.uk/api", max_requests=100, cutouts=5)
    lasair_images: ServiceSettings = ServiceSettings("https://lasair-ztf.lsst.ac.uk", max_requests=2_000)
    fink: ServiceSettings = ServiceSettings(
        "https://api.ztf.fink-portal.org/api/v1", interval_seconds=1.0, max_requests=3_000, cutouts=5
    )
    fink_lsst: ServiceSettings = ServiceSettings(
        "https://api.lsst.fink-portal.org/api/v1", interval_seconds=1.0, max_requests=3_000
    )
    lasair_lsst: ServiceSettings = ServiceSettings("https://api.lasair.lsst.ac.uk/api", max_requests=100)
    panstarrs: ServiceSettings = ServiceSettings("https://catalogs.mast.stsci.edu/api/v0.1/panstarrs/dr2", batch=50)
    legacy: ServiceSettings = ServiceSettings("https://datalab.noirlab.edu/tap", interval_seconds=1.0, max_requests=3_000)
    field_images: ServiceSettings = ServiceSettings(
        "https://www.legacysurvey.org/viewer", interval_seconds=1.0, max_requests=3_000
    )
    field_images_ps1: ServiceSettings = ServiceSettings(
        "https://ps1images.stsci.edu/cgi-bin", interval_seconds=1.0, max_requests=3_000
    )
    dust: ServiceSettings = ServiceSettings("https://raw.githubusercontent.com/kbarbary/sfddata/master")
    archive: ServiceSettings = ServiceSettings("https://ztf.uw.edu/alerts/public", interval_seconds=5.0)
    kafka: KafkaSettings = KafkaSettings()
    lasair_conditions: str = ""  # SQL after WHERE; objects it finds are followed beside those of the catalogue
    lasair_tables: Text = "objects"
    tns_bot_id: str = ""  # number and name of the bot whose key is used
    tns_bot_name: str = ""
    archive_nights: Count = 3
    timeout_seconds: PositiveSeconds = 30.0
    answer_seconds: PositiveSeconds = 300.0
    slowest_bytes_per_second: NotNegative = 2_000.0
    tries: Count = 4
    first_wait_seconds: Seconds = 2.0
    longest_wait_seconds: Seconds = 300.0
    failures_in_a_row: Count = 5
    absent_tries: Count = 5
    active_days: Days = 150.0
    ask_again_hours: Annotated[float, Ge(0.0), Le(1e6)] = 12.0
    ask_old_again_days: Days = 90.0
    smallest_catalogue_fraction: Fraction = 0.95
    host_radius_arcsec: Annotated[float, Gt(0.0), Le(3600.0)] = 5.0
    host_duplicate_arcsec: Annotated[float, Ge(0.0), Le(3600.0)] = 1.0

    def __post_init__(self) -> None:
        require_order(self, "first_wait_seconds", "longest_wait_seconds")
        require_order(self, "host_duplicate_arcsec", "host_radius_arcsec")


@dataclass(frozen=True)
class SendSettings:
    """
    What others are told of candidates, and where they are; tries and time-outs are those of ``fetch``.

    Nothing is sent unless ``live`` names the destination and the command says ``--live``. ``topic`` and ``topic_lsst`` are those of the
    annotators that Lasair made for you. A score is told again when a probability differs from what was told by ``min_change`` or
    more, or the classification or what speaks against the object changed. ``page`` is the address of a page about an object, in
    which ``{object_id}`` is replaced.
    """

    live: tuple[Destination, ...] = ()
    lasair: ServiceSettings = ServiceSettings("https://lasair-ztf.lsst.ac.uk/api", max_requests=100)
    lasair_lsst: ServiceSettings = ServiceSettings("https://api.lasair.lsst.ac.uk/api", max_requests=100)
    webhook: ServiceSettings = ServiceSettings("http://127.0.0.1:8000/candidates")
    topic: str = ""
    topic_lsst: str = ""
    min_change: PositiveFraction = 0.05
    threshold: PositiveFraction = 0.5
    page: str = ""
