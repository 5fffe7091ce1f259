"""Examples, made from the schemas, so that none is forgotten and none goes stale.

Invariant: an example is valid against the schema it was made from, and the same every time. The
people and addresses are made up; `example.org` is reserved for this (RFC 2606).
"""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]

_REGISTRATION: Final = "0199d4b0-6c1e-7c2a-9d63-5b0f6e1a7c44"
_SITE: Final = "https://events.example.org"

WHOLE: Final[Mapping[str, Any]] = {
    "FewLeftDoc": {"share": 0.1},
    "EventPatch": {"status": "called_off", "reason": "The speaker has fallen ill."},
}
"""Objects whose members depend on each other, by the name of their schema."""

MEMBERS: Final[Mapping[str, Any]] = {
    "actor": "line",
    "also": ["buergerbeteiligung-im-sommer"],
    "answers": {},
    "act": "plan",
    "asked_by": "editor",
    "attempts": 1,
    "because": "One party of 2 seats is before it.",
    "BroadcastIn.reason": "The room has changed.",
    "BroadcastView.cancel_reason": None,
    "BroadcastView.cancelled_at": None,
    "BroadcastView.cancelled_by": None,
    "BroadcastView.pending": 12,
    "BroadcastView.reason": "The room has changed.",
    "BroadcastView.recipients": 38,
    "BroadcastView.sent": 26,
    "BroadcastsView.next_before": None,
    "by": None,
    "CancellationIn.reason": "The room stays the same.",
    "created_by": "editor",
    "FindingOut.code": "subject_missing",
    "FindingOut.detail": "There is no subject.",
    "FindingOut.word": "",
    "PreviewOut.html": "<p>What moves us in spring.</p>",
    "PreviewOut.preview": "What moves us in spring.",
    "PreviewOut.subject": "mitarbeiten 1/2027",
    "PreviewOut.text": "What moves us in spring.",
    "PreviewOut.web": "<p>What moves us in spring.</p>",
    "trouble": None,
    "words": {
        "en": {
            "title": "mitarbeiten 1/2027",
            "subject": "mitarbeiten 1/2027",
            "preview": "What moves us in spring.",
            "source": "::: lead\nWhat moves us in spring.\n:::\n",
        }
    },
    "WordsDoc.preview": "What moves us in spring.",
    "WordsDoc.source": "::: lead\nWhat moves us in spring.\n:::\n",
    "WordsDoc.subject": "mitarbeiten 1/2027",
    "WordsDoc.title": "mitarbeiten 1/2027",
    "wording": "I would like the newsletter four times a year.",
    "wording_version": "2026-11",
    "cancel_until": "2027-03-12T12:00:00+01:00",
    "capacity": 40,
    "changes": ["place"],
    "closes_at": "2027-03-17T12:00:00+01:00",
    "confirmed": 38,
    "contact": "Mara Lindqvist, +49 251 0000000",
    "date": "2027-03-19",
    "description": "## What it is about\n\nAn evening with examples from five towns.",
    "email": "elif.yildiz@example.org",
    "ends_at": "21:00:00",
    "event": "buergerbeteiligung-vor-ort",
    "event_id": "0199d4a1-3f0b-7a51-8e07-2c9d1b4f6e10",
    "held": 1,
    "id": "0199d4b1-0a57-7f3e-b1c8-94e2d07a5b21",
    "WaitlistLedgerView.next_before": 1041,
    "light": "yellow",
    "limit": 20,
    "LineDetails.ends_at": "2027-03-19T17:00:00Z",
    "LineView.free": 0,
    "LineView.length": 1,
    "LineView.next_after": None,
    "LineView.waiting": 1,
    "locale": "de",
    "mail_id": "0199d4b1-4d8e-7b02-a6f5-1e3c7d9b0a68",
    "MailFailedData.smtp_code": 550,
    "MailView.last_error": None,
    "MailView.message_id": "<0199d4b1-4d8e-7b02-a6f5-1e3c7d9b0a68@events.example.org>",
    "MailView.next_attempt_at": None,
    "MailView.smtp_code": None,
    "MailView.status": "sent",
    "manage_url": f"{_SITE}/registrations/{_REGISTRATION}/3q2-7wAAAAAAAAAAAAAAAA",
    "max_party": 2,
    "MessageDoc.subject": "We meet in another room",
    "MessageDoc.text": "We meet in the small hall.\n\nPlease use the entrance in the yard.",
    "media_type": "image/jpeg",
    "must_go": 3,
    "name": "Elif Yıldız",
    "number": None,
    "opens_at": "2027-01-15T09:00:00+01:00",
    "passes": 3,
    "place": "Münster, Stadthaus 1",
    "position": 3,
    "questions": {"organisation": {"type": "string", "title": "Organisation"}},
    "reason": "The speaker has fallen ill.",
    "RecordView.id": 1041,
    "RecordView.kind": "promoted",
    "RecordView.reason": None,
    "registration_id": _REGISTRATION,
    "SignedUpOut.id": _REGISTRATION,
    "SignedUpOut.status": "waitlisted",
    "series": "buergerbeteiligung",
    "slug": "buergerbeteiligung-vor-ort",
    "StandingOut.id": _REGISTRATION,
    "StandingOut.status": "waitlisted",
    "starts_at": "18:00:00",
    "state": "open",
    "summary": "How towns and citizens decide together.",
    "terms_accepted": True,
    "TextsDoc.de": {
        "subject": "Wir treffen uns in einem anderen Raum",
        "text": "Wir treffen uns im Kleinen Saal.\n\nBitte nehmen Sie den Eingang am Hof.",
    },
    "timezone": "Europe/Berlin",
    "title": "Bürgerbeteiligung vor Ort",
    "until": "2027-03-05T12:00:00+01:00",
    "url": f"{_SITE}/events/buergerbeteiligung-vor-ort",
    "waiting": 3,
    "WaitlistDoc.limit": 20,
    "WhyView.before": 1,
    "WhyView.seats_before": 2,
    "why": None,
}
"""Values by the name of a member, or of schema and member where one name has several meanings.
A value is taken where it fits; what is not named here follows from default and type."""

