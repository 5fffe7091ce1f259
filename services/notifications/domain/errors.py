"""Expected failures of notifications.

EinlassError
├── UnknownEvent        500 unknown_event         (a consumer's, never a person's)
├── UnknownRegistration 500 unknown_registration  (the same)
├── MailNotFound        404 mail_not_found
├── MailInHand          409 mail_in_hand
└── MailForgotten       409 mail_forgotten
"""

from services.kit.errors import EinlassError


class UnknownEvent(EinlassError):
    """A message about a registration came before any message about its event."""

    status, code = 500, "unknown_event"


class UnknownRegistration(EinlassError):
    """A party is said to be smaller, and no message has told of it before."""

    status, code = 500, "unknown_registration"


class MailNotFound(EinlassError):
    """There is no such mail."""

    status, code = 404, "mail_not_found"


class MailInHand(EinlassError):
    """This mail is waiting to be sent or is being sent right now."""

    status, code = 409, "mail_in_hand"


class MailForgotten(EinlassError):
    """The content of this mail has been erased, so it cannot be sent again."""

    status, code = 409, "mail_forgotten"
