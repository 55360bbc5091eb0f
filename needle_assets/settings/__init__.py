"""Every scientific number a user may change, typed, with limits and presets. Reads one TOML file; nothing else."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from needle_assets.errors import NeedleError
from needle_assets.settings.limits import IS_LATER, Seed
from needle_assets.settings.presets import PRESETS
from needle_assets.settings.sections import (
    CheckerSettings,
    DetectionSettings,
    EarlySettings,
    EpochSettings,
    FeatureSettings,
    GaussianProcessSettings,
    HostSettings,
    IdentitySettings,
    LandingSettings,
    LightCurveSettings,
    MaskSettings,
    MetricSettings,
    OtherSettings,
    QualitySettings,
    RestorationSettings,
    SplitSettings,
    SyntheticSettings,
    TrainingSettings,
    VettingSettings,
)
from needle_assets.settings.services import (
    DESTINATIONS,
    SOURCES,
    ComputeSettings,
    DagsterSettings,
    FetchSettings,
    KafkaSettings,
    PublishingSettings,
    ScheduleSettings,
    SendSettings,
    ServiceSettings,
    WarehouseSettings,
)

__all__ = [
    "DESTINATIONS",
    "PRESETS",
    "SOURCES",
    "CheckerSettings",
    "ComputeSettings",
    "DagsterSettings",
    "DetectionSettings",
    "EarlySettings",
    "EpochSettings",
    "FeatureSettings",
    "FetchSettings",
    "GaussianProcessSettings",
    "HostSettings",
    "IdentitySettings",
    "KafkaSettings",
    "LandingSettings",
    "LightCurveSettings",
    "MaskSettings",
    "MetricSettings",
    "OtherSettings",
    "PublishingSettings",
    "QualitySettings",
    "RestorationSettings",
    "ScheduleSettings",
    "SendSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "SplitSettings",
    "SyntheticSettings",
    "TrainingSettings",
    "VettingSettings",
    "WarehouseSettings",
    "as_fingerprinted",
    "as_nested_dict",
    "preset_settings",
    "read_settings",
]


@dataclass(frozen=True)
class Settings:
    """All settings of one home. Sections are named after the stage that reads them."""

    preset: str = "default"
    seed: Seed = 42
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    publishing: PublishingSettings = field(default_factory=PublishingSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    dagster: DagsterSettings = field(default_factory=DagsterSettings)
    warehouse: WarehouseSettings = field(default_factory=WarehouseSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    send: SendSettings = field(default_factory=SendSettings)
    landing: LandingSettings = field(default_factory=LandingSettings)
    detections: DetectionSettings = field(default_factory=DetectionSettings)
    hosts: HostSettings = field(default_factory=HostSettings)
    identities: IdentitySettings = field(default_factory=IdentitySettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    checker: CheckerSettings = field(default_factory=CheckerSettings)
    restoration: RestorationSettings = field(default_factory=RestorationSettings)
    masking: MaskSettings = field(default_factory=MaskSettings)
    light_curves: LightCurveSettings = field(default_factory=LightCurveSettings)
    epochs: EpochSettings = field(default_factory=EpochSettings)
    gaussian_process: GaussianProcessSettings = field(default_factory=GaussianProcessSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    early: EarlySettings = field(default_factory=EarlySettings)
    vetting: VettingSettings = field(default_factory=VettingSettings)
    splits: SplitSettings = field(default_factory=SplitSettings)
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    other: OtherSettings = field(default_factory=OtherSettings)
    metrics: MetricSettings = field(default_factory=MetricSettings)


class SettingsError(NeedleError):
    """A settings file or preset that cannot be used; the message names the key and the remedy."""


def preset_settings(name: str) -> Settings:
    """Settings of a named preset. Raises SettingsError for a name that is not in PRESETS."""
    if name not in PRESETS:
        raise SettingsError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}.")
    usual = Settings(preset=name)
    return replace(usual, **{section: replace(getattr(usual, section), **given) for section, given in PRESETS[name].items()})


def read_settings(path: Path, preset: str | None = None) -> Settings:
    """
    Settings from ``path`` (TOML), starting from its ``preset`` key, or from ``preset`` where the file does not exist.

    Raises
    ------
    SettingsError
        Where the file cannot be read or names another preset than the one asked for, and for an unknown key, a value of another
        type, one beyond its limits, and two that contradict each other.
    """
    if not path.exists():
        return preset_settings(preset or "default")
    try:
        given = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}); make it a readable file, or remove it.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML ({error}); mend that line or remove the file.") from error
    stored = given.pop("preset", "default")
    if preset is not None and preset != stored:
        raise SettingsError(
            f"{path} belongs to preset {stored!r}, but {preset!r} was asked for; "
            f"use another NEEDLE_HOME for {preset!r}, or leave --preset out."
        )
    return _merged(preset_settings(str(stored)), given, where=str(path), section="")


def as_fingerprinted(settings: Any) -> dict[str, Any]:
    """Settings as plain nested dictionaries, without fields that came later and stand at their default (see ``limits.later``)."""
    told = {}
    for known in fields(settings):
        value = getattr(settings, known.name)
        if is_dataclass(value):
            told[known.name] = as_fingerprinted(value)
        elif not (known.metadata.get(IS_LATER) and value == known.default):
            told[known.name] = value
    return told


def as_nested_dict(settings: Settings) -> dict[str, Any]:
    """Settings as plain nested dictionaries, in declared order."""
    return asdict(settings)


def _merged(current: Any, given: dict[str, Any], *, where: str, section: str) -> Any:
    """A section with what was given; ``section`` is its name, as in [fetch.bts]."""
    types = get_type_hints(type(current), include_extras=True)
    place = f"{where}, section [{section}]" if section else where
    changes: dict[str, Any] = {}
    for key, value in given.items():
        if key not in types:
            raise SettingsError(f"{place}: {key!r} is not a setting; known here are {', '.join(types)}.")
        if is_dataclass(types[key]):
            name = f"{section}.{key}".lstrip(".")
            if not isinstance(value, dict):
                raise SettingsError(f"{where}: {name} = {value!r} is no section; write [{name}], and its settings below.")
            changes[key] = _merged(getattr(current, key), value, where=where, section=name)
        else:
            changes[key] = _checked(types[key], value, f"{place}: {key}")
    try:
        return replace(current, **changes)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}.") from error


def _checked(kind: Any, value: Any, where: str) -> Any:
    """The value as its type says. Imports pydantic, which homes without settings of their own do not wait for."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    adapter = TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))
    try:
        return adapter.validate_python(tuple(value) if isinstance(value, list) else value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        item = f" with {first['input']!r} in it" if first["loc"] and first["type"] != "missing" else ""
        raise SettingsError(f"{where} = {value!r}{item}; {_sentence(first)}.") from error


def _sentence(found: Any) -> str:
    """What pydantic asks for, in the words of these messages."""
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    if found["type"] == "literal_error":
        return "choose one of " + str(found["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    return str(found["msg"]).replace("Input should", "it must").replace("Field required", "more values are needed")