WITHIN: Final[Mapping[str, Mapping[tuple[str, str], Any]]] = {
    "EventCalledOffData": {("event", "status"): "called_off"},
}
"""Values two steps below a schema, where its name decides them."""

FORMATS: Final[Mapping[str, str]] = {
    "date": "2027-03-19",
    "date-time": "2027-02-03T10:15:30Z",
    "email": "elif.yildiz@example.org",
    "time": "18:00:00",
    "uri": _SITE,
    "uuid": "0199d4b1-0a57-7f3e-b1c8-94e2d07a5b21",
}


def example(schema: Schema, root: Schema, owner: str = "") -> Any:
    """A value that fits `schema`, whose references are looked up in `root`.

    `owner` is the name of the schema that it is a member of. Raises KeyError for a reference
    that is not there.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = name.partition("-")[0]
        return WHOLE.get(known) or example(resolve(schema["$ref"], root), root, known)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for variants in ("anyOf", "oneOf"):
        if variants in schema:
            return example(schema[variants][0], root, owner)
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {}).items()
            made = {name: _member(name, one, root, owner) for name, one in members}
            for (outer, inner), value in WITHIN.get(owner, {}).items():
                made[outer][inner] = value
            return made
        case "array":
            return [example(schema["items"], root, owner)]
        case "string":
            return FORMATS.get(schema.get("format", ""), "text")
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return None


def resolve(reference: str, root: Schema) -> Schema:
    """What a reference of the form `#/a/b` points to in `root`. Raises KeyError."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether `value` is valid against `schema`, whose references are looked up in `root`."""
    return Draft202012Validator({**root, **schema}).is_valid(value)


def _member(name: str, schema: Schema, root: Schema, owner: str) -> Any:
    """The value of the name, where it fits; else the default, where that is no object whose
    members would stay untold; else what the type says."""
    for key in (f"{owner}.{name}", name):
        if key in MEMBERS and fits(MEMBERS[key], schema, root):
            return MEMBERS[key]
    default = schema.get("default")
    return default if isinstance(default, str | int | float) else example(schema, root, owner)
