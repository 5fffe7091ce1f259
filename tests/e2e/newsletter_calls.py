"""Every operation of the newsletter's API once, for test_contracts_hold.py."""

from typing import Any

import httpx

from tests.support import events
from tests.support.waiting import until

NOWHERE = "00000000-0000-7000-8000-000000000000"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ff"
    "ff3f0005fe02fe0def46b80000000049454e44ae426082"
)
WORDS = {
    locale: {
        "title": "mitarbeiten",
        "subject": "mitarbeiten",
        "source": "::: lead\nWas uns bewegt.\n:::\n\n::: imprint\nStiftung, Münster\n:::\n",
    }
    for locale in ("de", "en")
}


async def subscribe(operator: httpx.AsyncClient, anybody: httpx.AsyncClient) -> None:
    """Subscribers come by API and file, are found, and are suppressed and released again."""
    people, stopped = "/newsletter/subscribers", "/newsletter/suppressions"
    domain, why = events.domain(), {"reason": "Auf eigenen Wunsch"}
    body = {"email": f"anna@{domain}", "locale": "de"}
    await anybody.post("/newsletter/subscriptions", json=body)
    await anybody.post("/newsletter/subscriptions", json={**body, "email": "niemand"})
    file = f"email,locale,status\nben@{domain},en,active\n"
    csv = {"content-type": "text/csv"}
    await operator.post(f"{people}/import", params=why, content=file, headers=csv)
    await operator.post(f"{people}/import", params=why, content="was,ist\ndas,hier", headers=csv)
    await operator.get(people)
    await operator.get(f"{people}/counts")
    await operator.get(f"{people}/export")
    found = (await operator.post(f"{people}/search", json={"email": f"ben@{domain}"})).json()
    ben = found["subscribers"][0]["id"]
    await operator.get(f"{people}/{ben}/evidence")
    await operator.get(f"{people}/{NOWHERE}/evidence")
    for _ in range(2):
        await operator.post(f"{people}/{ben}/unsubscription", json=why)
    for _ in range(2):
        await operator.post(f"{people}/{ben}/erasure", json=why)
    await anybody.post(
        "/newsletter/bounces", content=b"", headers={"content-type": "message/rfc822"}
    )
    kept = await operator.post(stopped, json={"email": f"carla@{domain}", **why})
    await operator.get(stopped)
    for _ in range(2):
        await operator.post(f"{stopped}/{kept.json()['id']}/removal", json=why)


async def publish(operator: httpx.AsyncClient) -> None:
    """An issue is written, tried, planned, held back and sent."""
    issues = "/newsletter/issues"
    made = (await operator.post(issues, json={"words": WORDS})).json()
    one = f"{issues}/{made['id']}"
    await operator.get(issues)
    await operator.get(f"{issues}/{NOWHERE}")
    changed = await operator.patch(one, json={"version": made["version"], "words": WORDS})
    await operator.patch(one, json={"version": made["version"], "words": WORDS})
    for act in (operator.delete(one), operator.post(f"{one}/restoration")):
        await act
    await operator.get(f"{one}/preview", params={"locale": "de"})
    await operator.post(f"{one}/trial", json={"to": f"anna@{events.domain()}", "locale": "de"})
    await pictures(operator, one)

    year = changed.json()["created_at"][:4]
    await operator.get(f"/newsletter/plan/{year}")
    date = {"day": f"{year}-12-15", "time": "09:00"}
    await operator.put(f"/newsletter/plan/{year}/4", json=date)
    await operator.get(f"{one}/checks", params={"links": "false"})
    await operator.get(f"{one}/counts")
    await operator.get(f"{one}/clicks")
    await operator.post(f"{one}/stop")
    await operator.post(f"{one}/resume")
    version = await _version(operator, one)
    later = {"version": version, "at": f"{int(year) + 1}-12-31T12:00:00+01:00", "second": True}
    await operator.put(f"{one}/plan", json=later)
    for _ in range(2):
        await operator.delete(f"{one}/plan")
    now = {"version": await _version(operator, one), "now": True, "second": True}
    await operator.put(f"{one}/plan", json=now)
    await until(lambda: operator.get(one), lambda answer: answer.json()["status"] == "sent")
    await operator.get(f"{one}/counts")
    await operator.post(f"{one}/stop")
    await operator.get(f"{one}/clicks")
    await operator.get(f"{one}/unreached.csv")
    await operator.get(f"{one}/log")


async def pictures(operator: httpx.AsyncClient, issue: str) -> None:
    """A picture is kept, listed and taken away; what is none is refused."""
    png: dict[str, Any] = {"headers": {"content-type": "image/png"}}
    await operator.put(f"{issue}/pictures/punkt.png", content=PNG, **png)
    await operator.put(f"{issue}/pictures/text.png", content=b"Text", **png)
    await operator.get(f"{issue}/pictures")
    for _ in range(2):
        await operator.delete(f"{issue}/pictures/punkt.png")


async def _version(operator: httpx.AsyncClient, issue: str) -> int:
    return int((await operator.get(issue)).json()["version"])
