"""The main job over HTTP on the real stack: sign up, wait, move up, and get the mails."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deploy.local import Stack
from tests.support import events, people
from tests.support.mailbox import Mailbox
from tests.support.waiting import until

pytestmark = pytest.mark.stack

SUBJECTS = {
    "de": ("Ihr Platz:", "Warteliste:", "Sie sind nachgerückt:", "Ihre Abmeldung:"),
    "en": ("Your place:", "Waiting list:", "You have moved up:", "Your cancellation:"),
}


class Lights:
    """What an open page hears of one event: (monotonic seconds, lamp)."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.heard: list[tuple[float, str | None]] = []

    @property
    def lamps(self) -> list[str | None]:
        return [lamp for _, lamp in self.heard]

    async def listen(self, url: str) -> None:
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream("GET", f"{url}/api/v1/availability/stream") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    change = json.loads(line[5:])
                    if change["slug"] == self.slug:
                        self.heard.append((time.monotonic(), change["light"]))


@asynccontextmanager
async def lights(url: str, slug: str) -> AsyncIterator[Lights]:
    """Listens to the stream of lights."""
    found = Lights(slug)
    task = asyncio.create_task(found.listen(url))
    try:
        await until(_same(found), lambda f: bool(f.heard))
        yield found
    finally:
        task.cancel()


def _same(found: Lights) -> Any:
    async def look() -> Lights:
        return found

    return look


@pytest.mark.parametrize("locale", ["de", "en"])
async def test_three_places_six_people_one_cancels(
    stack: Stack,
    admin: httpx.AsyncClient,
    public: httpx.AsyncClient,
    mailbox: Mailbox,
    locale: str,
) -> None:
    made = events.event(capacity=3, few_left={"seats": 1})
    domain = events.domain()
    (await admin.post("/events", json=made)).raise_for_status()
    slug = made["slug"]

    async def listed() -> bool:
        return (await public.get(f"/events/{slug}")).status_code == 200

    await until(listed, bool, timeout=2)
    async with lights(stack.public_url, slug) as seen:
        signed = []
        answered = []
        for number in range(6):
            signed.append(await people.sign_up(public, slug, number, domain, locale=locale))
            answered.append(time.monotonic())
        assert [s.status for s in signed] == ["confirmed"] * 3 + ["waitlisted"] * 3
        assert [s.position for s in signed] == [None, None, None, 1, 2, 3]

        await until(_same(seen), lambda f: f.lamps[-1] == "red", timeout=5)
        assert seen.lamps == ["green", "yellow", "red"]
        assert seen.heard[1][0] - answered[1] < 1, "yellow came late"
        assert seen.heard[2][0] - answered[2] < 1, "red came late"

        await people.cancel(public, signed[1])
        moved = await until(
            lambda: people.standing(public, signed[3]), lambda s: s["status"] == "confirmed"
        )
        assert moved["status"] == "confirmed"
        assert (await people.standing(public, signed[4]))["position"] == 1
        assert (await people.standing(public, signed[5]))["position"] == 2
        assert (await people.standing(public, signed[1]))["status"] == "cancelled"
        assert seen.lamps[-1] == "red", "two still wait"

    mails = await mailbox.wait(domain, lambda m: len(m) >= 8)
    await asyncio.sleep(1)
    mails = await mailbox.to(domain)
    assert len(mails) == 8
    place, line, moved_up, cancelled = SUBJECTS[locale]
    got = Counter(
        (str(m["To"]).split("@")[0].split("<")[-1], _kind(str(m["Subject"]), locale)) for m in mails
    )
    assert got == Counter(
        [
            *((f"gast-{n}", place) for n in (0, 1, 2)),
            *((f"gast-{n}", line) for n in (3, 4, 5)),
            ("gast-3", moved_up),
            ("gast-1", cancelled),
        ]
    )
    for mail in mails:
        text = mail.get_body(("plain",))
        assert text is not None
        assert made["title"] in text.get_content()
        assert f"{stack.public_url}/registrations/" in text.get_content()
    counts = (await admin.get(f"/events/{slug}")).json()["counts"]
    assert counts == {"capacity": 3, "confirmed": 3, "held": 0, "waiting": 2}


