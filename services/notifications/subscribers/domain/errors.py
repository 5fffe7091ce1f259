"""Expected failures of the subscribers.

EinlassError
├── UnknownSubscriber    404 unknown_subscriber
├── UnknownSuppression   404 unknown_suppression
├── ConfirmationExpired  410 confirmation_expired
├── AddressSuppressed    409 address_suppressed
├── NotSubscribed        409 not_subscribed
├── AddressUnchanged     409 address_unchanged
├── TooManyAddresses     429 too_many_addresses   (Retry-After)
└── NotACsvFile          422 not_a_csv_file
"""

from services.kit.errors import EinlassError


class UnknownSubscriber(EinlassError):
    """There is no such subscriber."""

    status, code = 404, "unknown_subscriber"


class UnknownSuppression(EinlassError):
    """This address is not on the suppression list."""

    status, code = 404, "unknown_suppression"


class ConfirmationExpired(EinlassError):
    """This link has run out. Please ask for the newsletter again."""

    status, code = 410, "confirmation_expired"
    in_api = False


class AddressSuppressed(EinlassError):
    """Nothing is sent to this address any more. Please write to us if that should change."""

    status, code = 409, "address_suppressed"
    in_api = False


class NotSubscribed(EinlassError):
    """This address does not get the newsletter at the moment."""

    status, code = 409, "not_subscribed"


class AddressUnchanged(EinlassError):
    """The newsletter goes to this address already."""

    status, code = 409, "address_unchanged"
    in_api = False


class TooManyAddresses(EinlassError):
    """The address was to be changed several times today. Please try again tomorrow."""

    status, code = 429, "too_many_addresses"
    in_api = False
    retry_after = 24 * 60 * 60


class NotACsvFile(EinlassError):
    """This is no CSV file in UTF-8 with a column named email."""

    status, code = 422, "not_a_csv_file"
