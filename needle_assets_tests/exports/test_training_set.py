"""An exported training set: complete, the same bytes each time, opened by others' tools, described as Croissant asks."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from needle_assets.exports import training_set
from needle_assets.exports.folder import ExportError, require_whole
from needle_assets.exports.training_set import export_training_set
from needle_assets.home import Home
from needle_assets.warehouse.results.exported import TABLES
from needle_assets_tests.folders import rows

# What is asked of data sets by others, in an environment of its own: both bring pandas, which DuckDB would import.
READERS = ("mlcroissant==1.1.1", "datasets==5.2.0")
READ = """
import sys, datasets, mlcroissant
found = mlcroissant.Dataset(sys.argv[1] + "/croissant.json")
assert not found.metadata.ctx.issues.errors, found.metadata.ctx.issues.report()
first = next(iter(found.records("stamps")))
stamps = datasets.load_dataset(sys.argv[1], "stamps", cache_dir=sys.argv[2])["train"]
assert first["stamps/object_id"].decode() == stamps[0]["object_id"]
assert len(first["stamps/science"]) == len(stamps[0]["science"]) == 3600
"""


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_of_the_same_is_the_same_bytes_and_takes_the_place_of_the_one_before(exported, filled, tmp_path):
    for _ in range(2):
        export_training_set(filled[1].published, filled[1].settings(), tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(exported)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_every_labelled_object_leaves_with_its_label_the_source_of_it_and_its_fold(exported, filled):
    asked = "select object_id, o.label, o.label_source, fold, is_untouched from core.splits join raw.objects o using (object_id)"
    columns = ["object_id", "label", "label_source", "fold", "is_untouched"]
    assert set(pl.read_parquet(exported / "objects" / "*.parquet", columns=columns).rows()) == set(rows(filled[1], asked))


def test_duckdb_and_polars_open_every_table_and_count_the_same(exported):
    told = {name: table["n_rows"] for name, table in json.loads((exported / "manifest.json").read_text())["tables"].items()}
    counted = {name: duckdb.sql(f"select count(*) from '{exported}/{name}/*.parquet'").fetchone()[0] for name in TABLES}
    assert counted == told == {name: len(pl.read_parquet(exported / name / "*.parquet")) for name in TABLES}
    assert counted["stamps"] > 0
    assert counted["packets"] > counted["objects"] > 0


def test_pixels_leave_as_they_are_stored(exported, filled):
    stored = dict(
        rows(filled[1], "select object_id, science::varchar from core.masked_stamps semi join core.splits using (object_id)")
    )
    read = duckdb.sql(f"select object_id, science::varchar from '{exported}/stamps/*.parquet'").fetchall()
    assert dict(read) == stored


def test_large_tables_become_files_of_equally_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(training_set, "ROWS_PER_SHARD_ELSE", 4)
    monkeypatch.setattr(training_set, "ROWS_PER_GROUP_ELSE", 2)
    numbers = pa.table({"n": range(9)})
    for batch_size in (1, 3, 9):
        reader = pa.RecordBatchReader.from_batches(numbers.schema, numbers.to_batches(max_chunksize=batch_size))
        written = list(training_set._shards(reader, f"by {batch_size}", tmp_path))
        assert [file["n_rows"] for file in written] == [4, 4, 1]
        assert pq.read_table(tmp_path / f"by {batch_size}").equals(numbers)


def test_a_file_that_was_changed_is_named(exported, tmp_path):
    for name, content in files_of(exported).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert require_whole(tmp_path, "training set")["training_set_id"]
    (tmp_path / "features" / "part-00000.parquet").write_bytes(b"other")
    with pytest.raises(ExportError, match=r"features/part-00000.parquet is missing or was changed since it was exported"):
        require_whole(tmp_path, "training set")


def test_a_folder_of_something_else_is_left_alone(filled, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="holds something that is no exported training set"):
        export_training_set(filled[1].published, filled[1].settings(), tmp_path)
    assert files_of(tmp_path) == {"thesis.tex": b"years of work"}


def test_the_data_card_says_what_from_what_and_what_it_is_not(exported, filled):
    card = (exported / "README.md").read_text()
    n_packets = rows(filled[1], "select count(*) from raw.alerts semi join core.splits using (object_id)")[0][0]
    for part in (
        f"{n_packets} alert packets of ",
        "SIMULATED",
        "To be filled in",
        "Untouched objects",
        "`core.features` ",
        '"seed": 42',
    ):
        assert part in card, part


def test_a_licence_stands_in_card_manifest_and_croissant(filled, tmp_path):
    export_training_set(filled[1].published, filled[1].settings(), tmp_path / "set", "CC-BY-4.0")
    assert '\nlicense: "CC-BY-4.0"\n' in (tmp_path / "set" / "README.md").read_text()
    assert json.loads((tmp_path / "set" / "croissant.json").read_text())["license"] == "CC-BY-4.0"


def test_croissant_names_every_file_with_its_checksum_and_explains_every_column(exported):
    told = json.loads((exported / "croissant.json").read_text())
    sums = dict(reversed(line.split("  ")) for line in (exported / "SHA256SUMS").read_text().splitlines())
    files = {file["contentUrl"]: file["sha256"] for file in told["distribution"] if file["@type"] == "cr:FileObject"}
    assert files == {path: digest for path, digest in sums.items() if path.endswith(".parquet")}
    for records in told["recordSet"]:
        names = [field["source"]["extract"]["column"] for field in records["field"]]
        assert names == pq.read_schema(exported / records["name"] / "part-00000.parquet").names
        assert all(field["description"] != name for field, name in zip(records["field"], names, strict=True))


@pytest.mark.slow
def test_mlcroissant_and_hugging_face_datasets_read_it(exported, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *READERS], check=True)
    done = subprocess.run(
        [python, "-c", READ, str(exported), str(tmp_path / "cache")],
        env={"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_home_without_labelled_objects_says_what_to_do(own, tmp_path):
    home: Home = own[1]
    home.published.chmod(0o644)
    with duckdb.connect(str(home.published)) as connection:
        connection.execute("delete from core.splits")
    with pytest.raises(ExportError, match="holds no labelled objects; run `needle refresh` first"):
        export_training_set(home.published, home.settings(), tmp_path / "set")
    assert not (tmp_path / "set").exists()
