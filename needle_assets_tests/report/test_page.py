"""The page stands alone, says what is simulated and withheld, and every query runs on an empty and on a filled warehouse."""

import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from needle_assets.pipeline import run_stage
from needle_assets.pipeline import train as training
from needle_assets.report import processing
from needle_assets.report.page import SECTIONS, Warehouse, _matrix, _table_7, page, write_report
from needle_assets.report.pieces import Heading, Note, Piece, Table, rendered, table
from needle_assets.stages import stage_named
from needle_assets.warehouse import exploring, schema
from needle_assets.warehouse.connection import WarehouseError
from needle_assets_tests.assets.sample_frames import objects, session_of

QUERIES = sorted((schema.sql_folder() / "queries").glob("*.sql"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small warehouse with trained models, scores and metrics."""
    session = session_of(tmp_path_factory.mktemp("report"), objects())
    training.train_folds(session)
    for name in ("results.predictions", "results.metrics", "results.candidates"):
        run_stage.refresh_stage(session, stage_named(name), tell=lambda _told, _versions: None, run_id="test")
    session.publish()
    return session.home.published


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse without a row."""
    path = tmp_path_factory.mktemp("empty") / "needle.duckdb"
    with duckdb.connect(str(path)) as connection:
        schema.apply(connection)
    return path


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_every_query_answers_with_and_without_rows(query, published, empty):
    for path in (published, empty):
        exploring.ask(path, query.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def text(published: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the small warehouse."""
    return write_report(published, tmp_path_factory.mktemp("page")).read_text(encoding="utf-8")


def test_the_page_holds_every_section_and_needs_nothing_else(text):
    assert all(title.split(":")[0] in text for title, _ in SECTIONS)
    assert 'src="http' not in text
    assert "<script" not in text
    assert text.count("data:image/png;base64,") >= 5


def test_the_page_says_what_is_withheld_and_what_is_not_simulated(text):
    assert "only 4 TDE in the untouched set, 10 needed" in text
    assert "SIMULATED" not in text


PARTLY = {
    "one model has values": "delete from results.metrics where aggregate = 'std'",
    "no model has values": "update results.metrics set value = null, ci_low = null, ci_high = null, reason = 'no values'",
    "only the ensemble": "delete from results.metrics where aggregate <> 'ensemble'",
    "no validation": "delete from results.metrics where \"set\" = 'validation'",
    "no untouched set": "delete from results.metrics where \"set\" = 'untouched'",
    "no rare class": "delete from results.metrics where class in ('SLSN-I', 'TDE')",
    "no class at all": "delete from results.metrics where class is not null",
    "no curves": "delete from results.metrics where threshold is not null",
    "no metrics": "delete from results.metrics",
    "no scores": "delete from results.predictions",
    "no features": "delete from core.features",
    "no places": "delete from core.splits",
    "no models": "delete from results.fold_models",
    "attention without stamps": "update results.metrics set model_kind = 'TH', metric = 'attention_on_source' where metric = 'pr_area'",
    "two losses": "insert into results.metrics by name select * replace ('masked_upsampled_ce' as ablation) from results.metrics",
    "networks with images": "update results.metrics set model_kind = 'TH'",
}


@pytest.mark.parametrize("statement", PARTLY.values(), ids=PARTLY)
def test_a_warehouse_that_holds_a_part_makes_a_page_too(published, tmp_path, monkeypatch, statement):
    monkeypatch.setattr("needle_assets.report.page.picture", lambda _figure: Note("a picture"))
    path = Path(shutil.copy(published, tmp_path / "needle.duckdb"))
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    text = page(Warehouse.opened(path))
    assert all(title.split(":")[0] in text for title, _ in SECTIONS)
    assert "nan ±" not in text


def test_means_over_one_model_have_no_deviation_and_say_so(published, tmp_path):
    path = Path(shutil.copy(published, tmp_path / "needle.duckdb"))
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update results.metrics set model_kind = 'TH'; delete from results.metrics where aggregate = 'std'")
    ours = next(piece for piece in _table_7(Warehouse.opened(path)) if isinstance(piece, Table))
    assert str(ours.rows).count("(one model)") == 4


def test_a_class_without_objects_is_a_row_of_zeros_in_its_own_place():
    rows = pl.DataFrame({"true_class": ["TDE", "SN"], "as_sn": [1, 5], "as_slsn": [0, 2], "as_tde": [4, None]})
    assert _matrix(rows).tolist() == [[5, 2, 0], [0, 0, 0], [1, 0, 4]]


def test_a_page_about_simulated_objects_says_so_first(published, monkeypatch):
    monkeypatch.setattr("needle_assets.report.page.SECTIONS", SECTIONS[:1])
    text = page(Warehouse(published, n_objects=63, n_simulated=1))
    assert 0 < text.index("SIMULATED") < text.index("<h2>")


def test_an_empty_warehouse_still_makes_a_page_and_a_missing_one_says_what_to_do(empty, tmp_path):
    assert "Nothing of this in the warehouse yet." in write_report(empty, tmp_path).read_text(encoding="utf-8")
    with pytest.raises(WarehouseError, match="needle refresh"):
        write_report(tmp_path / "nowhere.duckdb", tmp_path)


MARKUP = "<script>alert('SN & co')</script>"


@pytest.mark.parametrize(
    "piece",
    [Note(MARKUP), Heading(MARKUP), table(pl.DataFrame({MARKUP: ["a"]})), table(pl.DataFrame({"name": [MARKUP]}), is_wide=True)],
)
def test_markup_in_a_name_is_shown_as_text(piece: Piece) -> None:
    text = rendered(sections=[("What came", [piece])], source="nobody", n_objects=1, n_simulated=0)
    assert "&lt;script&gt;alert(&#39;SN &amp; co&#39;)&lt;/script&gt;" in text
    assert "<script" not in text


def test_markup_in_a_title_or_a_source_is_shown_as_text() -> None:
    text = rendered(sections=[(MARKUP, [])], source=MARKUP, n_objects=1, n_simulated=0)
    assert (text.count("&lt;script&gt;"), text.count("<script")) == (3, 0), "source, contents and title"


def test_a_cell_is_a_dash_where_nothing_is_known_and_a_float_has_four_digits() -> None:
    shown = table(pl.DataFrame({"a": [None, 0.123456], "b": [123456.789, 2.0]}))
    assert shown.rows == [["–", "123456.8"], ["0.1235", "2"]]


@pytest.mark.parametrize("draw", [processing.features, processing.repairs, processing.masks, processing.resampled])
def test_pictures_of_the_processing_are_drawn_where_there_is_something_and_else_left_out(draw, filled, empty):
    drawn = [piece.kind for piece in draw(Warehouse.opened(filled[1].published))]
    assert drawn.count("picture") >= (0 if draw is processing.features else 1)
    assert list(draw(Warehouse.opened(empty))) == []