def _kind(subject: str, locale: str) -> str:
    """Which of the mails a subject announces. Raises StopIteration for none."""
    return next(word for word in SUBJECTS[locale] if subject.startswith(word))


async def test_no_number_of_seats_is_public(
    stack: Stack, admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    """Numbers that nobody could mistake are set, and looked for in all that the public gets."""
    made = events.event(capacity=7919, few_left={"seats": 4243}, max_party=1)
    made["waitlist"] = {"limit": 6133}
    (await admin.post("/events", json=made)).raise_for_status()
    slug = made["slug"]
    await until(lambda: public.get(f"/events/{slug}"), lambda a: a.status_code == 200, timeout=2)
    signed = await people.sign_up(public, slug, 1, events.domain())
    async with httpx.AsyncClient(base_url=stack.public_url, timeout=30) as site:
        manage = httpx.URL(signed.answer["manage_url"]).path
        answers = [
            await site.get(path)
            for path in (
                "/events",
                f"/events/{slug}",
                f"/events/{slug}.ics",
                manage,
                f"{manage}/cancel",
                "/api/v1/events?when=all",
                f"/api/v1/events/{slug}",
                "/api/v1/availability",
            )
        ]
    for answer in answers:
        assert answer.status_code == 200, answer.url
        whole = answer.text + "".join(f"{k}: {v}\n" for k, v in answer.headers.items())
        for number in ("7919", "7.919", "7,919", "7918", "4243", "6133"):
            assert number not in whole, (answer.url, number)
        for word in ('"capacity":', '"confirmed":', '"held":', '"waiting":', "remainingAttendee"):
            assert word not in whole, (answer.url, word)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 400, "not_json"),
        (b"x" * 70_000, 413, "body_too_large"),
        (b"[]", 400, "not_json"),
        (b'{"name":"A","email":"no address","terms_accepted":true}', 422, "invalid"),
        (b'{"name":"A\\u0000","email":"a@example.org","terms_accepted":false}', 422, "invalid"),
    ],
)
async def test_each_mistake_has_its_own_problem(
    admin: httpx.AsyncClient, public: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    made = events.event()
    (await admin.post("/events", json=made)).raise_for_status()
    answer = await public.post(
        f"/events/{made['slug']}/registrations",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    counts = (await admin.get(f"/events/{made['slug']}")).json()["counts"]
    assert counts["confirmed"] == counts["waiting"] == 0


async def test_doubles_repeats_and_wrong_keys(
    admin: httpx.AsyncClient, public: httpx.AsyncClient
) -> None:
    made, domain = events.event(capacity=2), events.domain()
    (await admin.post("/events", json=made)).raise_for_status()
    path, who = f"/events/{made['slug']}/registrations", events.person(1, domain)
    first = await public.post(path, json=who, headers={"Idempotency-Key": "one"})
    again = await public.post(path, json=who, headers={"Idempotency-Key": "one"})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    other = events.person(2, domain)
    reused = await public.post(path, json=other, headers={"Idempotency-Key": "one"})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    double = await public.post(path, json={**who, "email": who["email"].upper()})
    assert (double.status_code, double.json()["code"]) == (409, "already_registered")
    unknown = await public.post("/events/nobody-knows-it/registrations", json=who)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    signed = people.Signed(first.json())
    wrong = await public.get(signed.path, headers={"Authorization": "Bearer " + "A" * 22})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "not_found")
    assert (await people.cancel(public, signed))["status"] == "cancelled"
    assert (await people.cancel(public, signed))["status"] == "cancelled"
    counts = (await admin.get(f"/events/{made['slug']}")).json()["counts"]
    assert counts == {"capacity": 2, "confirmed": 0, "held": 0, "waiting": 0}
    closed = events.event(registration={"closes_at": "2020-01-01T00:00:00Z"})
    (await admin.post("/events", json=closed)).raise_for_status()
    late = await public.post(f"/events/{closed['slug']}/registrations", json=who)
    assert (late.status_code, late.json()["code"]) == (409, "registration_closed")
    full = events.event(capacity=1, waitlist={"enabled": False})
    (await admin.post("/events", json=full)).raise_for_status()
    await people.sign_up(public, full["slug"], 1, domain)
    booked = await public.post(f"/events/{full['slug']}/registrations", json=other)
    assert (booked.status_code, booked.json()["code"]) == (409, "event_full")
