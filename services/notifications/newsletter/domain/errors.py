"""Expected failures of the newsletter's issues.

EinlassError
├── UnknownIssue        404 unknown_issue
├── UnknownPicture      404 unknown_picture
├── ChangedMeanwhile    409 changed_meanwhile   (the version that it has now)
├── NotADraft           409 not_a_draft
├── NotPlanned          409 not_planned
├── NotBegun            409 not_begun
├── QuarterTaken        409 quarter_taken       (the issue that has the quarter)
├── NotReady            422 not_ready           (what the checks found)
├── PictureRefused      422 picture_refused
├── MailRefused         422 mail_refused
└── ProgrammeAway       503 programme_away
"""

from services.kit.errors import EinlassError


class UnknownIssue(EinlassError):
    """There is no such issue."""

    status, code = 404, "unknown_issue"


class UnknownPicture(EinlassError):
    """There is no such picture."""

    status, code = 404, "unknown_picture"


class ChangedMeanwhile(EinlassError):
    """Somebody else has changed this issue meanwhile. Please look at it again."""

    status, code = 409, "changed_meanwhile"

    def __init__(self, version: int) -> None:
        """`version`: the one that it has now."""
        super().__init__(version=version)


class NotADraft(EinlassError):
    """Sending this issue has begun, so it stays as it is."""

    status, code = 409, "not_a_draft"


class NotPlanned(EinlassError):
    """This issue has no date."""

    status, code = 409, "not_planned"


class NotBegun(EinlassError):
    """Sending this issue has not begun."""

    status, code = 409, "not_begun"


class QuarterTaken(EinlassError):
    """This quarter has its issue already. A second one has to be wished for."""

    status, code = 409, "quarter_taken"

    def __init__(self, issue: str) -> None:
        """`issue`: the id of the one that has the quarter."""
        super().__init__(issue=issue)


class NotReady(EinlassError):
    """This issue cannot go out as it is."""

    status, code = 422, "not_ready"

    def __init__(self, findings: list[dict[str, object]]) -> None:
        """`findings`: the errors, as the checks show them."""
        super().__init__(findings=findings)


class PictureRefused(EinlassError):
    """A picture is a PNG, JPEG or WebP file of at most 500 KiB and 3000 pixels a side."""

    status, code = 422, "picture_refused"


class MailRefused(EinlassError):
    """The mail server does not take a mail to this address."""

    status, code = 422, "mail_refused"


class ProgrammeAway(EinlassError):
    """The programme of events does not answer at the moment."""

    status, code = 503, "programme_away"
    in_api = False
    retry_after = 10
