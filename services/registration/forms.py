"""The sign-up form of a page: reading what was sent, and showing it again.

Invariant: what a person typed is never lost to an error. What it means is judged by the rules
that the API has too (`domain.form`); here it is only read, and its errors are put into words.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import FormData

from services.contracts.envelope import Locale
from services.kit.errors import FieldError
from services.registration.domain.event import Event
from services.registration.domain.form import MAX_NAME, SignUp
from services.registration.line_views import MAX_DATES, Date

Gettext = Callable[[str], str]

ANSWER: Final = "answer."
ALSO: Final = "also"
_FORM_ID: Final = re.compile(r"[\w-]{16,64}", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One field, as the macros of `look/field.html` show it.

    `kind`: "text", "choice" or "tick". `value` is what was typed. `options` are (value, label)
    pairs of a choice.
    """

    kind: str
    name: str
    id: str
    label: str
    value: str
    error: str = ""
    hint: str = ""
    required: bool = True
    options: Sequence[tuple[str, str]] = ()
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def summed_up(self) -> str:
        """The error away from its field. Errors of an organiser's question do not name it."""
        named = self.name.startswith(ANSWER)
        return f"{self.label} – {self.error}" if named else self.error


@dataclass(frozen=True, slots=True)
class Dates:
    """Further dates of a series, of which any number can be ticked; `picked` are their slugs."""

    dates: Sequence[Date]
    picked: frozenset[str]
    error: str
    id: str = ALSO

    @property
    def summed_up(self) -> str:
        """The error away from its field."""
        return self.error


def also(form: FormData) -> tuple[str, ...]:
    """The slugs of the other events that were ticked, each once."""
    ticked = [slug for slug in form.getlist(ALSO) if isinstance(slug, str)]
    return tuple(dict.fromkeys(ticked))[:MAX_DATES]


def whole(text: str) -> int:
    """A whole number as it was typed; 0, which fits nowhere, where it is none."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else 0


def sign_up(event: Event, sent: Mapping[str, str], also: tuple[str, ...], locale: Locale) -> SignUp:
    """What the form says; anything that cannot be read stays as it is and is found later."""
    return SignUp(
        name=sent.get("name", ""),
        email=sent.get("email", ""),
        seats=whole(sent.get("seats", "1")),
        answers=_answers(event.questions, sent),
        terms_accepted=sent.get("terms_accepted") == "yes",
        locale=locale,
        also=also,
        newsletter=sent.get("newsletter") == "yes",
    )


def form_id(sent: Mapping[str, str]) -> str:
    """The id of the form that was sent, which makes two clicks one sign-up; empty in a form that
    is new, where the script fills it in. Never one of ours: a page may come from a cache, and
    whoever has the same id and sends the same words is led to the same person's page."""
    known = sent.get("form_id", "")
    return known if _FORM_ID.fullmatch(known) else ""


def idempotency_key(known: str, sent: SignUp) -> str | None:
    """The same for the same form sent twice with the same words in it; None without a form id."""
    if not _FORM_ID.fullmatch(known):
        return None
    return hashlib.sha256(known.encode() + sent.digest()).hexdigest()


def fields(
    event: Event, sent: Mapping[str, str], errors: Sequence[FieldError], _: Gettext
) -> list[Field]:
    """The form's fields but the terms, in order, with what was typed and what is wrong."""
    wrong = {error.pointer: _sentence(error, event, _) for error in reversed(errors)}
    found = [
        Field(
            kind="text",
            name="name",
            id="name",
            label=_("Name"),
            value=sent.get("name", ""),
            error=wrong.get("#/name", ""),
            attributes={"autocomplete": "name", "maxlength": MAX_NAME},
        ),
        Field(
            kind="text",
            name="email",
            id="email",
            label=_("E-mail address"),
            value=sent.get("email", ""),
            error=wrong.get("#/email", ""),
            hint=_("We send the confirmation and your own link to this address."),
            attributes={"type": "email", "autocomplete": "email", "spellcheck": "false"},
        ),
    ]
    if event.max_party > 1:
        found.append(_seats(event, sent, wrong.get("#/seats", ""), _))
    for name, schema in event.questions.items():
        found.append(_question(name, schema, sent, wrong.get(f"#/answers/{name}", ""), _))
    return found


