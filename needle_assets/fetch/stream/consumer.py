"""A member of a group that reads topics: confluent-kafka, bounded, and with what goes wrong as sentences."""

import logging
import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from needle_assets.fetch.around import FetchError, ServiceStoppedError
from needle_assets.fetch.stream.delivery import Message
from needle_assets.settings import FetchSettings, KafkaSettings

LOOK_SECONDS = 1.0
SESSION_MS = 10_000  # after which a member that was killed no longer keeps its partitions

_log = logging.getLogger(__name__)


class Consumer:
    """
    Reads messages batch by batch; ``commit`` tells the broker that they are safe.

    Attributes
    ----------
    n_due : int
        Messages that lay before this member when it got its partitions.
    problems : list of str
        What was lost or refused on the way, each sentence once.
    """

    def __init__(self, asked: KafkaSettings, group: str, credentials: tuple[str, str] | None, manners: FetchSettings) -> None:
        self._kafka = _library()
        self._asked, self._manners = asked, manners
        self._secret = credentials[1] if credentials else None
        self.n_due, self._last_error = 0, ""
        self.problems: list[str] = []
        self._ends: dict[tuple[str, int], bool] | None = None  # partitions that are ours, and whether their end was reached
        try:
            self._consumer = self._kafka.Consumer(configuration(asked, group, credentials) | {"error_cb": self._heard})
        except self._kafka.KafkaException as error:
            raise FetchError(f"[fetch.kafka] cannot be used: {said(error, self._secret)}.") from None

    def __enter__(self) -> Self:
        self._look_up()
        self._consumer.subscribe(
            list(self._asked.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None) -> None:
        self._consumer.close()

    @property
    def is_at_end(self) -> bool:
        """Whether every partition of this member was read to its end; not before it was told which are its own."""
        return self._ends is not None and all(self._ends.values())

    def batch(self) -> list[Message]:
        """The next messages, after a second at most. Raises ServiceStoppedError if the broker refuses to send any."""
        try:
            found = self._consumer.consume(self._asked.batch, timeout=LOOK_SECONDS)
        except self._kafka.KafkaException as error:
            raise ServiceStoppedError(f"the broker sends nothing more: {said(error, self._secret)}.") from None
        return [read for message in found if (read := self._message(message))]

    def commit(self, batch: Sequence[Message]) -> None:
        """Move the group's place behind these messages; where another member has the partition now, it is sent them again."""
        places: dict[tuple[str, int], int] = {}
        for message in batch:
            where = (message.topic, message.partition)
            places[where] = max(places.get(where, 0), message.offset + 1)
        self._commit([self._kafka.TopicPartition(*where, offset) for where, offset in places.items()])

    def is_answered(self) -> bool:
        """Whether a broker answers at all; a stream may be silent because nothing happens."""
        try:
            return bool(self._consumer.list_topics(timeout=self._manners.timeout_seconds).brokers)
        except self._kafka.KafkaException:
            return False

    def why_silent(self, seconds: float) -> str:
        """A sentence for when nothing comes."""
        last = f" ({self._last_error})" if self._last_error else ""
        return f"nothing came from {self._asked.servers} for {seconds:.0f} s{last}; what came before is stored, run it again to go on."

    def _look_up(self) -> None:
        """Raises FetchError if no broker answers, or has none of the topics."""
        try:
            listed = self._consumer.list_topics(timeout=self._manners.timeout_seconds).topics
        except self._kafka.KafkaException as error:
            self._consumer.poll(0)  # what was heard meanwhile says more
            why = self._last_error or said(error, self._secret)
            self._consumer.close()
            raise FetchError(
                f"no broker answers at {self._asked.servers} ({why}); look at servers and security, or try later."
            ) from None
        missing = [topic for topic in self._asked.topics if not _is_listed(topic, listed)]
        if missing:
            self._consumer.close()
            raise FetchError(f"the broker has no topic {', '.join(missing)}; it has {_some(listed)}.")

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        self._ends, self.n_due = {(p.topic, p.partition): False for p in partitions}, 0
        seconds = self._manners.timeout_seconds
        try:
            committed = consumer.committed(partitions, timeout=seconds) if partitions else []
            for partition in committed:
                low, high = consumer.get_watermark_offsets(partition, timeout=seconds)
                partition.offset = self._begin(partition, low, high)
                self.n_due += max(high - partition.offset, 0)
        except self._kafka.KafkaException as error:
            _log.info("where to begin could not be asked: %s", said(error, self._secret))
            self.problems.append(f"where to begin could not be asked ({said(error, self._secret)}).")
            return  # the library begins at the group's place by itself
        consumer.assign(committed)

    def _begin(self, partition: Any, low: int, high: int) -> int:
        """The first offset to read; where there is nothing to read behind it, it is kept at once as the group's place."""
        begin, lost = first_place(partition, low, high, self._asked.start)
        if lost:
            self._note(lost)
        if begin == high and begin != partition.offset:
            self._commit([self._kafka.TopicPartition(partition.topic, partition.partition, begin)])
        return begin

    def _revoked(self, _consumer: Any, partitions: list[Any]) -> None:
        for partition in partitions:
            (self._ends or {}).pop((partition.topic, partition.partition), None)
        self._ends = self._ends or None

    def _message(self, message: Any) -> Message | None:
        error = message.error()
        where = (message.topic(), message.partition())
        if error is None:
            if self._ends is not None and where in self._ends:
                self._ends[where] = False
            headers = [(str(name), data or b"") for name, data in message.headers() or []]
            return Message(*where, message.offset(), message.value() or b"", message.key() or b"", headers)
        if error.code() == self._kafka.KafkaError._PARTITION_EOF:
            if self._ends is not None and where in self._ends:
                self._ends[where] = True
        elif error.fatal() or error.code() in (
            self._kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED,
            self._kafka.KafkaError.GROUP_AUTHORIZATION_FAILED,
        ):
            raise ServiceStoppedError(f"the broker refuses: {said(error, self._secret)}.")
        else:
            self._note(f"{where[0] or 'the stream'}: {said(error, self._secret)}.")
        return None

    def _heard(self, error: Any) -> None:
        self._last_error = said(error, self._secret)

    def _commit(self, places: list[Any]) -> None:
        try:
            for place in self._consumer.commit(offsets=places, asynchronous=False) or []:
                if place.error:
                    _log.info("%s was not committed: %s", place, said(place.error, self._secret))
        except self._kafka.KafkaException as error:
            _log.info("a place was not committed, its messages come again: %s", said(error, self._secret))

    def _note(self, sentence: str) -> None:
        if sentence not in self.problems:
            self.problems.append(sentence)


def configuration(asked: KafkaSettings, group: str, credentials: tuple[str, str] | None) -> dict[str, Any]:
    """The library's settings. Raises FetchError if security and credentials do not fit each other."""
    security = asked.security or ("sasl_ssl" if credentials else "plaintext")
    if credentials and not security.startswith("sasl"):
        raise FetchError(f"credentials are set, but security is {security}, which sends none; choose sasl_ssl or sasl_plaintext.")
    if security.startswith("sasl") and not credentials:
        raise FetchError(
            f"security is {security}, which needs NEEDLE_KAFKA_USERNAME and NEEDLE_KAFKA_PASSWORD in the environment."
        )
    named = {"sasl.username": credentials[0], "sasl.password": credentials[1]} if credentials else {}
    return {
        "bootstrap.servers": asked.servers,
        "group.id": group,
        "security.protocol": security,
        **({"sasl.mechanism": asked.mechanism} if credentials else {}),
        **named,
        "client.id": "needle_assets",
        "log_level": 0,  # what is wrong is told in a sentence
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",  # also where old messages were deleted: what is left is read, none is jumped over
        "session.timeout.ms": SESSION_MS,
        "max.poll.interval.ms": 600_000,
    }


def first_place(partition: Any, low: int, high: int, start: str) -> tuple[int, str | None]:
    """The group's place, where it has one that the broker still has; and what was lost on the way, as a sentence."""
    name, place = f"{partition.topic} [{partition.partition}]", partition.offset
    if place < 0:
        return (high if start == "newest" else low), None
    if place > high:
        return (
            low,
            f"{name} ends at {high}, before the place of this group ({place}): it was made anew, and is read from its beginning.",
        )
    lost = f"{low - place} messages of {name} were deleted by the broker before they were read; fetch more often."
    return max(place, low), lost if place < low else None


def said(error: Any, secret: str | None) -> str:
    """What the library says, in one line and without the password."""
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    text = " ".join(str(inner.str() if hasattr(inner, "str") else inner).split())
    return (text.replace(secret, "***") if secret else text).rstrip(".")


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError:
        raise FetchError("streams need confluent-kafka; install it with `pip install needle_assets[kafka]`.") from None
    return confluent_kafka


def _is_listed(topic: str, listed: Mapping[str, Any]) -> bool:
    if not topic.startswith("^"):
        return topic in listed and listed[topic].error is None
    try:
        return any(re.match(topic, name) for name in listed)
    except re.error:
        raise FetchError(f"topic {topic!r} is no pattern that can be read.") from None


def _some(listed: Mapping[str, Any]) -> str:
    names = sorted(name for name in listed if not name.startswith("__"))
    return (", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")) or "none that may be read"
