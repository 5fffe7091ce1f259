"""What the running services answer and say is what the published documents promise."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from deploy.local import Stack
from services import published
from services.contracts import topics
from services.documents.examples import resolve
from tests.e2e import newsletter_calls
from tests.support import events, people
from tests.support.kafka import log_of
from tests.support.mailbox import Mailbox
from tests.support.waiting import until

pytestmark = pytest.mark.stack

OPENAPI: dict[str, Any] = json.loads(published.read(published.OPENAPI))
PATHS = [
    (re.compile(re.sub(r"{\w+}", "[^/]+", path)), item) for path, item in OPENAPI["paths"].items()
]


class Judge:
    """Looks at every answer of the API; counts those that it found documented, by operation."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def __call__(self, answer: httpx.Response) -> None:
        await answer.aread()
        path, method = answer.request.url.path, answer.request.method.lower()
        operation = next(item[method] for known, item in PATHS if known.fullmatch(path))
        told = operation["responses"][str(answer.status_code)]
        told = resolve(told["$ref"], OPENAPI) if "$ref" in told else told
        seen = operation["operationId"]
        if "content" in told:
            kind = answer.headers["content-type"].partition(";")[0]
            content = told["content"][kind]
            if kind.endswith("json"):
                Draft202012Validator({**OPENAPI, **content["schema"]}).validate(answer.json())
        else:
            assert answer.content == b"", seen
        if answer.status_code >= 400:
            code = answer.json()["code"]
            assert code in content["examples"], seen
            seen = f"{seen} {code}"
        self.seen[seen] += 1


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest_asyncio.fixture
async def operator(stack: Stack, judge: Judge) -> AsyncIterator[httpx.AsyncClient]:
    """An operator whose answers are judged."""
    assert stack.operator is not None
    async with httpx.AsyncClient(
        base_url=f"{stack.public_url}/api/v1/admin",
        headers={"Authorization": f"Bearer {stack.operator.token}"},
        event_hooks={"response": [judge]},
        timeout=30,
    ) as made:
        yield made


