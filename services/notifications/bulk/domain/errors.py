"""Expected failures of sending in bulk.

EinlassError
├── AlreadySending  409 already_sending
├── SendNotFound    404 send_not_found
└── NotSending      409 not_sending
"""

from services.kit.errors import EinlassError


class AlreadySending(EinlassError):
    """This issue is being sent already or has been sent."""

    status, code = 409, "already_sending"
    in_api = False


class SendNotFound(EinlassError):
    """This issue has not been sent yet."""

    status, code = 404, "send_not_found"


class NotSending(EinlassError):
    """This issue is not being sent at the moment."""

    status, code = 409, "not_sending"
