"""A real broker, and just enough of a client for tests."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from .processes import ROOT, run_tool
from .waiting import eventually

SCRIPT = ROOT / "tools/kafka_local.sh"


class Broker:
    """Owned by a folder; the address stays over restarts. With HEADRACE_TEST_KAFKA another broker is used and never stopped."""

    def __init__(self, folder: Path, own: bool = False) -> None:
        self.folder = folder
        self._given = None if own else os.environ.get("HEADRACE_TEST_KAFKA")
        self.address = self._given or ""
        self._producer: Producer | None = None

    def start(self) -> None:
        if not self._given:
            self.address = run_tool(SCRIPT, "start", self.folder).splitlines()[-1]

    def stop(self) -> None:
        if not self._given:
            run_tool(SCRIPT, "stop", self.folder)

    def kill(self) -> None:
        assert not self._given, "the broker of HEADRACE_TEST_KAFKA is not ours to kill"
        run_tool(SCRIPT, "kill", self.folder)

    def topic(self, stem: str, partitions: int = 8) -> str:
        """A new topic whose partitions have leaders; its name."""
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        admin = AdminClient(self._client())
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(30)
        eventually(lambda: self._has_leaders(name), f"every partition of {name} has a leader", 30)
        return name

    def _has_leaders(self, topic: str) -> bool:
        try:
            self.ends(topic)
        except KafkaException as error:
            raise AssertionError(str(error)) from error
        return True

    def produce(self, topic: str, values: Iterable[bytes | str]) -> int:
        """Writes all values, spread over the partitions; how many."""
        producer = Producer(
            self._client()
            | {
                "linger.ms": 50,
                "batch.size": 1 << 20,
                "queue.buffering.max.messages": 500_000,
                "sticky.partitioning.linger.ms": 10,
            }
        )
        failed: list[KafkaError] = []

        def report(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                failed.append(error)

        count = 0
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, on_delivery=report)
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
            if count % 10_000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0, "the broker did not take all records within 60 s"
        assert not failed, f"{len(failed)} records were refused: {failed[0]}"
        return count

    def produce_record(
        self,
        topic: str,
        value: str,
        key: str | bytes | None,
        partition: int,
        timestamp: int,
        headers: list[tuple[str, bytes | None]],
    ) -> None:
        """Hands one record over; in order within a partition. flush() waits for all."""
        if self._producer is None:
            self._producer = Producer(self._client() | {"enable.idempotence": True})
        self._producer.produce(topic, value, key, partition, timestamp=timestamp, headers=headers)

    def flush(self) -> None:
        assert self._producer is None or self._producer.flush(60) == 0, "the broker did not take all records within 60 s"

    def ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition."""
        consumer = Consumer(self._client() | {"group.id": "harness"})
        try:
            partitions = consumer.list_topics(topic, 20).topics[topic].partitions
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 20)[1] for p in partitions}
        finally:
            consumer.close()

    def count(self, topic: str) -> int:
        return sum(self.ends(topic).values())

    def read(self, topic: str) -> Iterator[tuple[bytes | None, bytes | None]]:
        """(key, value) of every record up to the present ends; in order within a partition."""
        left = {p: end for p, end in self.ends(topic).items() if end > 0}
        consumer = Consumer(
            self._client()
            | {
                "group.id": "harness",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.max.bytes": 32 << 20,
                "queued.min.messages": 500_000,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in left])
            heard = time.monotonic()
            while left:
                messages = consumer.consume(20_000, 0.1)  # waits for all 20,000 or this long
                if messages:
                    heard = time.monotonic()
                assert time.monotonic() - heard < 30, f"the broker gave no records of {topic} for 30 s; missing: {left}"
                for message in messages:
                    error = message.error()
                    if error is None:
                        yield message.key(), message.value()
                    elif error.code() != KafkaError._PARTITION_EOF:
                        raise AssertionError(f"reading {topic}: {error}")
                    partition = message.partition()
                    if partition in left and (error is not None or message.offset() + 1 >= left[partition]):
                        del left[partition]
        finally:
            consumer.close()

    def last_counts(self, topic: str) -> dict[str, int]:
        """Of (word, count) records, the last count of each word."""
        last: dict[bytes | None, bytes | None] = {}
        for key, value in self.read(topic):
            last[key] = value
        counts: dict[str, int] = {}
        for value in last.values():
            word, count = json.loads(value or b"[]")
            assert word not in counts, f"{word} has two keys"
            counts[word] = count
        return counts

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.address, "log_level": 0}
