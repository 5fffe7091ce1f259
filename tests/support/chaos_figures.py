"""What came of each fault, for the table at the end of `make chaos`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """`repeats`: messages that are in Kafka's log more than once. `mails` and `mails_again`:
    at the SMTP server, each counted once and those that came once more. `refused`: answers of
    5xx; `dropped`: connections that broke. `gap`: seconds between two answers, at most."""

    name: str
    seed: int
    faults: int
    signed_up: int
    cancelled: int
    promotions: int
    mails: int
    mails_again: int
    repeats: int
    refused: int
    dropped: int
    gap: float


HEAD = (
    *("test", "seed", "faults", "sign-ups answered", "cancellations answered", "promotions"),
    *("mails", "mails twice", "messages twice", "5xx", "broken connections", "longest gap (s)"),
)


def table(found: Sequence[Figures]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * 2}{'---:|' * (len(HEAD) - 2)}"
    for one in found:
        cells = (
            *(one.name, one.seed, one.faults, one.signed_up, one.cancelled, one.promotions),
            *(one.mails, one.mails_again, one.repeats, one.refused, one.dropped, f"{one.gap:.1f}"),
        )
        yield f"| {' | '.join(map(str, cells))} |"
