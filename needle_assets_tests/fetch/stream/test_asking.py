"""What is refused before any broker is asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from needle_assets.fetch import Around, FetchError, fetch
from needle_assets.settings import FetchSettings, KafkaSettings, Settings

BOTH = {"NEEDLE_KAFKA_USERNAME": "me", "NEEDLE_KAFKA_PASSWORD": "secret"}
HALF = {"NEEDLE_KAFKA_USERNAME": "me"}


@pytest.mark.parametrize(
    ("changes", "asked", "environment", "match"),
    [
        ({"servers": ""}, {}, {}, r"no broker is named; put servers"),
        ({"topics": ()}, {}, {}, r"no topic is named; give --topics"),
        ({}, {"start": "1999"}, {}, r"start is '1999'; choose oldest or newest"),
        ({}, {}, HALF, r"only one of NEEDLE_KAFKA_USERNAME and NEEDLE_KAFKA_PASSWORD is set"),
        ({"security": "sasl_ssl"}, {}, {}, r"security is sasl_ssl, which needs"),
        ({"security": "plaintext"}, {}, BOTH, r"security is plaintext, which sends none"),
        ({}, {"ids": ["ZTF24aaaaaaa"]}, {}, r"kafka cannot be told ids"),
    ],
)
def test_what_is_asked_badly_is_one_sentence(
    changes: dict[str, Any], asked: dict[str, Any], environment: dict[str, str], match: str, tmp_path: Path
) -> None:
    kafka = replace(KafkaSettings(servers="127.0.0.1:1", topics=("topic",)), **changes)
    settings = Settings(fetch=replace(FetchSettings(), kafka=kafka))
    with pytest.raises(FetchError, match=match) as told:
        fetch("kafka", tmp_path / "landing", settings=settings, around=Around(environment=environment), **asked)
    assert "secret" not in str(told.value)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "confluent_kafka", None)
    settings = Settings(fetch=FetchSettings(kafka=KafkaSettings(servers="127.0.0.1:1", topics=("topic",))))
    with pytest.raises(FetchError, match=r"pip install needle_assets\[kafka\]"):
        fetch("kafka", tmp_path / "landing", settings=settings, around=Around(environment={}))
