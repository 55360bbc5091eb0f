"""A small made-up training set: frames as the stages above would have stored them."""

from pathlib import Path

import numpy as np
import polars as pl

from needle_assets.home import Home
from needle_assets.light_curves.features import HOSTED_FEATURES
from needle_assets.pipeline.session import Session
from needle_assets.settings import Settings, SplitSettings, SyntheticSettings, TrainingSettings
from needle_assets.stages import STAGES
from needle_assets.warehouse.connection import writing
from needle_assets_tests.ztf import splits

COUNTS = {"SN": 30, "SLSN-I": 12, "TDE": 9}
MJD = {"training": 58500.0, "untouched": 60500.0}
SETTINGS = Settings(
    splits=SplitSettings(n_folds=3),
    synthetic=SyntheticSettings(n_per_class=4),
    training=TrainingSettings(epochs=2, learning_rate=3e-3, device="cpu", ablations=("metadata",), feature_weights="none"),
)
LISTS = {"validation_of": pl.List(pl.Int32), "other_ids": pl.List(pl.String)}
OBJECT_COLUMNS = "is_duration_lower_limit, is_rise_lower_limit, is_fade_lower_limit"


def objects(counts: dict[str, int] = COUNTS, n_untouched: int = 4) -> pl.DataFrame:
    """One row per object: id, label, features that differ by class; every third hostless, the last few untouched."""
    rng = np.random.default_rng(5)
    rows = []
    for label, n in counts.items():
        for k in range(n + n_untouched):
            place = list(counts).index(label)
            features = rng.normal(size=len(HOSTED_FEATURES)) + 2.0 * place * (np.arange(len(HOSTED_FEATURES)) < 4)
            rows.append(
                {
                    "object_id": f"ZTF18{'abc'[place]}{'abcdefghij'[k // 26]}{chr(97 + k % 26)}aaaa",
                    "label": label,
                    "is_hosted": k % 3 != 0,
                    "redshift": 0.1 + 0.002 * k,
                    "first_mjd": MJD["untouched" if k >= n else "training"],
                    **dict(zip(HOSTED_FEATURES, features.tolist(), strict=True)),
                }
            )
    return pl.DataFrame(rows)


def split_frames(frame: pl.DataFrame, before: pl.DataFrame | None = None) -> dict[str, pl.DataFrame]:
    """What core.splits reads."""
    empty = pl.DataFrame(
        schema={"object_id": pl.String, "is_untouched": pl.Boolean, "validation_of": pl.List(pl.Int32), "rule": pl.String}
    )
    nowhere = pl.lit(None, pl.Float64)
    return {
        "raw.objects": frame.select(
            "object_id", "label", "redshift", iau_name=pl.lit(None, pl.String), ra_deg=nowhere, dec_deg=nowhere
        ),
        "core.epochs": frame.select("object_id", "first_mjd", n_rising_g=pl.lit(2), n_rising_r=pl.lit(1)),
        "core.hosts": frame.select("object_id", "is_hosted"),
        "core.masked_stamps": frame.select("object_id", candid=pl.lit(1)).clear(),
        "core.detections": frame.select("object_id", source=pl.lit("alert")),
        "core.splits": empty if before is None else before,
    }


def split_rows(frame: pl.DataFrame, settings: Settings = SETTINGS, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """core.splits of a made-up training set."""
    return pl.DataFrame(splits(split_frames(frame, before), settings).rows, schema_overrides=LISTS)


def opened(folder: Path, settings: Settings = SETTINGS) -> Session:
    """A session whose pipeline begins at the predictions."""
    stages = [stage for stage in STAGES if stage.table in ("results.predictions", "results.metrics", "results.candidates")]
    return Session(Home(folder).prepare(), settings, workers=1, stages=stages).open()


def session_of(folder: Path, frame: pl.DataFrame, settings: Settings = SETTINGS) -> Session:
    """The same in a home that holds the made-up frames."""
    session = opened(folder, settings)
    store(session, frame, split_rows(frame, settings))
    return session


def store(session: Session, frame: pl.DataFrame, splits_now: pl.DataFrame) -> None:
    """Put the made-up frames into the home, in place of what was there."""
    features = frame.select(
        "object_id",
        *HOSTED_FEATURES,
        as_of_mjd=pl.lit(58520.0),
        bands=pl.lit("g,r"),
        features_from=pl.lit("detections"),
        n_det_g=pl.lit(2),
        n_det_r=pl.lit(1),
        **{name: pl.lit(value=True) for name in ("has_g", "has_r", "has_host", "has_redshift", "has_mw_correction")},
    )
    with writing(session.home.working) as connection:
        for table, rows in (("core.features", features), ("core.splits", splits_now)):
            connection.register("made", rows.to_arrow())
            connection.execute(f"delete from {table}")
            connection.execute(f"insert into {table} by name select * from made")
            connection.unregister("made")
            connection.execute("delete from lineage.contents where asset = ?", [table])
            columns = {key for stage in session.stages for key in [",".join(sorted(stage.reads.get(table, ("*",))))]} | {"*"}
            for names in columns:
                connection.execute(
                    "insert into lineage.contents select ?, ?, object_id, md5(string_agg(h, '')) from "
                    f"(select object_id, hash(row({'*columns(*)' if names == '*' else names}))::varchar as h "
                    f"from {table}) group by object_id",
                    [table, names],
                )
        connection.execute("delete from lineage.objects")
        connection.execute("insert into lineage.objects select object_id, 'ztf', now()::timestamp from core.features")
