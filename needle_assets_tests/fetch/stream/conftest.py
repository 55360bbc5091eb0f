"""A broker in this process: librdkafka's own mock cluster, which speaks the protocol on a port of this machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from needle_assets.fetch import Around, FetchSummary, fetch
from needle_assets.settings import FetchSettings, KafkaSettings, Settings

QUIET = {"log_level": 0, "error_cb": lambda _error: None}


class Cluster:
    """Brokers of a mock cluster, and a producer to fill them; ``servers`` is where they are."""

    def __init__(self) -> None:
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": "nobody:1", "test.mock.num.brokers": 1, "linger.ms": 0} | QUIET
        )
        brokers = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def send(self, topic: str, *values: bytes | None, partition: int = 0, **what: Any) -> None:
        for value in values:
            self.producer.produce(topic, value, partition=partition, **what)
        assert self.producer.flush(10) == 0

    def place(self, topic: str, group: str, partition: int = 0) -> int:
        """Up to where a group has read; negative if it never has."""
        settings = {"bootstrap.servers": self.servers, "group.id": group} | QUIET
        reader = confluent_kafka.Consumer(settings)
        try:
            return int(reader.committed([confluent_kafka.TopicPartition(topic, partition)], timeout=10)[0].offset)
        finally:
            reader.close()


@dataclass
class Reader:
    """Fetches from a cluster into one folder."""

    landing: Path
    servers: str
    around: Around = field(default_factory=lambda: Around(environment={}))

    def __call__(self, topic: str, group: str | None = None, *, timeout: float = 20.0, **asked: Any) -> FetchSummary:
        kafka = KafkaSettings(servers=self.servers, batch=2)
        manners = FetchSettings(kafka=kafka, timeout_seconds=timeout, answer_seconds=timeout)
        settings = Settings(fetch=manners)
        named = topic if group is None else group  # groups of their own do not wait for each other
        return fetch("kafka", self.landing, settings=settings, around=self.around, topics=[topic], group=named, **asked)

    @property
    def packets(self) -> dict[str, bytes]:
        """The files below ``alerts/``, by their name from there."""
        alerts = self.landing / "alerts" / "kafka"
        return {str(path.relative_to(alerts)): path.read_bytes() for path in sorted(alerts.rglob("*.avro"))}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.producer.close()


@pytest.fixture
def new_reader(cluster: Cluster, tmp_path: Path) -> Callable[[str], Reader]:
    return lambda name: Reader(tmp_path / name, cluster.servers)


@pytest.fixture
def reader(new_reader: Callable[[str], Reader]) -> Reader:
    return new_reader("landing")
