"""The operators' pages over a real database, asked over HTTP without a socket."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.clock import FixedClock
from services.kit.db import Database
from services.kit.ids import uuid7
from services.waitlist import pages, repository, service
from services.waitlist.domain.facts import Described, Fact, Freed, Joined, Left, LineRules
from services.waitlist.domain.model import Record
from tests.support.desks import application, clients, text_of

pytestmark = pytest.mark.stack

JOINED = datetime(2026, 3, 1, 11, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRICT = LineRules("automatic", "strict", 3, NOW + timedelta(days=30))


@dataclass(frozen=True)
class Kurs:
    """A line: two seats are free, the first needs three."""

    db: Database
    slug: str
    event_id: UUID
    parties: list[UUID]

    @property
    def at(self) -> str:
        return f"/admin/waitlist/{self.slug}"

    def entry_at(self, number: int) -> str:
        return f"{self.at}/entries/{self.parties[number - 1]}"

    async def take(self, *facts: Fact, now: datetime = NOW) -> None:
        async with self.db.transaction() as conn:
            await service.take(conn, {self.event_id: facts}, now)

    async def orders(self) -> list[Record]:
        """What operators have ordered, the oldest first."""
        async with self.db.read() as conn:
            rows = await repository.records_before(conn, self.event_id, None, None, 500)
        return [row.record for row in reversed(rows) if row.record.by]

    async def order(self) -> list[int]:
        """Who waits, by number."""
        async with self.db.read() as conn:
            _, found = await repository.waiting_after(conn, self.event_id, None, 500)
        return [self.parties.index(entry.registration_id) + 1 for entry in found]


async def line(db: Database, *sizes: int, free: int = 2, rules: LineRules = STRICT) -> Kurs:
    """A line in which parties of these sizes wait."""
    parties = [uuid7() for _ in sizes]
    event_id = uuid7()
    kurs = Kurs(db, f"kurs-{str(event_id)[-12:]}", event_id, parties)
    joined = [
        Joined(JOINED, party, seq, seats)
        for seq, (party, seats) in enumerate(zip(parties, sizes, strict=True), 1)
    ]
    title = f"Kurs <{str(event_id)[-4:]}> & mehr"
    await kurs.take(Described(NOW, kurs.slug, title, True, rules), *joined, Freed(NOW, free))
    return kurs


@pytest_asyncio.fixture
async def kurs(db: Database) -> Kurs:
    return await line(db, 3, 2, 1, 2)


@pytest_asyncio.fixture(scope="session")
async def desks(waitlist_url: str) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    app = application(waitlist_url)
    app.state.clock = FixedClock(NOW)
    async with clients(app) as opened:
        yield opened


@pytest.fixture
def vera(desks: dict[str, httpx.AsyncClient]) -> httpx.AsyncClient:
    """A viewer."""
    return desks["vera"]


@pytest.fixture
def edgar(desks: dict[str, httpx.AsyncClient]) -> httpx.AsyncClient:
    """An editor."""
    return desks["edgar"]


# --- Looking --------------------------------------------------------------------------------------


async def test_nobody_sees_anything_before_signing_in(
    desks: dict[str, httpx.AsyncClient], kurs: Kurs
) -> None:
    for path in ("/admin/waitlist", kurs.at, f"{kurs.at}/ledger", kurs.entry_at(1)):
        answer = await desks[""].get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/admin/login?next=%2Fadmin%2Fwaitlist")
    answer = await desks[""].post(f"{kurs.at}/pause", data={"reason": "Umbau"})
    assert answer.headers["location"].startswith("/admin/login?next=")
    assert await kurs.orders() == []


async def test_the_lines_with_their_numbers(vera: httpx.AsyncClient, kurs: Kurs) -> None:
    answer = await vera.get("/admin/waitlist")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    shown = await every_page(vera, "/admin/waitlist")
    (row,) = re.findall(rf'<tr>(?:(?!</tr>).)*href="{kurs.at}".*?</tr>', shown, re.DOTALL)
    assert text_of(f"<main>{row}</main>").endswith(
        "& mehr strictly in order, given at once 4 8 2 0 moving Ledger"
    )
    assert "<code" not in row
    assert "&lt;" in row


async def test_lines_where_nobody_waits_are_only_among_all(
    vera: httpx.AsyncClient, db: Database
) -> None:
    empty, called_off = await line(db, free=0), await line(db, 1, free=0)
    over = await line(db, 1, free=0, rules=LineRules("offer", "partial", 3, NOW))
    await called_off.take(Described(NOW, called_off.slug, "Kurs", open=False))
    for show in ("moving", "all"):
        shown = await every_page(vera, f"/admin/waitlist?show={show}")
        for one in (empty, called_off, over):
            assert (f'"{one.at}"' in shown) is (show == "all")


async def every_page(client: httpx.AsyncClient, path: str) -> str:
    """A page and all further ones."""
    found = ""
    while True:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        found += answer.text
        further = re.search(r'href="(/admin[^"]*[?;](?:after|before)=[^"]*)"', answer.text)
        if further is None:
            return found
        path = further[1].replace("&amp;", "&")


async def test_lines_are_paged_by_title_without_gap_or_repeat(
    vera: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await line(db, 1, free=0) for _ in range(5)]
    monkeypatch.setattr(pages, "PAGE", 2)
    shown = await every_page(vera, "/admin/waitlist")
    rows = re.findall(r'<th scope="row"[^>]*><a href="([^"]*)">([^<]*)', shown)
    addresses = [address for address, _ in rows]
    assert [addresses.count(one.at) for one in made] == [1] * 5
    titles = [title.lower() for _, title in rows]
    assert titles == sorted(titles)


async def test_a_line_says_what_is_held_and_why(vera: httpx.AsyncClient, kurs: Kurs) -> None:
    said = text_of((await vera.get(kurs.at)).text)
    assert "4 registrations wait for 8 places. 2 places are held for the line." in said
    assert "These are too few for the first, who needs 3 places." in said
    assert "Strictly in order: the first waits until its whole party fits" in said
    assert "Nobody moves up from Tuesday, 31 March 2026, 14:00 on" in said
    assert re.search(rf"1 {str(kurs.parties[0])[-12:]} 3 0 1 Mar 2026, 12:00", said)


async def test_a_line_is_paged_from_its_head(
    vera: httpx.AsyncClient, kurs: Kurs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE", 3)
    shown = await every_page(vera, kurs.at)
    assert re.findall(r'<td class="number table-place">(\d)', shown) == list("1234")
    assert [UUID(one) for one in re.findall(r'entries/([^"]*)"', shown)] == kurs.parties


async def test_who_is_called_up_stands_apart(vera: httpx.AsyncClient, db: Database) -> None:
    kurs = await line(db, 1, 1)
    said = text_of((await vera.get(kurs.at)).text)
    assert "Nobody is waiting." in said
    assert f"{str(kurs.parties[0])[-12:]} 1 moving up" in said


async def test_the_ledger_is_paged_and_names_who_decided(
    vera: httpx.AsyncClient, edgar: httpx.AsyncClient, kurs: Kurs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await edgar.post(f"{kurs.at}/pause", data={"reason": "Der Saal <wird> getauscht"})
    monkeypatch.setattr(pages, "PAGE", 2)
    shown = await every_page(vera, f"{kurs.at}/ledger")
    said = [text_of(f"<main>{row}</main>") for row in re.findall(r"<tr.*?</tr>", shown, re.DOTALL)]
    rows = [row for row in said if not row.startswith("When")]
    assert len(rows) == 6
    assert rows[0] == ("1 Mar 2026, 13:00 Paused the line. Der Saal <wird> getauscht edgar")
    assert rows[1] == "1 Mar 2026, 13:00 2 places became free for the line. registration"
    assert rows[5].startswith("1 Mar 2026, 12:00 Joined the waiting list for 3 places.")


async def test_why_somebody_stands_where_they_stand(vera: httpx.AsyncClient, kurs: Kurs) -> None:
    said = text_of((await vera.get(kurs.entry_at(2))).text)
    assert "This registration is number 2 in line." in said
    assert "2 places are free, and it would fit. One registration waits before it (3 places)." in (
        said
    )
    assert "The rule is strict: nobody is passed." in said
    assert str(kurs.parties[1]) in said
    first = text_of((await vera.get(kurs.entry_at(1))).text)
    assert "2 places are free, and its party needs 3." in first
    assert "Still missing 1 place" in first


async def test_pages_speak_german(vera: httpx.AsyncClient, kurs: Kurs) -> None:
    german = {"accept-language": "de"}
    answer = await vera.get(kurs.at, headers=german)
    assert answer.headers["content-language"] == "de"
    assert '<html lang="de">' in answer.text
    said = text_of(answer.text)
    assert "4 Anmeldungen warten auf 8 Plätze. 2 Plätze sind für die Warteliste" in said
    assert "Ab Dienstag, 31. März 2026, 14:00 Uhr rückt niemand mehr nach" in said
    said = text_of((await vera.get(kurs.entry_at(2), headers=german)).text)
    assert "Diese Anmeldung steht an 2. Stelle der Warteliste." in said
    assert "Vor ihr wartet eine Anmeldung (3 Plätze)." in said
    chosen = await vera.get(f"{kurs.at}?lang=de")
    assert "lang=de" in chosen.headers["set-cookie"]
    vera.cookies.clear()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nirgends", "There is no waiting list of this name."),
        ("nirgends/ledger", "There is no waiting list of this name."),
        (f"nirgends/entries/{uuid7()}", "There is no waiting list of this name."),
        ("a%00b", "There is nothing at this address."),
        ("{slug}/entries/nonsense", "There is nothing at this address."),
        (f"{{slug}}/entries/{uuid7()}", "This registration never stood in this line."),
    ],
)
async def test_what_is_not_there_is_a_page(
    vera: httpx.AsyncClient, kurs: Kurs, path: str, told: str
) -> None:
    answer = await vera.get("/admin/waitlist/" + path.format(slug=kurs.slug))
    assert (answer.status_code, told in answer.text) == (404, True)


@pytest.mark.parametrize("query", ["after=x", f"after={2**63}", "show=neither"])
async def test_a_bad_query_is_a_page(vera: httpx.AsyncClient, kurs: Kurs, query: str) -> None:
    for path in ("/admin/waitlist", kurs.at):
        answer = await vera.get(f"{path}?{query}")
        if answer.status_code != 200:
            assert (answer.status_code, "That did not work." in answer.text) == (422, True)


# --- Finding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "{id}",
        " {id} ",
        "{ID}",
        "{end}",
        "https://einlass.example.org/registrations/{id}/c2VjcmV0c2VjcmV0c2VjcQ?new=1",
    ],
)
async def test_a_registration_is_found(vera: httpx.AsyncClient, kurs: Kurs, typed: str) -> None:
    one = str(kurs.parties[2])
    wish = typed.format(id=one, ID=one.upper(), end=one[-12:])
    answer = await vera.post("/admin/waitlist", data={"registration": wish})
    assert (answer.status_code, answer.headers["location"]) == (303, kurs.entry_at(3))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Please give an id"),
        ("Müller", "Please give an id"),
        (str(uuid7()), "No registration of this id ever stood in a line."),
        ("0" * 12, "No registration of this id ever stood in a line."),
        ("https://x/registrations/nonsense/c2VjcmV0", "Please give an id"),
    ],
)
async def test_what_cannot_be_found_is_told(vera: httpx.AsyncClient, typed: str, told: str) -> None:
    answer = await vera.post("/admin/waitlist", data={"registration": typed})
    assert (answer.status_code, told in answer.text) == (422, True)
    # A person's secret, which may stand in what was typed, is not shown again.
    assert "c2VjcmV0" not in answer.text


# --- Acting ---------------------------------------------------------------------------------------

REASON = "Mit der Leitung abgesprochen: Rollstuhlplatz"


async def test_pause_and_resume_are_orders_with_name_and_reason(
    edgar: httpx.AsyncClient, kurs: Kurs
) -> None:
    answer = await edgar.post(f"{kurs.at}/pause", data={"reason": f"  {REASON} "})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{kurs.at}?done=paused")
    said = text_of((await edgar.get(answer.headers["location"])).text)
    assert "The line is paused." in said
    assert f"Paused by edgar on Sunday, 1 March 2026, 13:00: {REASON}" in said
    assert "paused, by edgar" in text_of((await edgar.get(kurs.entry_at(1))).text)

    await kurs.take(Freed(NOW, 1))
    assert await kurs.order() == [1, 2, 3, 4]
    answer = await edgar.post(f"{kurs.at}/resume", data={"reason": "Weiter"})
    assert answer.headers["location"] == f"{kurs.at}?done=resumed"
    assert "The line goes on." in (await edgar.get(answer.headers["location"])).text
    assert await kurs.order() == [2, 3, 4]
    assert [(r.kind.value, r.by, r.why) for r in await kurs.orders()] == [
        ("paused", "edgar", REASON),
        ("resumed", "edgar", "Weiter"),
    ]


async def test_whoever_fits_is_promoted_by_hand_at_once(
    edgar: httpx.AsyncClient, kurs: Kurs
) -> None:
    before = text_of((await edgar.get(kurs.entry_at(2))).text)
    assert "Enough is free for its party: it moves up at once" in before
    answer = await edgar.post(f"{kurs.entry_at(2)}/promotion", data={"reason": REASON})
    assert answer.headers["location"] == f"{kurs.entry_at(2)}?done=promotion"
    said = text_of((await edgar.get(answer.headers["location"])).text)
    assert "The registration moves up. This registration is moving up." in said
    assert f"promoted by hand by edgar on Sunday, 1 March 2026, 13:00: “{REASON}”" in said
    assert await kurs.order() == [1, 3, 4]
    assert [(r.kind.value, r.by, r.why, r.registration_id) for r in await kurs.orders()] == [
        ("by_hand", "edgar", REASON, kurs.parties[1]),
        ("promoted", "edgar", REASON, kurs.parties[1]),
    ]


async def test_whoever_does_not_fit_is_the_next(edgar: httpx.AsyncClient, db: Database) -> None:
    kurs = await line(db, 3, 1, 3)
    assert "It goes before 2 registrations" in (await edgar.get(kurs.entry_at(3))).text
    answer = await edgar.post(f"{kurs.entry_at(3)}/promotion", data={"reason": REASON})
    said = text_of((await edgar.get(answer.headers["location"])).text)
    assert "The registration is the next in line, as soon as enough is free" in said
    assert "This registration is number 1 in line." in said
    assert await kurs.order() == [3, 1, 2]
    (order,) = await kurs.orders()
    assert (order.kind.value, order.by, order.why) == ("by_hand", "edgar", REASON)


async def test_priority_changes_the_order(desks: dict[str, httpx.AsyncClient], kurs: Kurs) -> None:
    answer = await desks["ada"].post(
        f"{kurs.entry_at(4)}/priority", data={"reason": REASON, "priority": " 5 "}
    )
    assert answer.headers["location"] == f"{kurs.entry_at(4)}?done=priority"
    assert "The priority is 5 now." in (await desks["ada"].get(answer.headers["location"])).text
    # It fits, and nobody is before it any more: the rule promotes it.
    assert await kurs.order() == [1, 2, 3]
    (order,) = await kurs.orders()
    assert (order.kind.value, order.number, order.by, order.why) == ("priority", 5, "ada", REASON)


ORDERS = ("pause", "resume", "promotion", "priority")


def order_at(kurs: Kurs, order: str) -> str:
    return f"{kurs.at}/{order}" if order in ("pause", "resume") else f"{kurs.entry_at(2)}/{order}"


@pytest.mark.parametrize("order", ORDERS)
async def test_a_viewer_may_only_look(vera: httpx.AsyncClient, kurs: Kurs, order: str) -> None:
    answer = await vera.post(order_at(kurs, order), data={"reason": REASON, "priority": "1"})
    assert answer.status_code == 403
    assert "Your role may only look." in answer.text
    assert await kurs.orders() == []
    for path in (kurs.at, kurs.entry_at(2)):
        shown = (await vera.get(path)).text
        assert f'action="{kurs.at}' not in shown
        assert "needs the role of an editor" in shown


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://boese.example.net"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_no_other_site_gives_an_order(
    edgar: httpx.AsyncClient, kurs: Kurs, order: str, headers: dict[str, str]
) -> None:
    answer = await edgar.post(
        order_at(kurs, order), data={"reason": REASON, "priority": "1"}, headers=headers
    )
    assert answer.status_code == 403
    assert "This form came from another site." in answer.text
    assert await kurs.orders() == []


@pytest.mark.parametrize("order", ORDERS)
async def test_nothing_is_done_by_looking(edgar: httpx.AsyncClient, kurs: Kurs, order: str) -> None:
    answer = await edgar.get(f"{order_at(kurs, order)}?lang=de&reason=x&priority=1")
    page = kurs.at if order in ("pause", "resume") else kurs.entry_at(2)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{page}?lang=de&reason=x&priority=1"
    assert await kurs.orders() == []


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("", "Please say why."),
        ("   ", "Please say why."),
        ("x" * 501, "Please use 500 characters at most."),
        ("zwei\r\nZeilen", "Please write the reason in one line"),
        ("ein\0Nichts", "Please write the reason in one line"),
    ],
)
@pytest.mark.parametrize("order", ["pause", "promotion", "priority"])
async def test_an_order_needs_a_reason(
    edgar: httpx.AsyncClient, kurs: Kurs, order: str, reason: str, told: str
) -> None:
    answer = await edgar.post(order_at(kurs, order), data={"reason": reason, "priority": "7"})
    assert answer.status_code == 422
    assert "Nothing was changed." in answer.text
    assert answer.text.count(told) == 2
    assert f'href="#{order}-reason"' in answer.text
    assert f'id="{order}-reason-error"' in answer.text
    if order == "priority":
        assert 'value="7"' in answer.text
    assert await kurs.orders() == []


@pytest.mark.parametrize("number", ["", "viel", "1.5", "1001", "-1001", "9" * 5000])
async def test_a_priority_is_a_number(edgar: httpx.AsyncClient, kurs: Kurs, number: str) -> None:
    sent = {"reason": REASON, "priority": number}
    answer = await edgar.post(f"{kurs.entry_at(2)}/priority", data=sent)
    assert answer.status_code == 422
    assert answer.text.count("Please give a whole number from -1000 to 1000.") == 2
    assert f'value="{REASON}"' in answer.text
    assert await kurs.orders() == []


async def test_what_is_in_the_way_is_told_on_the_page(
    edgar: httpx.AsyncClient, db: Database
) -> None:
    async def told(kurs: Kurs, order: str) -> str:
        answer = await edgar.post(order_at(kurs, order), data={"reason": "r", "priority": "1"})
        assert answer.status_code == 409
        said = text_of(answer.text)
        assert "Nothing was changed." in said
        assert 'role="alert" tabindex="-1" autofocus' in answer.text
        return said

    kurs = await line(db, 3, 2)
    assert "The line is not paused any more." in await told(kurs, "resume")
    await edgar.post(f"{kurs.at}/pause", data={"reason": "r"})
    assert "Somebody has paused the line already." in await told(kurs, "pause")
    await kurs.take(Left(NOW, kurs.parties[1]))
    assert "This registration does not wait any more." in await told(kurs, "promotion")
    assert "This registration does not wait any more." in await told(kurs, "priority")

    over = await line(db, 1, 1, free=0, rules=LineRules("offer", "strict", 3, NOW))
    assert "The line's end has come" in await told(over, "promotion")
    off = await line(db, 1, 1, free=0)
    await off.take(Described(NOW, off.slug, "Kurs", open=False))
    for order in ORDERS:
        assert "its line is closed for good" in await told(off, order)


async def test_a_database_that_is_away_is_told_of(
    desks: dict[str, httpx.AsyncClient], edgar: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(conn: AsyncConnection, *_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(repository, "lines_after", away)
    answer = await edgar.get("/admin/waitlist")
    assert answer.status_code == 503
    assert "A part of the installation does not answer." in answer.text