@pytest_asyncio.fixture
async def anybody(stack: Stack, judge: Judge) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody whose answers are judged."""
    async with httpx.AsyncClient(
        base_url=f"{stack.public_url}/api/v1", event_hooks={"response": [judge]}, timeout=30
    ) as made:
        yield made


async def offer_and_order(operator: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """A line in which places are offered, and whose operator interferes."""
    quiet = {"begins": "00:00", "ends": "00:00"}
    made = events.event(capacity=2, max_party=2)
    made["waitlist"] = {"promotion": "offer", "quiet_hours": quiet}
    slug, domain = made["slug"], events.domain()
    await operator.post("/events", json=made)
    await until(lambda: anybody.get(f"/events/{slug}"), lambda answer: answer.is_success)
    first = await people.sign_up(anybody, slug, 1, domain, seats=2)
    pair, anna, bert = [
        await people.sign_up(anybody, slug, n, domain, seats=seats)
        for n, seats in ((2, 2), (3, 1), (4, 1))
    ]
    for who in (pair, first):
        await anybody.post(f"{who.path}/interest", headers=who.auth)
    for seats in (2, 3, 1):
        await anybody.post(f"{pair.path}/party", json={"seats": seats}, headers=pair.auth)
    await anybody.post(f"{first.path}/declination", headers=first.auth)

    line, because = f"/waitlist/{slug}", {"reason": "Sie kommt von weit her."}
    await until(lambda: operator.get(line), lambda a: a.json().get("length") == 3)
    for _ in range(2):
        await operator.post(f"{line}/pause", json=because)
    for _ in range(2):
        await operator.post(f"{line}/resume", json=because)
    entry = f"{line}/entries/{bert.answer['id']}"
    await operator.put(f"{entry}/priority", json={"priority": 1, **because})
    await operator.post(f"{line}/entries/{anna.answer['id']}/promotion", json=because)
    await operator.get(f"{entry}/why")
    await operator.get(f"{line}/entries/{first.answer['id']}/why")

    await people.cancel(anybody, first)
    for who, answers in ((anna, "declination"), (bert, "acceptance")):
        await until(lambda w=who: people.standing(anybody, w), offered)  # type: ignore[misc]
        await anybody.post(f"{who.path}/{answers}", headers=who.auth)
    await until(lambda: people.standing(anybody, pair), offered)
    await people.cancel(anybody, pair)
    await operator.get(line)
    await operator.get(f"{line}/ledger")


async def write_to_all(operator: httpx.AsyncClient, slug: str) -> None:
    """An operator writes to all of an event that nobody waits for, and wants it back; by then it
    may have been sent."""
    texts = {"de": {"subject": "Der Saal", "text": "Wir sind im Kleinen Saal."}}
    order, once = {"event": slug, "to": "all", "texts": texts}, {"Idempotency-Key": slug}
    broadcasts = "/mail/broadcasts"
    asked = (await operator.post(broadcasts, json=order, headers=once)).json()
    await operator.post(broadcasts, json={**order, "reason": "Rohrbruch"}, headers=once)
    await operator.post(broadcasts, json={**order, "event": "no-such-event"})
    await operator.post(broadcasts, json={**order, "to": "waiting"})
    await operator.post(broadcasts, json={**order, "texts": {}})
    await operator.get(broadcasts, params={"event": slug})
    await operator.get(f"{broadcasts}/{asked['id']}")
    await operator.post(f"{broadcasts}/{asked['id']}/cancellation", json={"reason": "Irrtum"})
    nowhere = "00000000-0000-7000-8000-000000000000"
    await operator.get(f"{broadcasts}/{nowhere}")
    await operator.post(f"{broadcasts}/{nowhere}/cancellation")


def offered(standing: dict[str, Any]) -> bool:
    """Whether a place is offered."""
    return bool(standing["status"] == "offered")


async def test_answers_and_messages_are_as_documented(
    stack: Stack,
    operator: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    mailbox: Mailbox,
    judge: Judge,
) -> None:
    made = events.event(capacity=1, waitlist={"enabled": True, "limit": 1})
    slug, domain = made["slug"], events.domain()
    event_id = (await operator.post("/events", json=made)).json()["id"]
    await operator.post("/events", json=made)
    await operator.post("/events", json={**made, "capacity": 0})

    async def listed() -> int:
        return (await anybody.get(f"/events/{slug}")).status_code

    await until(listed, lambda status: status == 200)
    await anybody.get("/events", params={"when": "all"})
    await anybody.get("/availability")

    first = await people.sign_up(anybody, slug, 1, domain)
    second = await people.sign_up(anybody, slug, 2, domain)
    signing = f"/events/{slug}/registrations"
    # Booked up is told from memory; whoever sends a key is looked up, and told more.
    again = {"Idempotency-Key": "another"}
    await anybody.post(signing, json=events.person(1, domain), headers=again)
    await anybody.post(signing, json=events.person(3, domain))
    await anybody.post(signing, json=events.person(4, domain, email="nobody"))
    await anybody.post(signing, content="not JSON", headers={"Content-Type": "application/json"})
    await anybody.post("/events/no-such-event/registrations", json=events.person(1, domain))
    await people.standing(anybody, second)
    await anybody.get(first.path)
    await anybody.get(first.path, headers=second.auth)
    await anybody.post(f"{second.path}/acceptance", headers=second.auth)
    await operator.get("/events", headers={"Authorization": "Bearer nothing"})

    await people.cancel(anybody, first)
    await mailbox.wait(domain, lambda mails: len(mails) == 4)
    await operator.get(f"/waitlist/{slug}")
    await operator.get(f"/waitlist/{slug}/ledger")
    await operator.get("/waitlist/no-such-event")
    await operator.patch(f"/events/{slug}", json={"capacity": 2, "place": "Bibliothek, Münster"})
    await operator.patch(f"/events/{slug}", json={"status": "draft"})
    await operator.patch(f"/events/{slug}", json={"status": "called_off", "reason": "Sturm"})
    await operator.patch(f"/events/{slug}", json={"title": "Neu"})
    await operator.get(f"/events/{slug}")
    await operator.get("/events")
    ledger = (await operator.get("/mail", params={"event": slug})).json()
    await operator.get(f"/mail/{ledger['mails'][-1]['id']}")
    await operator.post(f"/mail/{ledger['mails'][-1]['id']}/resend")
    await operator.get("/mail/00000000-0000-7000-8000-000000000000")
    await write_to_all(operator, slug)
    await offer_and_order(operator, anybody)
    await newsletter_calls.subscribe(operator, anybody)
    await newsletter_calls.publish(operator)

    for code in ("event_full", "already_registered", "invalid", "not_json", "not_found"):
        assert judge.seen[f"sign_up {code}"] == 1
    for code in ("slug_taken", "invalid"):
        assert judge.seen[f"admin_create {code}"] == 1
    for code in ("no_way_back", "called_off"):
        assert judge.seen[f"admin_change {code}"] == 1
    for code in ("no_such_event", "nobody_to_write_to", "broadcast_key_reused", "invalid"):
        assert judge.seen[f"ask_broadcast {code}"] == 1
    documented = {one["operationId"] for item in OPENAPI["paths"].values() for one in item.values()}
    assert documented - {key.split()[0] for key in judge.seen} == {"availability_stream"}

    await mailbox.wait(domain, lambda mails: len(mails) >= 6)
    said = await said_about(stack, event_id)
    assert {"event.published", "event.changed", "event.called_off"} <= said.keys()
    assert {"registration.confirmed", "registration.waitlisted", "mail.sent"} <= said.keys()
    assert {
        "registration.cancelled",
        "registration.seats_freed",
        "waitlist.promoted",
    } <= said.keys()


async def said_about(stack: Stack, event_id: str) -> Counter[str]:
    """The types of all messages about an event. Raises jsonschema's ValidationError."""
    found: Counter[str] = Counter()
    for topic in topics.ALL:
        for message in await log_of(stack.environment()["EINLASS_KAFKA_BOOTSTRAP"], topic):
            if message["event_id"] == event_id:
                name = message["type"]
                schema = json.loads(published.read(f"{published.SCHEMAS}/{name}.json"))
                Draft202012Validator(schema).validate(message)
                found[name] += 1
    return found
