"""A small landing folder and a home for it, made once and copied for every test that changes them."""

import shutil
from pathlib import Path

import fastavro
import polars as pl
import pytest

from needle_assets.cli.verbs import RefreshOptions, run_refresh
from needle_assets.home import Home
from needle_assets.simulation import simulate
from needle_assets.warehouse import exploring

N_OBJECTS = 6
MIX = {"SN": 0.4, "SLSN-I": 0.3, "TDE": 0.3}


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home]:
    """A simulated landing folder and a home refreshed from it. Nobody may change them."""
    folder = tmp_path_factory.mktemp("filled")
    simulate(folder / "landing", objects=N_OBJECTS, seed=3, mix=MIX, workers=1)
    home = Home(folder / "home").prepare()
    result = run_refresh(home, RefreshOptions(landing=folder / "landing", workers=1))
    assert not any(done["failed"] for done in result["assets"].values()), rows(
        home, "select measured from core.rejections limit 1"
    )
    return folder / "landing", home


@pytest.fixture
def own(filled: tuple[Path, Home], tmp_path: Path) -> tuple[Path, Home]:
    """A copy of the filled home and its landing folder that a test may change."""
    landing, home = filled
    shutil.copytree(landing, tmp_path / "landing", copy_function=shutil.copy2)
    shutil.copytree(home.path, tmp_path / "home", ignore=shutil.ignore_patterns("dagster"))
    copied = Home(tmp_path / "home").prepare()
    copied.remember_landing(tmp_path / "landing")
    return tmp_path / "landing", copied


def refreshed(home: Home, **options: object) -> dict[str, int]:
    """Refresh; how much each product computed, zeros left out."""
    result = run_refresh(home, RefreshOptions(workers=1, **options))
    return {name: done["computed"] for name, done in result["assets"].items() if done["computed"]}


def rows(home: Home, query: str) -> list[tuple[object, ...]]:
    """The answer of the published warehouse."""
    return exploring.ask(home.published, query)[1]


def n_objects(home: Home) -> int:
    """How many objects have data."""
    return int(str(rows(home, "select count(*) from lineage.objects")[0][0]))


def contents(home: Home) -> set[tuple[object, ...]]:
    """Everything that was computed and refused, without times and runs, as one set: subtract two to see what differs."""
    hashes = rows(home, "select asset, object_id, content_hash from lineage.contents where columns = '*'")
    refused = rows(home, "select stage, object_id, candid, reason, measured::varchar from core.rejections")
    return {*hashes, *refused}


def edit_catalogue(landing: Path, object_id: str, column: str, value: str) -> None:
    """Change one cell of bts.csv, as the survey does: the whole file is replaced."""
    frame = pl.read_csv(landing / "bts.csv", infer_schema=False)
    changed = frame.with_columns(
        pl.when(pl.col("ZTFID") == object_id).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )
    (landing / "bts.csv.part").write_text(changed.write_csv(), encoding="utf-8")
    (landing / "bts.csv.part").replace(landing / "bts.csv")


def send_again(packet: Path) -> None:
    """One more packet of the same object: the newest one with another id, an hour later."""
    with packet.open("rb") as handle:
        reader = fastavro.reader(handle)
        schema, record = reader.writer_schema, next(reader)
    record["candid"] = record["candidate"]["candid"] = record["candid"] + 7
    record["candidate"]["jd"] += 1.0 / 24.0
    with packet.with_name(f"{record['candid']}.avro").open("wb") as handle:
        fastavro.writer(handle, schema, [record])
