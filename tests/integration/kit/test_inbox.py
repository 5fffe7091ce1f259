"""What the inbox lets pass, statement by statement."""

from collections.abc import Sequence

import sqlalchemy as sa

from services.contracts.waitlist import WaitlistMessage
from services.kit import inbox
from services.kit.ids import uuid7
from tests.integration.kit.harness import Bench, message


async def admitted(bench: Bench, messages: Sequence[WaitlistMessage]) -> list[WaitlistMessage]:
    async with bench.db.transaction() as conn:
        return await inbox.admit(conn, bench.group, messages)


async def last_seqs(bench: Bench) -> list[int]:
    async with bench.db.read() as conn:
        rows = await conn.execute(sa.text("SELECT last_seq FROM inbox_seq ORDER BY last_seq"))
        return list(rows.scalars())


async def test_new_messages_pass_in_their_order(bench: Bench) -> None:
    one, other = uuid7(), uuid7()
    told = [message(event, seq) for seq in range(1, 4) for event in (one, other)]
    assert await admitted(bench, told) == told
    assert await last_seqs(bench) == [3, 3]


async def test_of_old_and_new_in_one_batch_the_new_pass(bench: Bench) -> None:
    event = uuid7()
    told = [message(event, seq) for seq in range(1, 8)]
    await admitted(bench, told[:4])
    assert await admitted(bench, told[2:]) == told[4:]
    assert await admitted(bench, told) == []
    assert await last_seqs(bench) == [7]


async def test_a_message_that_comes_twice_in_one_batch_passes_once(bench: Bench) -> None:
    event = uuid7()
    told = [message(event, seq) for seq in range(1, 4)]
    assert await admitted(bench, [*told, *told[1:]]) == told


async def test_an_id_that_was_had_does_not_pass_with_another_number(bench: Bench) -> None:
    event = uuid7()
    first = message(event, 1)
    await admitted(bench, [first])
    again, second = message(event, 2, id=first.id), message(event, 3)
    assert await admitted(bench, [again, second]) == [second]


async def test_old_numbers_do_not_pass_though_their_ids_are_forgotten(bench: Bench) -> None:
    event = uuid7()
    told = [message(event, seq) for seq in range(1, 6)]
    await admitted(bench, told[:3])
    async with bench.db.transaction() as conn:
        await conn.execute(sa.text("DELETE FROM inbox"))
    assert await admitted(bench, told) == told[3:]


async def test_each_consumer_has_its_own_inbox(bench: Bench) -> None:
    told = [message(uuid7(), 1)]
    await admitted(bench, told)
    bench.group = f"g-{uuid7().hex}"
    assert await admitted(bench, told) == told


async def test_what_is_rolled_back_was_never_had(bench: Bench) -> None:
    told = [message(uuid7(), 1)]
    async with bench.db.engine.connect() as conn:
        assert await inbox.admit(conn, bench.group, told) == told
        await conn.rollback()
    assert await admitted(bench, told) == told
