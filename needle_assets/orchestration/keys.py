"""How tables are named as assets, and the one set of partitions."""

import dagster as dg

OWNER = "team:needle"
LANDED = ("packets", "catalogue", "photometry", "hosts", "verdicts", "stamp_verdicts", "field_images", "tns", "dust")
PARTITIONS = "ztf_object"
OBJECTS = dg.DynamicPartitionsDefinition(name=PARTITIONS)


def asset_key(table: str) -> dg.AssetKey:
    """``core.masks`` -> core/masks."""
    return dg.AssetKey(table.split("."))
