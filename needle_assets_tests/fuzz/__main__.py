"""``python -m needle_assets_tests.fuzz [CASES] [SEED]``: a table of what becomes of bad input, by kind."""

import sys
import tempfile
from pathlib import Path

from needle_assets_tests.fuzz.running import KINDS, as_table, run_kind, sound_packets, survey_from_environment

n_cases, seed = (int(text) for text in (*sys.argv[1:3], *("500", "1")[len(sys.argv) - 1 :]))
sound = sound_packets(survey_from_environment())
tallies = []
for kind in KINDS:
    with tempfile.TemporaryDirectory() as folder:
        tallies.append(run_kind(kind, n_cases, seed, Path(folder), sound))
print(as_table(tallies))
for crash in [crash for tally in tallies for crash in tally.crashes[:2]]:
    print(crash)
sys.exit(any(tally.crashes for tally in tallies))
