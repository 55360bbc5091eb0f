"""The demonstration that every machine can run: a simulated survey, a warehouse refreshed from it, and where to look next."""

import os
import sys
import time
from pathlib import Path

from needle_assets.commands import RefreshOptions, run_refresh, run_simulate, run_sql
from needle_assets.home import REPOSITORY, Home
from needle_assets.warehouse.exploring import ask

N_OBJECTS = 300
SEED = 2026

QUESTIONS = {
    "What landed, by class": "select coalesce(label, 'none') as label, count(*) as objects, sum(n_packets)::int as packets, "
    "sum(n_detections)::int as detections, round(median(redshift), 3) as median_z from core.objects group by 1 order by 2 desc",
    "How each product went": "select asset as product, count(*) as computed, sum(n_rows)::int as n_rows, sum(n_rejected)::int as rejected "
    "from lineage.ledger group by 1 order by min(written_at)",
    "Why things were refused": "select stage, count(*) as refusals, any_value(reason) as example "
    "from core.rejections group by 1 order by 2 desc limit 6",
}


def main() -> None:
    """Simulate, refresh, and say in plain words what was made."""
    folder = Path(os.environ.get("NEEDLE_DEMO", REPOSITORY / "demo"))
    home = Home(folder / "home")
    started = time.monotonic()
    _say(f"1. Simulating a survey of {N_OBJECTS} objects (rare classes enriched: 15 % SLSN-I, 12 % TDE) in {folder / 'landing'}")
    made = run_simulate(folder / "landing", objects=N_OBJECTS, seed=SEED, nights=None, mix="demo", workers=2, show=True)
    _say(
        f"   {made['packets']} packets and {made['detections']} detections of {made['objects']} objects. Everything here is SIMULATED."
    )
    _say(f"2. Refreshing the warehouse in {home.path}")
    result = run_refresh(home, RefreshOptions(landing=folder / "landing", preset="demo"), show=True)
    _say(f"   {result['objects']} objects through {len(result['assets'])} products in {result['seconds']:.0f} s.")
    for title, query in QUESTIONS.items():
        _say(f"\n{title}\n{run_sql(home.published, query)}")
    pictures = _pictures(home, folder / "pictures")
    _say(f"\nDone in {time.monotonic() - started:.0f} s. Where to look next, all of it simulated:")
    _say(f"  pictures     {', '.join(str(path) for path in pictures)}")
    _say(f"  SQL          NEEDLE_HOME={home.path} .venv/bin/needle sql")
    _say(f"  the UI       NEEDLE_HOME={home.path} .venv/bin/needle ui     (then open http://127.0.0.1:3000)")
    _say(f"  the truth    {folder / 'landing' / 'truth'}")


def _pictures(home: Home, folder: Path) -> list[Path]:
    """Stamps of the object with most packets, drawn from the published warehouse."""
    from needle_assets.assets import pictures
    from needle_assets.warehouse.exploring import frame

    folder.mkdir(parents=True, exist_ok=True)
    chosen = ask(home.published, "select ztf_id from core.stamps group by 1 order by count(*) desc, 1 limit 1")[1][0][0]
    figure = pictures.stamps({"core.stamps": frame(home.published, f"from core.stamps where ztf_id = '{chosen}'")})
    path = folder / f"stamps_{chosen}.png"
    figure.savefig(path, dpi=120)
    return [path]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
