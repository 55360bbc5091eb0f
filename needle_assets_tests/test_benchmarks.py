"""Every script of ``make bench`` runs, here with next to nothing to measure."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SMALL = {
    "refresh": "--first 4 --among 8",
    "orchestration": "--objects 12 --packets 2",
    "events": "--objects 20 --stock-objects 5",
    "explore": "--objects 40 --models 8 --people 20 --rounds 1",
    "images": "--pairs 6 --stamps 12 --no-network",
    "images_truth": "--objects 6",
    "light_curves": "--single 5 --simulated 8",
    "simulation": "--objects 6",
    "training": "--samples 16 --rounds 1",
    "lake": "{folder}/lake --rows 4 --batches 4",
    "exports": "--objects 30 --rounds 1 --folder {folder}",
}


def run(script: str, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "NEEDLE_TEST_SURVEY"}
    command = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), *arguments]
    done = subprocess.run(command, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_scripts_of_make_bench_are_tried():
    asked = re.search(r"for script in ([\w ]+);", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert asked[1].split() == list(SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("script", SMALL)
def test_a_benchmark_prints_what_it_measured(script, tmp_path):
    assert run(script, *SMALL[script].format(folder=tmp_path).split())


@pytest.mark.slow
def test_light_curves_are_measured_on_a_landing_folder_too(filled):
    assert "landed" in run("light_curves", str(filled[0]), "--single", "2", "--simulated", "4")


def test_purity_at_a_completeness_is_that_of_the_published_mix(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    purity_at = importlib.import_module("beside_others").purity_at
    p, is_rare = np.array([0.9, 0.8, 0.7, 0.7, 0.1]), np.array([True, False, True, False, False])
    assert purity_at(p, is_rare, np.ones(5), completeness=0.5, share=0.4) == 1.0
    # Both rare ones at 0.7, where two of three others are called too: at equal shares 1 of 1 + 2/3.
    assert purity_at(p, is_rare, np.ones(5), completeness=1.0, share=0.5) == pytest.approx(0.6)
    assert purity_at(p, is_rare, np.array([1, 0, 1, 1, 1]), completeness=1.0, share=0.5) == pytest.approx(1 / 1.5)
