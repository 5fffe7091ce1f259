"""Expected failures of registration; the tree stands in kit.errors."""

from services.kit.errors import EinlassError


class EventFull(EinlassError):
    """This event is booked up, and its waiting list takes nobody more."""

    status, code = 409, "event_full"


class AlreadyRegistered(EinlassError):
    """This e-mail address is already signed up for this event. The link to your registration is in the e-mail you were sent."""  # noqa: E501

    status, code = 409, "already_registered"


class RegistrationClosed(EinlassError):
    """Sign-up for this event is not open."""

    status, code = 409, "registration_closed"


class IdempotencyMismatch(EinlassError):
    """This Idempotency-Key was used for a different sign-up."""

    status, code = 422, "idempotency_key_reused"


class CancellationClosed(EinlassError):
    """The time to cancel by yourself is over. Please write to the organiser."""

    status, code = 409, "cancellation_closed"


class NothingOffered(EinlassError):
    """No place is offered to you at the moment."""

    status, code = 409, "nothing_offered"


class OfferExpired(EinlassError):
    """The time to accept this place is over. It goes to the next in line."""

    status, code = 409, "offer_expired"


class PartyNotSmaller(EinlassError):
    """A party can only become smaller. To come with more people, sign them up too."""

    status, code = 409, "party_not_smaller"


class PartyFixed(EinlassError):
    """Your party cannot be changed at the moment."""

    status, code = 409, "party_fixed"


class NotInLine(EinlassError):
    """You are not on the waiting list."""

    status, code = 409, "not_in_line"


class CapacityTooLow(EinlassError):
    """More seats than this are taken or held."""

    status, code = 409, "capacity_too_low"


class SlugTaken(EinlassError):
    """Another event has this slug."""

    status, code = 409, "slug_taken"


class NoWayBack(EinlassError):
    """A published event cannot become a draft again."""

    status, code = 409, "no_way_back"


class NotPublished(EinlassError):
    """Only a published event can be called off."""

    status, code = 409, "not_published"


class CalledOff(EinlassError):
    """This event was called off and can no longer be changed."""

    status, code = 409, "called_off"
