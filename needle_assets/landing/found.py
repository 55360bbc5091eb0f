"""What was found in one landed file: packets, refusals, and sentences on what is not read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from needle_assets.errors import Rejection
from needle_assets.landing.field_images import FoundImage
from needle_assets.landing.folder import LandingFile


@dataclass(frozen=True)
class FoundPacket:
    """A readable packet: where it lies and what it is."""

    path: str
    member: str
    object_id: str
    candid: int
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class FileReport:
    """
    What was found in one file.

    ``notices`` are sentences to tell that are no refusals: columns or a file that is not read. Of a snapshot, ``held`` counts the
    rows and the values of each column, ``rows_of`` the rows of each object, ``forced_of`` is the hash of its forced photometry where it
    has any, and ``is_readable`` is False if it could not be read as a whole.
    """

    file: LandingFile
    packets: list[FoundPacket] = field(default_factory=list)
    images: list[FoundImage] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    held: Mapping[str, int] = field(default_factory=dict)
    rows_of: Mapping[str, int] = field(default_factory=dict)
    forced_of: Mapping[str, str] = field(default_factory=dict)
    is_readable: bool = True

    @property
    def is_vanished(self) -> bool:
        """Whether a file that was read before is not there any more."""
        return self.file.mtime_ns == 0
