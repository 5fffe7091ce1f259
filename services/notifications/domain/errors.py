"""Expected failures of notifications.

EinlassError
├── UnknownEvent        500 unknown_event         (a consumer's, never a person's)
├── UnknownRegistration 500 unknown_registration  (the same)
├── MailNotFound        404 mail_not_found
├── MailInHand          409 mail_in_hand
├── MailForgotten       409 mail_forgotten
├── NoSuchEvent         404 no_such_event
├── NobodyToWriteTo     409 nobody_to_write_to
├── BroadcastNotFound   404 broadcast_not_found
├── BroadcastSent       409 broadcast_sent
└── BroadcastKeyReused  422 broadcast_key_reused
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


class NoSuchEvent(EinlassError):
    """No event of this name has been published."""

    status, code = 404, "no_such_event"


class NobodyToWriteTo(EinlassError):
    """Nobody of this event is to be written to."""

    status, code = 409, "nobody_to_write_to"


class BroadcastNotFound(EinlassError):
    """There is no such mail to all."""

    status, code = 404, "broadcast_not_found"


class BroadcastSent(EinlassError):
    """All of these mails have been sent already."""

    status, code = 409, "broadcast_sent"


class BroadcastKeyReused(EinlassError):
    """This Idempotency-Key was used for a different mail."""

    status, code = 422, "broadcast_key_reused"
