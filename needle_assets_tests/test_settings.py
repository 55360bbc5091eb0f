"""Settings: what a home's settings.toml may say, and with which sentence anything else is refused."""

import pickle
import string
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given
from hypothesis import strategies as st

from needle_assets.samples.ablations import ABLATIONS
from needle_assets.settings import PRESETS, SettingsError, preset_settings, read_settings
from needle_assets.settings.limits import is_cron

NONSENSE = {
    "splits": [
        *("n_folds = 0", "n_folds = -3", "n_folds = true", "n_folds = 3.0", 'n_folds = "3"', "n_folds = 10000"),
        *("untouched_ids = [1, 2]", 'untouched_ids = [""]', 'untouched_ids = "ZTF18abcdefg"', "untouched_ids = [[]]"),
        *('untouched_from = "2024-02-30"', 'untouched_from = "20240225"', "untouched_from = 2024-02-25", 'untouched_from = ""'),
        *('untouched_from = "2026-01-01"', 'scheme = "fold"', "holdout_fraction = 1.0", "holdout_fraction = nan", "deal = 0"),
    ],
    "schedule": [
        *('cron = "nonsense"', 'cron = ""', 'cron = "0 25 * * *"', 'cron = "0 0 30 2 *"', 'cron = "* * * * * *"'),
        *('timezone = "Mars/Olympus"', 'timezone = ""', 'sources = ["mars"]', 'sources = "bts"', "landing_check_seconds = 0"),
        'sources = ["bts", "bts"]',
    ],
    "gaussian_process": [
        *("usable_length_scale_days = [500.0, 2.0]", "usable_length_scale_days = [2.0]", "usable_length_scale_days = [1, 2, 3]"),
        *("max_chi2 = inf", "max_chi2 = -1.0", 'background = "median"', "is_error_scale_fitted = 1", "min_rising_points = -1"),
    ],
    "training": [
        *("focal_alpha = [0.1, 0.2]", "focal_alpha = [0.1, 0.2, inf]", 'ablations = ["maskd"]', "ablations = []", "epochs = 0"),
        *("learning_rate = 0", "learning_rate = 1e-9", "seed = -1", 'device = "gpu"', "balanced_draws = -1"),
        *('ablations = ["trees", "trees"]', 'deployed = ["trees", "trees"]'),
    ],
    "hosts": ["largest_p_chance = 1.5", "largest_p_chance = -0.1", "star_score = nan", "star_score = true"],
    "synthetic": ['classes = ["SN Ia"]', 'classes = ["TDE", "TDE"]', "n_per_class = -1", "jitter_days = -0.5"],
    "restoration": ["transient_radius_px = 6.0", "max_mismatch_fraction = 2", 'method = ""'],
    "fetch": ["first_wait_seconds = 400.0", "tries = 0", 'lasair_tables = ""', 'bts = "https://example.org"'],
    "fetch.fink": [
        'url = "ftp://example.org"',
        'url = "https://["',
        'url = "https://x:99999/"',
        'url = ""',
        "batch = 0",
        "interval_seconds = -1",
        "max_requests = 0",
    ],
    "identities": ["radius_arcsec = 1e9", "radius_arcsec = 0"],
    "detections": ["min_signal_to_noise = 1e9"],
    "early": ["days_after_discovery = [1, 1.0]"],
    "quality": ["sentinels = [nan]", 'sentinels = ["-999"]', "good_threshold = 2.0"],
}
EACH = [(section, line) for section, lines in NONSENSE.items() for line in lines]


def written(folder: Path, text: str) -> Path:
    """A settings file."""
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    return folder / "settings.toml"


@pytest.mark.parametrize(("section", "line"), EACH, ids=[f"{section}: {line}" for section, line in EACH])
def test_nonsense_is_refused_with_file_section_and_setting(tmp_path: Path, section: str, line: str) -> None:
    path = written(tmp_path, f"[{section}]\n{line}\n")
    with pytest.raises(SettingsError) as refused:
        read_settings(path)
    assert all(word in str(refused.value) for word in (str(path), section, line.split(" = ")[0]))
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_the_message_names_value_and_limit(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"section \[splits\]: n_folds = 0; it must be greater than or equal to 2\."):
        read_settings(written(tmp_path, "[splits]\nn_folds = 0\n"))
    with pytest.raises(SettingsError, match=r"untouched_ids = \[1, 'ZTF18abcdefg'\] with 1 in it; it must be a valid string"):
        read_settings(written(tmp_path, "[splits]\nuntouched_ids = [1, 'ZTF18abcdefg']\n"))
    with pytest.raises(SettingsError, match="untouched_from = '2026-01-01' must not be more than untouched_until = '2025-06-03'"):
        read_settings(written(tmp_path, "[splits]\nuntouched_from = '2026-01-01'\n"))


@pytest.mark.parametrize("text", ["preset = 3\n", "seed = -1\n", "seed = 1.5\n", "splits = 3\n", "[split]\n", "x", "\x00"])
def test_what_is_no_section_or_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        read_settings(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "settings.toml")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_its_own_limits(tmp_path: Path, preset: str) -> None:
    path = written(tmp_path, f'preset = "{preset}"\n' + as_toml(preset_settings(preset)))
    assert read_settings(path) == preset_settings(preset)


def test_settings_stay_frozen_hashable_and_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, "[hosts]\nlargest_p_chance = 1\n[quality]\nsentinels = [-999, 0]\n"))
    assert found.hosts.largest_p_chance == 1.0
    assert type(found.hosts.largest_p_chance) is type(found.quality.sentinels[0]) is float
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(replace(found))


def test_every_ablation_may_be_asked_for_and_with_a_number_where_it_has_one(tmp_path: Path) -> None:
    names = [ablation.name for ablation in ABLATIONS] + [f"{a.name}_50" for a in ABLATIONS if a.is_upsampled]
    assert list(read_settings(written(tmp_path, f"[training]\nablations = {names}\n")).training.ablations) == names


NUMBER = st.integers(0, 61).map(str)
PART = st.one_of(NUMBER, st.just("*"), st.builds("{}-{}".format, NUMBER, NUMBER), st.builds("*/{}".format, NUMBER))
FIELD = st.one_of(
    PART, st.just("*"), st.lists(PART, min_size=2, max_size=2).map(",".join), st.text(string.digits + "*-,/", max_size=4)
)


@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join))
def test_a_time_that_is_accepted_is_one_for_dagster(text: str) -> None:
    assert not is_cron(text) or is_valid_cron_string(text)


@pytest.mark.parametrize("text", ["0 13 * * *", "*/15 2-5,23 1 * mon-fri", "0 0 29 feb *", "0 0 1 2 sun", "5 4 1-7/2 */3 7"])
def test_usual_times_are_accepted(text: str) -> None:
    assert is_cron(text)
    assert is_valid_cron_string(text)


def as_toml(settings: object, prefix: str = "") -> str:
    """Settings as TOML, every one of them."""
    plain = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "preset"}  # type: ignore[arg-type]
    lines = [f"{name} = {as_value(value)}" for name, value in plain.items() if not is_dataclass(value)]
    sections = [f"[{prefix}{n}]\n{as_toml(v, f'{prefix}{n}.')}" for n, v in plain.items() if is_dataclass(v)]
    return "\n".join([*lines, *sections])


def as_value(value: object) -> str:
    """One value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else repr(value)
