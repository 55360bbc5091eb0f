"""The data card of an exported training set: what it is, from what, and where it ends, on the first page that people open."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

JD_OF_UNIX_EPOCH = 2440587.5


def data_card(manifest: Mapping[str, Any]) -> str:
    """Markdown, with the header by which Hugging Face ``datasets`` finds the tables."""
    return page("data_card.md.jinja").render(
        manifest=manifest,
        header=_header(manifest),
        nights=_nights(manifest["origins"]),
        settings=list(_told(manifest["settings"])),
    )


def page(name: str) -> Any:
    """A page of ``templates``, to be rendered."""
    pages = Environment(
        loader=PackageLoader("needle_assets.exports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, written from numbers and names of our own
    )
    return pages.get_template(name)


def _header(manifest: Mapping[str, Any]) -> str:
    lines = [f"license: {json.dumps(manifest['licence'])}"] if manifest["licence"] else []
    lines += ["configs:"]
    for name in manifest["tables"]:
        lines += [
            f"- config_name: {name}",
            f"  data_files: {name}/*.parquet",
            *(["  default: true"] if name == "objects" else []),
        ]
    return "\n".join(lines)


def _nights(origins: Mapping[str, Any]) -> tuple[str, str] | None:
    """First and last night of its packets [UTC]; None without packets."""
    if not origins["n_packets"]:
        return None
    days = [datetime.fromtimestamp((origins[name] - JD_OF_UNIX_EPOCH) * 86400, UTC) for name in ("first_jd", "last_jd")]
    return (f"{days[0]:%Y-%m-%d}", f"{days[1]:%Y-%m-%d}")


def _told(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every section of the settings with its values in one line."""
    plain = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    yield "general", json.dumps(plain)
    yield from ((name, json.dumps(value)) for name, value in settings.items() if isinstance(value, Mapping))
