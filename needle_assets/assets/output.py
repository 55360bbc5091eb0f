"""What a stage returns. Kept apart so that science glue, warehouse and Dagster share it without importing one another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from needle_assets.errors import Rejection


@dataclass
class Product:
    """The rows one stage made for one object, and what it refused (each a :class:`Rejection`)."""

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