def dates(
    found: Sequence[Date], picked: Sequence[str], errors: Sequence[FieldError], _: Gettext
) -> Dates:
    """The further dates to tick, with what was ticked and whether one of them does not fit."""
    bad = [error for error in errors if error.pointer.startswith(f"#/{ALSO}/")]
    return Dates(
        dates=found,
        picked=frozenset(picked),
        error=_(
            "One of these dates does not take your sign-up as it is, perhaps because it allows "
            "fewer places for one person. Please tick other dates."
        )
        if bad
        else "",
    )


def terms(sent: Mapping[str, str], errors: Sequence[FieldError], _: Gettext) -> Field:
    """The box to tick for the terms; its label is the template's, since it holds a link."""
    missing = any(error.pointer == "#/terms_accepted" for error in errors)
    return Field(
        kind="tick",
        name="terms_accepted",
        id="terms_accepted",
        label="",
        value=sent.get("terms_accepted", ""),
        error=_("Please agree to the terms. Without that we cannot take your sign-up.")
        if missing
        else "",
    )


def newsletter(sent: Mapping[str, str]) -> Field:
    """The box to tick for the newsletter, never ticked beforehand; its label is the template's,
    since it holds a link."""
    return Field(
        kind="tick",
        name="newsletter",
        id="newsletter",
        label="",
        value=sent.get("newsletter", ""),
        required=False,
    )


def _seats(event: Event, sent: Mapping[str, str], error: str, _: Gettext) -> Field:
    numbers = [str(number) for number in range(1, event.max_party + 1)]
    return Field(
        kind="choice",
        name="seats",
        id="seats",
        label=_("Number of places"),
        value=sent.get("seats", "1"),
        error=error,
        hint=_("For yourself and for those whom you sign up with you."),
        options=[(number, number) for number in numbers],
    )


def _question(
    name: str, schema: Mapping[str, Any], sent: Mapping[str, str], error: str, _: Gettext
) -> Field:
    kind, options = "text", []
    attributes: dict[str, str | int | float] = {}
    if schema.get("type") == "boolean":
        kind = "tick"
    elif "enum" in schema:
        kind = "choice"
        options = [("", _("Please choose")), *((str(v), str(v)) for v in schema["enum"])]
    elif schema.get("type") == "integer":
        attributes = {"type": "number", "inputmode": "numeric", "step": 1}
        attributes |= {
            ours: schema[theirs]
            for ours, theirs in (("min", "minimum"), ("max", "maximum"))
            if theirs in schema
        }
    elif "maxLength" in schema:
        attributes = {"maxlength": schema["maxLength"]}
    return Field(
        kind=kind,
        name=ANSWER + name,
        id=f"answer-{name}",
        label=str(schema.get("title", name)),
        value=sent.get(ANSWER + name, ""),
        error=error,
        hint=str(schema.get("description", "")),
        required=schema.get("required") is True,
        options=options,
        attributes=attributes,
    )


def _answers(questions: Mapping[str, Any], sent: Mapping[str, str]) -> dict[str, Any]:
    """The answers given, in the types that the questions ask for. An empty one is none."""
    found: dict[str, Any] = {}
    for name, schema in questions.items():
        text = sent.get(ANSWER + name, "").strip()
        if schema.get("type") == "boolean":
            # A box that must be ticked is missing until it is.
            if text or schema.get("required") is not True:
                found[name] = bool(text)
        elif text:
            whole = schema.get("type") == "integer" and _WHOLE.fullmatch(text)
            found[name] = int(text) if whole else text
    return found


def _sentence(error: FieldError, event: Event, _: Gettext) -> str:
    """What is wrong with a field and what to do, in the reader's language."""
    match error.pointer, error.code:
        case "#/name", "missing":
            return _("Please give your name.")
        case "#/name", _code:
            return _("This name is too long. Please shorten it.")
        case "#/email", "missing":
            return _("Please give your e-mail address, so that we can send you the confirmation.")
        case "#/email", _code:
            return _("This e-mail address is not complete. It looks like name@example.org.")
        case "#/seats", _code:
            return _("Please choose a number between 1 and %s.") % event.max_party
        case _pointer, "missing":
            return _("Please answer this question.")
    return _("This answer does not fit the question. Please look at it again.")
