"""What a person sends to sign up, and whether it can stand.

Invariant: every bad field is named at once, by a JSON Pointer that the page and the API share.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jsonschema
import orjson
from email_validator import EmailNotValidError, EmailSyntaxError, validate_email

from services.contracts.envelope import Locale
from services.kit.errors import FieldError
from services.kit.text import can_be_kept
from services.registration.domain.event import Event

MAX_NAME: Final = 200
MAX_ADDRESS: Final = 254
_PLAIN: Final = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")
# The version of the terms that a sign-up agrees to; texts in templates/terms/.
TERMS_VERSION: Final = "2026-11"


@dataclass(slots=True)
class SignUp:
    """A sign-up as it was sent; `answers` by the question's name. `also`: slugs of other events,
    of which the first that has a place counts. `newsletter`: the person asks for the newsletter
    too."""

    name: str
    email: str
    seats: int
    answers: dict[str, Any]
    terms_accepted: bool
    locale: Locale
    also: tuple[str, ...] = ()
    newsletter: bool = False

    def digest(self) -> bytes:
        """SHA-256 that tells two different sign-ups apart."""
        # A number among the answers may be larger than orjson writes.
        answers = json.dumps(self.answers, sort_keys=True) if self.answers else ""
        said = [self.name, self.email, self.seats, answers, self.locale, *self.also]
        if self.newsletter:
            said.append(True)
        return hashlib.sha256(orjson.dumps(said)).digest()


def clean_name(name: str) -> str:
    """The name in one line, without control characters, as Unicode NFC."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    composed = unicodedata.normalize("NFC", name)
    printable = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in composed)
    return " ".join(printable.split())


@lru_cache(maxsize=1_000)
def clean_email(email: str) -> str:
    """The address, normalised. Raises EmailNotValidError.

    Most addresses have a plain local part (RFC 5322, dot-atom, ASCII) at a domain that was seen
    before; the library's answer for these is known without asking it for each.
    """
    address = email.strip()
    local, _, domain = address.rpartition("@")
    if _PLAIN.fullmatch(local) and len(address) <= MAX_ADDRESS:
        return f"{local}@{_domain(domain)}"
    if "=?" in address:
        # An encoded word (RFC 2047, 5) has no place in an address, and some readers decode it.
        raise EmailSyntaxError("There is an encoded word in the address.")
    return validate_email(address, check_deliverability=False).normalized


@lru_cache(maxsize=10_000)
def _domain(domain: str) -> str:
    return validate_email(f"x@{domain}", check_deliverability=False).domain


def email_key(email: str) -> str:
    """The address as it is compared: one person writes it now so, now so."""
    return email.casefold()


def check(form: SignUp, event: Event) -> list[FieldError]:
    """All that is wrong with the form, each field once; nothing, where it can stand."""
    if (
        0 < len(clean_name(form.name)) <= MAX_NAME
        and 1 <= form.seats <= event.max_party
        and form.terms_accepted
        and not form.answers
        and not event.questions
        and is_address(form.email)
    ):
        return []
    found: dict[str, FieldError] = {}
    for error in _check(form, event):
        found.setdefault(error.pointer, error)
    return list(found.values())


def is_address(email: str) -> bool:
    """Whether it can be an e-mail address."""
    try:
        clean_email(email)
    except EmailNotValidError:
        return False
    return True


def _check(form: SignUp, event: Event) -> Iterator[FieldError]:
    name = clean_name(form.name)
    if not name:
        yield FieldError("#/name", "missing", "Please give your name.")
    elif len(name) > MAX_NAME:
        yield FieldError("#/name", "too_long", "This name is too long.")
    if not form.email.strip():
        yield FieldError("#/email", "missing", "Please give your e-mail address.")
    elif not is_address(form.email):
        yield FieldError(
            "#/email",
            "not_an_address",
            "This is not a valid e-mail address. It looks like name@example.org.",
        )
    if not 1 <= form.seats <= event.max_party:
        yield FieldError("#/seats", "out_of_range", "This number of places is not possible here.")
    if not form.terms_accepted:
        yield FieldError("#/terms_accepted", "missing", "Please agree to the terms.")
    yield from _check_answers(form.answers, event.questions)


@lru_cache(maxsize=256)
def _validator(questions: str) -> jsonschema.Draft202012Validator:
    """Checks the answers to `questions`, given as JSON."""
    asked: dict[str, dict[str, Any]] = json.loads(questions)
    return jsonschema.Draft202012Validator(
        {
            "type": "object",
            "properties": {
                name: {key: value for key, value in schema.items() if key != "required"}
                for name, schema in asked.items()
            },
            "required": [name for name, schema in asked.items() if schema.get("required") is True],
            "additionalProperties": False,
        }
    )


def _check_answers(answers: dict[str, Any], questions: dict[str, Any]) -> Iterator[FieldError]:
    if not questions and not answers:
        return
    required = [name for name, schema in questions.items() if schema.get("required") is True]
    validator = _validator(json.dumps(questions, sort_keys=True))
    for name, answer in answers.items():
        if name in questions and not can_be_kept(answer):
            yield FieldError(f"#/answers/{name}", "not_fitting", "This answer does not fit.")
    for error in validator.iter_errors(answers):
        if error.validator == "required":
            missing = [name for name in required if name not in answers]
            for name in missing:
                yield FieldError(f"#/answers/{name}", "missing", "Please answer this question.")
        elif error.validator == "additionalProperties":
            yield FieldError("#/answers", "unknown", "There is an answer without a question.")
        else:
            path = "/".join(str(part) for part in error.absolute_path)
            yield FieldError(f"#/answers/{path}", "not_fitting", "This answer does not fit.")
