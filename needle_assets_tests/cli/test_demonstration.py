"""The demonstration, with few objects and without its trainings, which other tests do: it says that all is simulated, and where to look."""

from pathlib import Path

import pytest

from needle_assets.cli import demonstration


@pytest.mark.slow
def test_it_ends_with_tables_a_picture_a_report_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEEDLE_DEMO", str(tmp_path))
    monkeypatch.setattr(demonstration, "N_OBJECTS", 12)
    monkeypatch.setattr("needle_assets.orchestration.records.pictures.OBJECTS_PER_RUN", 0)
    monkeypatch.setattr(demonstration, "run_train_quality", lambda *_a, **_k: {"not_trained": "", "not_chosen": ""})
    monkeypatch.setattr(demonstration, "run_train", lambda *_a, **_k: {"trained": 0, "up_to_date": 0})
    demonstration.main()
    said = capsys.readouterr().out
    assert said.startswith("Everything in this demonstration is SIMULATED")
    assert all(title in said for title in ("What landed, by class", "Why things were refused", "How well rare classes are found"))
    for path in ("report/demo_stamps.png", "landing/truth"):
        assert str(tmp_path / path) in said
        assert (tmp_path / path).exists()
    assert f"NEEDLE_HOME={tmp_path / 'home'} .venv/bin/needle sql" in said
    assert "Done in" in said
