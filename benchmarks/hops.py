"""The baseline of the promotion: the bare road that its messages travel.

Three times through Kafka (aiokafka, acks=all, the same settings, a payload of the same size) and
one SMTP exchange over a kept connection; no database, no rule, no mail to render.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

import aiosmtplib
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.contracts.topics import Topic
from services.kit import kafka

TOPICS: Final = tuple(Topic(f"bench.hop{n}.v1", 3_600_000, partitions=1) for n in (1, 2, 3))
PAYLOAD: Final = b"x" * 600
MAIL: Final = (
    b"From: a@example.org\r\nTo: b@example.org\r\nMessage-ID: <bare@bench>\r\n\r\nbare\r\n"
)


async def _pass_on(source: AIOKafkaConsumer, client: AIOKafkaProducer, target: Topic) -> None:
    async for message in source:
        await client.send_and_wait(target.name, message.value)


async def measure(bootstrap: str, smtp_url: str, times: int) -> Sequence[float]:
    """Seconds from the first send to the SMTP server's answer, `times` times."""
    await kafka.create_topics(bootstrap, TOPICS, replication=1)
    server = urlsplit(smtp_url)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(kafka.producer(bootstrap))
        readers = []
        for number, topic in enumerate(TOPICS):
            reader = kafka.consumer(bootstrap, f"bench-{number}", None)
            reader.subscribe([topic.name])
            readers.append(await stack.enter_async_context(reader))
        smtp = aiosmtplib.SMTP(hostname=server.hostname, port=server.port, start_tls=False)
        await stack.enter_async_context(smtp)
        movers = [
            asyncio.create_task(_pass_on(source, client, target))
            for source, target in zip(readers, TOPICS[1:], strict=False)
        ]
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            await client.send_and_wait(TOPICS[0].name, PAYLOAD)
            await readers[-1].getone()
            await smtp.sendmail("a@example.org", ["b@example.org"], MAIL)
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
        for mover in movers:
            mover.cancel()
        await asyncio.gather(*movers, return_exceptions=True)
        return seconds
