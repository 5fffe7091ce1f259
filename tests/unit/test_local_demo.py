"""The demo programme shows one event of each kind, on whatever day it is loaded."""

from datetime import date, datetime, timedelta

import httpx
import pytest

from deploy.local import demo
from deploy.local.plan import StackError

TODAY = date(2026, 3, 12)
PAST = "digitale-stadt-gemeinsam-entwickeln"


def test_the_past_seminar_is_as_it_was() -> None:
    event = next(entry.event for entry in demo.programme(TODAY) if entry.slug == PAST)

    assert event["title"] == "Die digitale Stadt gemeinsam mit den Bürger/innen entwickeln"
    assert event["days"] == [{"date": "2023-08-25"}, {"date": "2023-08-26"}]
    assert event["place"] == "Münster"
    assert "contact" not in event


@pytest.mark.parametrize("ahead", [0, 1, 2, 3, 4, 5, 6, 400])
def test_all_others_lie_ahead_and_close_before_they_begin(ahead: int) -> None:
    today = TODAY + timedelta(days=ahead)

    for entry in demo.programme(today):
        if entry.slug == PAST:
            continue
        first = date.fromisoformat(entry.event["days"][0]["date"])
        window = entry.event["registration"]
        assert first > today
        for end in ("closes_at", "cancel_until"):
            if end in window:
                assert today < datetime.fromisoformat(window[end]).date() <= first


def test_weekdays_are_kept() -> None:
    event = next(e.event for e in demo.programme(TODAY) if e.slug == "junge-menschen-beteiligen")

    assert [date.fromisoformat(day["date"]).strftime("%a") for day in event["days"]] == [
        "Sat",
        "Sun",
    ]


def test_there_is_one_of_each_kind() -> None:
    entries = [entry for entry in demo.programme(TODAY) if entry.slug != PAST]
    kinds = [_kind(entry) for entry in entries]

    assert set(kinds) == {"green", "yellow", "red with a line", "not yet open", "called off"}


@pytest.mark.parametrize(
    ("today", "offset"), [(date(2026, 4, 1), "+02:00"), (date(2026, 11, 1), "+01:00")]
)
def test_moments_carry_the_offset_of_berlin_on_their_day(today: date, offset: str) -> None:
    event = next(e.event for e in demo.programme(today) if "konflikte" in e.slug)

    assert event["registration"]["closes_at"].endswith(f"T18:00:00{offset}")


def test_every_text_has_a_summary_and_several_paragraphs() -> None:
    for entry in demo.programme(TODAY):
        assert 60 <= len(entry.event["summary"]) <= 200
        assert entry.event["description"].count("\n\n") >= 2
        assert len(entry.event["title"]) <= 80


class Site:
    """A site that remembers what it was sent, and answers as it is told."""

    def __init__(self, known: set[str], refuses: int | None = None) -> None:
        self.known = known
        self.sent: list[tuple[str, str]] = []
        self._refuses = refuses

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET":
            return httpx.Response(200 if path.rpartition("/")[2] in self.known else 404)
        self.sent.append((request.method, path))
        if self._refuses is not None:
            return httpx.Response(self._refuses, text="no")
        return httpx.Response(201)


def _load(monkeypatch: pytest.MonkeyPatch, site: Site) -> list[str]:
    client = httpx.Client

    def make(base_url: str, **_: object) -> httpx.Client:
        return client(base_url=base_url, transport=httpx.MockTransport(site))

    monkeypatch.setattr(httpx, "Client", make)
    return demo.load("http://site.test", "a token", lambda _line: None)


def test_only_what_is_missing_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    slugs = {entry.slug for entry in demo.programme(TODAY)}
    site = Site(known=slugs - {"konflikte-in-der-beteiligung"})

    assert _load(monkeypatch, site) == ["konflikte-in-der-beteiligung"]
    assert site.sent[0] == ("POST", "/api/v1/admin/events")
    sign_up = ("POST", "/api/v1/events/konflikte-in-der-beteiligung/registrations")
    assert site.sent[1:] == [sign_up] * 8


def test_a_refusal_is_told_with_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match="422: no"):
        _load(monkeypatch, Site(known=set(), refuses=422))


def _kind(entry: demo.Entry) -> str:
    if entry.called_off:
        return "called off"
    if "opens_at" in entry.event["registration"]:
        return "not yet open"
    left = entry.event["capacity"] - sum(entry.parties)
    few = entry.event["few_left"]
    if left < 0:
        return "red with a line"
    limit = few["seats"] if "seats" in few else few["share"] * entry.event["capacity"]
    return "yellow" if left <= limit else "green"
