"""Croissant: what a data set holds, as JSON-LD that search engines and loaders of data sets read (version 1.0 of mlcommons.org)."""

from collections.abc import Mapping
from typing import Any

NAMESPACES = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
PARQUET = "application/x-parquet"
TO_FILL_IN = "to be filled in"


def croissant(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The description of an exported training set, from its manifest: its files, and a set of records for each table."""
    return {
        "@context": NAMESPACES,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"needle-training-set-{manifest['training_set_id'][:12]}",
        "version": "1.0.0",
        "description": (
            "Light curves, features and stamps of labelled transients, with folds, an untouched set and synthetic samples"
            f"{'; SIMULATED objects' if manifest['is_simulated'] else ''}."
        ),
        "citeAs": f"needle_assets training set {manifest['training_set_id']}",
        "license": manifest["licence"] or TO_FILL_IN,
        "url": f"urn:needle-training-set:{manifest['training_set_id']}",
        "distribution": [file for name, table in manifest["tables"].items() for file in _files(name, table)],
        "recordSet": [_records(name, table) for name, table in manifest["tables"].items()],
    }


def _files(name: str, table: Mapping[str, Any]) -> list[dict[str, Any]]:
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": file["path"],
            "name": file["path"],
            "contentUrl": file["path"],
            "encodingFormat": PARQUET,
            "sha256": file["sha256"],
            "contentSize": f"{file['n_bytes']} B",
        }
        for file in table["files"]
    ]
    together = {"@type": "cr:FileSet", "@id": f"{name}-files", "name": f"{name}-files", "encodingFormat": PARQUET}
    return [*objects, {**together, "includes": f"{name}/*.parquet"}]


def _records(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    fields = [_field(name, column) for column in table["columns"]]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": table["what"], "field": fields}


def _field(table: str, column: Mapping[str, str]) -> dict[str, Any]:
    source = {"fileSet": {"@id": f"{table}-files"}, "extract": {"column": column["name"]}}
    identity = f"{table}/{column['name']}"
    described = {"@type": "cr:Field", "@id": identity, "name": identity, "description": column["what"] or column["name"]}
    repeated = {"repeated": True} if "list" in column["type"] else {}
    return {**described, "dataType": _type(column["type"]), **repeated, "source": source}


def _type(arrow: str) -> str:
    """What Croissant calls a type of Arrow's; of a list that of its items."""
    known = {"bool": "sc:Boolean", "int": "sc:Integer", "double": "sc:Float", "float": "sc:Float", "timestamp": "sc:DateTime"}
    item = arrow.rpartition("item: ")[2] if "list" in arrow else arrow.rpartition("<")[2]
    return next((found for name, found in known.items() if item.startswith(name)), "sc:Text")
