"""A home whose tables lie in a lake: the same rows, checks and refusals as in a file."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from needle_assets.errors import WarehouseError
from needle_assets.home import Home, place_of
from needle_assets.settings import SettingsError
from needle_assets.stages import STAGES
from needle_assets.warehouse import exploring, ledger, rows, schema
from needle_assets.warehouse.connection import is_published, reading, version_of, writing
from needle_assets.warehouse.copies import backups, publish
from needle_assets.warehouse.lake.tables import lake_statement, pixel_columns

LAKE = '[warehouse]\ncatalogue = "sqlite:catalogue.sqlite"\ndata = "rows"\n'
STAMPS = next(stage for stage in STAGES if stage.table == "core.stamps")


def home_of(path, settings=LAKE):
    path.mkdir(exist_ok=True)
    (path / "settings.toml").write_text(settings)
    return Home(path).prepare()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = home_of(tmp_path_factory.mktemp("lake") / "home")
    with writing(made.working) as connection:
        schema.apply(connection)
    publish.publish(made.working, made.published, backups=made.backups)
    return made


def stamp(candid, band="g"):
    pixels = np.arange(3600, dtype=np.float32)
    pixels[7] = np.nan
    return {"object_id": "ZTF18aaaaaaa", "candid": candid, "band": band, "mjd": 59000.0 + candid, "science": pixels} | {
        "target_x_px": 29.5,
        "target_y_px": 29.5,
    }


def stored(connection, *given, table="core.stamps", stage=STAMPS):
    batch = rows.Batch(
        stage,
        schema.primary_key(schema.described(table).create),
        ["ZTF18aaaaaaa"],
        rows.to_arrow(given, rows.arrow_schema(connection, table)),
        [],
        {"ZTF18aaaaaaa": ledger.Plan("f", "")},
        "{}",
        rows.Writer("run", "run", None),
        "write",
    )
    return rows.store(connection, batch, STAGES)


def test_a_lake_has_every_table_view_and_comment(home):
    tables, views = schema.read_tables(), [path.stem for path in (schema.sql_folder() / "views").glob("*.sql")]
    with writing(home.working) as connection:
        assert schema.is_current(connection)
        assert {name: schema.columns_of(connection, name) for name in tables} == {
            n: schema.column_names(t) for n, t in tables.items()
        }
        assert all(schema.columns_of(connection, name) for name in views)
        told = connection.execute(
            "select count(*) from duckdb_columns() where database_name = 'needle' and comment is null and "
            "table_name = 'stamps' and schema_name = 'core'"
        )
        assert told.fetchone() == (0,)


def test_images_are_lists_in_a_lake_and_arrays_where_they_are_read_with_the_same_hash(home, tmp_path):
    versions = []
    for working in (home.working, tmp_path / "file.duckdb"):
        with writing(working) as connection:
            schema.apply(connection)
            versions += [written.data_version for written in stored(connection, stamp(1), stamp(2))]
            frames = rows.load(connection, {"core.stamps": ("*",)}, schema.read_tables(), ["ZTF18aaaaaaa"], {})
            assert frames["core.stamps"]["science"].dtype.shape == (3600,)
            assert np.isnan(frames["core.stamps"]["science"].to_numpy()).sum() == 2
    assert versions[0] == versions[1]


def test_rows_are_replaced_and_not_doubled(home):
    with writing(home.working) as connection:
        stored(connection, stamp(1), stamp(2), stamp(3))
        stored(connection, stamp(2))
        assert connection.execute("select list(candid) from core.stamps").fetchone() == ([2],)


def test_checks_fire_though_a_lake_has_none(home):
    masks = next(stage for stage in STAGES if stage.table == "core.epochs")
    row = {"object_id": "ZTF18aaaaaaa", "n_rising_g": -1, "n_rising_r": 0}
    with writing(home.working) as connection:
        schema_of = rows.arrow_schema(connection, "core.epochs")
        filled = {f.name: 59000.0 if pa.types.is_floating(f.type) else "g" for f in schema_of if not f.name.startswith("n_")}
        with pytest.raises(duckdb.ConstraintException, match="CHECK constraint failed"):
            stored(connection, {**filled, **row}, table="core.epochs", stage=masks)
        assert connection.execute("select count(*) from core.epochs").fetchone() == (0,)


@pytest.mark.parametrize("name", sorted(schema.read_tables()))
def test_every_statement_loses_what_a_lake_cannot_keep_and_nothing_else(name):
    statement = schema.read_tables()[name].statement
    bare = lake_statement(statement)
    assert not any(word in bare.lower() for word in ("check", "unique", "default", "[3600]"))
    names = [schema.column_names(schema.Table(name, text, "")) for text in (statement, bare)]
    assert names[0] == names[1]
    assert set(pixel_columns(statement)) <= set(names[0])


def test_readers_see_what_was_published_last_and_nothing_newer(home):
    with writing(home.working) as connection:
        stored(connection, stamp(1))
    publish.publish(home.working, home.published, backups=home.backups)
    before = version_of(home.published)
    with writing(home.working) as connection:
        stored(connection, stamp(1), stamp(2))
    assert exploring.ask(home.published, "select count(*) from core.stamps")[1] == [(1,)]
    assert publish.publish(home.working, home.published, backups=home.backups)
    assert not publish.publish(home.working, home.published, backups=home.backups)
    assert exploring.ask(home.published, "select count(*) from core.stamps")[1] == [(2,)]
    assert int(version_of(home.published)) > int(before)
    assert not home.published.exists()


@pytest.mark.parametrize(
    "query",
    [
        "delete from core.stamps",
        "copy (select 1) to '{data}x.csv'",
        "explain analyze copy (select 1) to '{data}x.csv'",
        "select * from read_text('{data}../settings.toml')",
        "select * from read_csv('/etc/passwd')",
        "attach '{data}../other.duckdb'",
        "set enable_external_access = true",
        "call needle.set_option('parquet_compression', 'snappy')",
        "delete from __ducklake_metadata_needle.ducklake_snapshot",
    ],
)
def test_a_reader_changes_nothing_and_reaches_nothing_else(home, query):
    with pytest.raises(exploring.QueryError):
        exploring.ask(home.published, query.format(data=place_of(home)["data"]))


def test_a_home_keeps_its_place_until_it_is_copied(home, tmp_path):
    (home.path / "settings.toml").write_text("")
    with pytest.raises(SettingsError, match="needle warehouse copy"):
        home.settings()
    (home.path / "settings.toml").write_text(LAKE)
    assert home.settings().warehouse.data == "rows"
    plain = Home(tmp_path / "plain").prepare()
    with writing(plain.working) as connection:
        schema.apply(connection)
    (plain.path / "settings.toml").write_text(LAKE)
    with pytest.raises(SettingsError, match="keeps its tables in one file"):
        plain.settings()


@pytest.mark.parametrize(
    ("catalogue", "data", "said"),
    [
        ("postgres:dbname=x password=secret", "rows", "hold no password"),
        ("postgres:postgresql://me:secret@db/x", "rows", "hold no password"),
        ("postgres:dbname=x", "s3://key:secret@bucket", "hold no key"),
        ("mysql:x", "rows", "postgres: or sqlite:"),
        ("sqlite:x", "https://bucket", "begins with s3://"),
        ("sqlite:x", "", "belong together"),
    ],
)
def test_settings_hold_no_credentials_and_no_unknown_places(tmp_path, catalogue, data, said):
    with pytest.raises(SettingsError, match=said) as refused:
        home_of(tmp_path, f'[warehouse]\ncatalogue = "{catalogue}"\ndata = "{data}"\n').settings()
    assert said.startswith("hold") or "secret" not in str(refused.value)


def test_a_lake_that_lost_its_tables_does_not_begin_anew(home, tmp_path):
    emptied = home_of(tmp_path / "home")
    backups.require_working(emptied.working, emptied.published, emptied.backups)
    (emptied.state / "lake-filled").touch()
    with pytest.raises(WarehouseError, match="holds none now"):
        backups.require_working(emptied.working, emptied.published, emptied.backups)
    backups.require_working(emptied.working, emptied.published, emptied.backups, accept_loss=True)


def test_a_catalogue_that_does_not_answer_is_one_sentence(tmp_path):
    lost = home_of(tmp_path, '[warehouse]\ncatalogue = "postgres:dbname=x host=/nowhere"\ndata = "rows"\n')
    with pytest.raises(WarehouseError, match="cannot be used"), writing(lost.working):
        pass
    with pytest.raises(WarehouseError, match="cannot be used"):
        is_published(lost.published)


def test_a_lake_is_not_restored_from_a_file(home, tmp_path):
    with pytest.raises(WarehouseError, match="backups of its catalogue"):
        backups.restore(tmp_path / "x.duckdb", home.working, home.published, home.backups)


def test_a_file_that_is_no_homes_is_a_file_beside_a_lake(home):
    with pytest.raises(WarehouseError, match="does not exist yet"), reading(home.path / "other.duckdb"):
        pass
