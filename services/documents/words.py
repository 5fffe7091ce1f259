"""What the documents say beside what stands in the code.

Invariant: only what no docstring can say, because it is about all services at once: the
introduction, the tags, and parameters of one name that many routes have.
"""

from typing import Final

TITLE: Final = "Einlass"
LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

INTRODUCTION: Final = """\
Sign-up for events, with a waiting list. All paths are below one origin.

**Who may do what.** Events and lights are open to everybody. A registration is opened by its
*manage token*, which only the person has: the last part of `manage_url`. Everything under
`/api/v1/admin` asks for an *operator's token*. Both are sent as `Authorization: Bearer …`.

**Errors** are problem documents (RFC 9457) of the type `application/problem+json`. `code` is
stable and made for programs; `detail` is a sentence for people. 429 and 503 say in `Retry-After`
after how many seconds to try again.

**Sent twice.** A sign-up with an `Idempotency-Key` may be repeated: the same key with the same
body gets the same answer, and nothing happens twice; so may a mail to all of an event. To cancel
again changes nothing.

**Limits.** A request is 64 KiB at most, unless its operation takes files. No public answer holds a
number of seats of an event.

**What may change.** Within `/api/v1` members and routes are added, never removed or given another
meaning; take what you do not know for nothing. Members that are sent are strict: one that is
not known is refused.
"""

TAGS: Final[dict[str, str]] = {
    "events": "Events as the public sees them, and their lights.",
    "registrations": "Signing up, and what a person does with a registration.",
    "newsletter": "Subscribing to the newsletter.",
    "operators": "Events as operators keep them, drafts and counts included.",
    "waitlist": "The line of an event and its ledger. It names registrations, never persons.",
    "mail": "The ledger of mails: what was sent to whom, and what became of it.",
    "privacy": "What is kept of a person: export and erasure.",
}
"""In the order in which they are shown."""

PARAMETERS: Final[dict[str, str]] = {
    "slug": "The event's slug, the last part of its page's address.",
    "when": "Events to come, past ones, or all.",
    "registration_id": "The registration's id.",
    "limit": "How many at most.",
    "Idempotency-Key": "Any text of your own, new for every sign-up, such as a UUID.",
    "If-None-Match": "The `ETag` of the answer that you have.",
}
"""Said of a parameter of this name where its route says nothing."""

OPERATOR: Final = "operatorToken"
MANAGE: Final = "manageToken"
BOUNCE: Final = "bounceToken"
SECURITY: Final = {
    OPERATOR: {
        "type": "http",
        "scheme": "bearer",
        "description": "An operator's API token, as `einlass operator create` shows it once. "
        "`viewer` may look, `editor` may change, `admin` may do everything.",
    },
    MANAGE: {
        "type": "http",
        "scheme": "bearer",
        "description": "The manage token of one registration: the last part of its `manage_url`.",
    },
    BOUNCE: {
        "type": "http",
        "scheme": "bearer",
        "description": "The installation's `EINLASS_BOUNCE_TOKEN`.",
    },
}
ADMIN: Final = "/api/v1/admin/"
BOUNCES: Final = "/api/v1/newsletter/bounces"
"""Paths below the first ask for an operator's token, the second for that of bounces, all others
that ask for one for the manage token."""

STREAM: Final = """\
event: light
data: {"slug":"buergerbeteiligung-vor-ort","light":"yellow","state":"open"}

"""
