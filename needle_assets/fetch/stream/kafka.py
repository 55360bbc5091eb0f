"""Alert packets from topics of a Kafka broker. A packet is on the disk before the broker is told that it was read.

Brokers call the place of a message its offset, and remember for a group of readers up to where it has read. Here that place is
moved only after a batch was written and synced: whatever ends a run, the next one is sent again what was not, and what was
written twice lies once.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from needle_assets.fetch.around import Around, FetchError, ServiceStoppedError
from needle_assets.fetch.run import Failure, FetchSummary, Run, running
from needle_assets.fetch.stream.consumer import Consumer
from needle_assets.fetch.stream.delivery import Delivery, Message
from needle_assets.settings import KafkaSettings, Settings

USERNAME, PASSWORD = "NEEDLE_KAFKA_USERNAME", "NEEDLE_KAFKA_PASSWORD"

_log = logging.getLogger(__name__)


def fetch_kafka(
    landing: Path,
    *,
    settings: Settings,
    topics: Sequence[str] | None = None,
    group: str | None = None,
    start: str | None = None,
    follow: bool = False,
    around: Around | None = None,
) -> FetchSummary:
    """
    Every message of some topics that this group has not read, as files of the landing folder.

    Parameters
    ----------
    landing : Path
        The landing folder.
    settings : Settings
        Its section ``fetch.kafka``.
    topics : sequence of str, optional
        Instead of those of the settings; one that begins with ``^`` is a pattern.
    group : str, optional
        Instead of that of the settings, and that of the folder, which is made once.
    start : {"oldest", "newest"}, optional
        Where a group begins that has never read a partition; then it goes on from where it was.
    follow : bool
        Go on when everything was read, until the process is stopped.
    around : Around, optional
        Clock, environment, and who is told.

    Raises
    ------
    FetchError
        If confluent-kafka, servers or topics are missing, half of the credentials is, or no broker answers.
    """
    around = around or Around()
    asked = _asked(settings.fetch.kafka, topics, start)
    with running("kafka", landing, settings, around) as run:
        member = group or asked.group or _own_group(run)
        with Consumer(asked, member, _credentials(around.environment), settings.fetch) as consumer:
            _read(run, consumer, follow=follow)
    return run.summary()


def _read(run: Run, consumer: Consumer, *, follow: bool) -> None:
    delivery = Delivery(run.folder)
    n_read = 0
    try:
        for batch in _batches(run, consumer, follow=follow):
            for message in batch:
                _deliver(run, delivery, message)
            delivery.sync()
            consumer.commit(batch)
            n_read += len(batch)
            run.tell("messages", n_read, max(n_read, consumer.n_due))
    except ServiceStoppedError as why:
        run.stopped = str(why)
    except OSError as error:
        run.stopped = (
            f"{run.folder.path} cannot be written ({error.strerror or error}); make room there, nothing is lost: the broker sends "
            "again what was not stored."
        )
    run.failures += [Failure("kafka", problem) for problem in consumer.problems]


def _batches(run: Run, consumer: Consumer, *, follow: bool) -> Iterator[list[Message]]:
    """Messages as they come; ends at the end of every partition, but for one who follows."""
    heard, manners = run.around.clock(), run.settings.fetch
    patience = manners.answer_seconds if follow else manners.timeout_seconds
    while follow or not consumer.is_at_end:
        batch = consumer.batch()
        silent = run.around.clock() - heard
        if batch:
            yield batch
            heard = run.around.clock()
        elif silent > patience and (not consumer.is_answered() or silent > manners.answer_seconds + patience):
            raise ServiceStoppedError(consumer.why_silent(silent))
        elif silent > patience and follow:
            heard = run.around.clock()


def _deliver(run: Run, delivery: Delivery, message: Message) -> None:
    is_new, why = delivery.put(message)
    if why is None:
        run.packets += is_new
        return
    run.aside.append(Failure(str(message), why.reason))
    _log.info("%s was put aside: %s", message, why.reason)


def _asked(settings: KafkaSettings, topics: Sequence[str] | None, start: str | None) -> KafkaSettings:
    if not settings.servers:
        raise FetchError('no broker is named; put servers = "HOST:PORT" into [fetch.kafka] of settings.toml.')
    chosen = tuple(topics or settings.topics)
    if not chosen:
        raise FetchError("no topic is named; give --topics, or topics in [fetch.kafka] of settings.toml.")
    if start is None:
        return replace(settings, topics=chosen)
    if start not in ("oldest", "newest"):
        raise FetchError(f"start is {start!r}; choose oldest or newest.")
    return replace(settings, topics=chosen, start="newest" if start == "newest" else "oldest")


def _own_group(run: Run) -> str:
    """The folder's own group, made once: two folders never take messages from each other."""
    kept = run.state.get("group")
    if not isinstance(kept, str) or not kept:
        kept = run.state["group"] = f"needle-{secrets.token_hex(6)}"
        run.save()  # before the first message is read under it
    return kept


def _credentials(environment: Mapping[str, str]) -> tuple[str, str] | None:
    username, password = environment.get(USERNAME), environment.get(PASSWORD)
    if bool(username) != bool(password):
        raise FetchError(f"only one of {USERNAME} and {PASSWORD} is set; set both or neither.")
    return (username, password) if username and password else None
