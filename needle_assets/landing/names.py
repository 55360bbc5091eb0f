"""What a file of a landing folder is, from where it lies and its name; and what was expected of one that is not read."""

from typing import Literal

Kind = Literal[
    "catalogue",
    "packet",
    "archive",
    "photometry",
    "hosts",
    "verdicts",
    "stamp_verdicts",
    "field_images",
    "tns",
    "dust",
    "unknown",
]

CATALOGUE_NAME = "bts.csv"
ALERTS_FOLDER = "alerts"
FIELD_IMAGES_FOLDER = "field_images"

# Of several files of one kind the first is read.
KIND_OF_NAME: dict[str, Kind] = {
    CATALOGUE_NAME: "catalogue",
    f"{CATALOGUE_NAME}.gz": "catalogue",
    "photometry.parquet": "photometry",
    "photometry.csv": "photometry",
    "photometry.csv.gz": "photometry",
    "hosts.csv": "hosts",
    "hosts.csv.gz": "hosts",
    "hosts.parquet": "hosts",
    "verdicts.csv": "verdicts",
    "stamp_verdicts.csv": "stamp_verdicts",
    "tns_public_objects.csv": "tns",
    "tns_public_objects.csv.gz": "tns",
    "tns_public_objects.csv.zip": "tns",
}
PACKET_SUFFIXES = (".avro", ".avro.gz", ".avro.bz2", ".avro.xz")
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
FIELD_IMAGE_SUFFIXES = (".fits", ".fits.gz")
_UNFINISHED_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", "~")

# Schemas of packets that carry none.
SCHEMAS_FOLDER = "schemas"

# Two maps of the Milky Way's dust: with the first the second is looked at.
DUST_FOLDER = "dust"
DUST_NORTH, DUST_SOUTH = "SFD_dust_4096_ngp.fits", "SFD_dust_4096_sgp.fits"

# What systems leave behind, what explains a folder, and the truth that a simulation tells of itself: nobody takes them for data.
_OF_SYSTEMS = frozenset(("thumbs.db", "desktop.ini", "__macosx", "lost+found"))
_EXPLAINING = ("readme", "license", "copying", "changelog", "manifest")
_SILENT_FOLDERS = ("truth", SCHEMAS_FOLDER, DUST_FOLDER)

_READ_BELOW_ALERTS = "alert packets are .avro files (also .gz, .bz2, .xz), single or in .tar archives (also .gz, .bz2, .xz)"
_READ_AT_TOP = (
    "a landing folder holds bts.csv, the folder alerts/, and if you like photometry.parquet or photometry.csv, hosts.csv or "
    "hosts.parquet (the .csv also as .csv.gz), and tns_public_objects.csv (also .csv.zip)"
)
_INSTEAD = {
    ".json": "JSON is not read; fetch the packets as Avro, as ZTF sends them",
    ".zip": "zip archives are not read; unpack it, or make a .tar.gz of it",
    ".7z": "7z archives are not read; unpack it, or make a .tar.gz of it",
    ".rar": "rar archives are not read; unpack it, or make a .tar.gz of it",
    ".zst": "zstd is not read; unpack it, or make a .gz of it",
    ".lz4": "lz4 is not read; unpack it, or make a .gz of it",
}


def kind_of(path: str) -> Kind:
    """What a file is, from its path relative to the folder. Upper case counts as lower case."""
    if is_passed_over(path):
        return "unknown"
    lower = path.lower()
    folder, slash, _ = lower.partition("/")
    if not slash and lower in KIND_OF_NAME:
        return KIND_OF_NAME[lower]
    if folder == FIELD_IMAGES_FOLDER and lower.endswith(FIELD_IMAGE_SUFFIXES):
        return "field_images"
    if lower == f"{DUST_FOLDER}/{DUST_NORTH}".lower():
        return "dust"
    if slash and folder != ALERTS_FOLDER:
        return "unknown"
    if lower.endswith(PACKET_SUFFIXES):
        return "packet"
    return "archive" if lower.endswith(ARCHIVE_SUFFIXES) else "unknown"


def is_packet_name(name: str) -> bool:
    """Whether a member of an archive is named as a packet."""
    return name.lower().endswith(PACKET_SUFFIXES)


def is_passed_over(path: str) -> bool:
    """Whether nobody wants to be told of a file: hidden, unfinished, or left behind by a system (``._x``, ``__MACOSX``)."""
    lower = path.lower()
    return lower.endswith(_UNFINISHED_SUFFIXES) or any(
        (part.startswith(".") and part not in (".", "..")) or part in _OF_SYSTEMS or part.startswith("paxheader")
        for part in lower.split("/")
    )


def is_explaining(path: str) -> bool:
    """Whether a file explains a folder or an archive, as README does."""
    return path.lower().rpartition("/")[2].startswith(_EXPLAINING)


def why_not_read(path: str) -> str | None:
    """For an unknown file: what is read instead, as a sentence; None for one that nobody would take for data."""
    lower = path.lower()
    folder, slash, _ = lower.partition("/")
    if is_passed_over(path) or folder in _SILENT_FOLDERS or is_explaining(path):
        return None
    instead = next((text for suffix, text in _INSTEAD.items() if lower.endswith(suffix)), None)
    if instead and (not slash or folder == ALERTS_FOLDER):
        return f"{instead}."
    if folder == ALERTS_FOLDER:
        return f"not read: {_READ_BELOW_ALERTS}."
    if folder == FIELD_IMAGES_FOLDER:
        return f"not read: {FIELD_IMAGES_FOLDER}/ holds images of fields as OBJECT_BAND.fits, also .fits.gz."
    if slash:
        return f"not read: packets are read at the top and below {ALERTS_FOLDER}/, other files at the top; {_READ_AT_TOP}."
    return f"not read: {_READ_AT_TOP}."
