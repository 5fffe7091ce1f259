"""What operators typed into the newsletter's forms.

Invariant: it passes the same rules as what comes over the API.
"""

from collections.abc import Mapping
from datetime import date, time

from pydantic import ValidationError

from services.contracts.envelope import Locale
from services.kit.desk import Desk
from services.kit.errors import FieldError, Invalid
from services.kit.i18n import LOCALES
from services.notifications.newsletter.domain.calendar import Date
from services.notifications.newsletter.domain.issue import Words
from services.notifications.newsletter.schemas import WordsDoc


async def texts(desk: Desk) -> dict[str, str]:
    """The texts of a form."""
    async with desk.request.form() as form:
        return {name: text for name, text in form.items() if isinstance(text, str)}


def locale_of(said: str) -> Locale:
    for locale in LOCALES:
        if said == locale:
            return locale
    raise Invalid([FieldError("#/locale", "literal_error", "This language is not known.")])


def version_of(sent: Mapping[str, str]) -> int:
    said = sent.get("version", "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def rough(sent: Mapping[str, str]) -> dict[Locale, Words]:
    """What was typed, as it is, to show it again."""
    names = ("title", "subject", "preview", "source")
    return {
        locale: Words(*(sent.get(f"{locale}_{name}", "") for name in names)) for locale in LOCALES
    }


def words_of(sent: Mapping[str, str]) -> dict[Locale, Words]:
    """The texts that were typed. Raises Invalid."""
    found: dict[Locale, Words] = {}
    errors: list[FieldError] = []
    for locale in LOCALES:
        names = ("title", "subject", "preview", "source")
        given = {name: sent.get(f"{locale}_{name}", "") for name in names}
        # A browser sends line ends of two characters, and they are not the editor's.
        given["source"] = given["source"].replace("\r\n", "\n")
        try:
            found[locale] = WordsDoc.model_validate(given).words()
        except ValidationError as error:
            errors += [
                FieldError(f"#/{locale}_{e['loc'][0]}", e["type"], e["msg"]) for e in error.errors()
            ]
    if errors:
        raise Invalid(errors)
    return found


def date_of(sent: Mapping[str, str]) -> Date:
    """The date and the time that were typed. Raises Invalid."""
    try:
        day, at = date.fromisoformat(sent.get("day", "")), time.fromisoformat(sent.get("time", ""))
    except ValueError:
        raise Invalid([FieldError("#/day", "date", "Date or time is missing.")]) from None
    if not 2000 <= day.year <= 2999 or at.tzinfo is not None:
        raise Invalid([FieldError("#/day", "date", "Date or time is missing.")])
    return Date(day, at.replace(second=0, microsecond=0))
