"""The pipeline as data: every function it names is there, and can be found."""

import re

import pytest

from needle_assets.stages import STAGES, Stage, UnknownProductError, stage_named
from needle_assets.stages.__main__ import places
from needle_assets_tests.docs.pages import REPOSITORY

PICTURED = [stage for stage in STAGES if stage.picture is not None]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.table)
def test_the_function_of_every_stage_is_there_under_the_name_of_its_table(stage: Stage) -> None:
    assert stage.table.partition(".")[2] == stage.function().__name__
    assert callable(stage.function())


@pytest.mark.parametrize("stage", PICTURED, ids=lambda stage: stage.table)
def test_the_picture_of_every_stage_is_drawn_by_a_function_that_is_there(stage: Stage) -> None:
    assert stage.picture is not None
    assert stage.picture.function().__module__.startswith("needle_assets.assets.pictures")


def test_what_a_stage_reads_stands_before_it() -> None:
    for number, stage in enumerate(STAGES):
        later = {other.table for other in STAGES[number:]}
        assert not later & stage.reads.keys(), stage.table


def test_where_a_function_stands_is_told_as_file_and_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    told = list(places(["core/masks"]))
    path, line = re.fullmatch(r"(\S+):(\d+) core\.masks", told[0]).groups()
    assert (REPOSITORY / path).read_text(encoding="utf-8").splitlines()[int(line) - 1].startswith("def masks(")
    assert len(list(places([]))) == len(STAGES) + len(PICTURED)


def test_a_product_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownProductError, match=r"'core/mask' is no product; choose among raw\.alerts, .*core\.masks"):
        stage_named("core/mask")


def test_a_texts_letters_are_not_taken_for_column_names() -> None:
    with pytest.raises(TypeError, match=r"core\.x reads raw\.alerts as the text 'mjd'; a tuple of column names is needed"):
        Stage("core.x", "m:x", {"raw.alerts": "mjd"})
