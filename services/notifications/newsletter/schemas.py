"""What the issues' API takes and answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    model_validator,
)

from services.contracts.envelope import Locale
from services.kit.text import kept
from services.notifications.bulk.domain.progress import Progress
from services.notifications.newsletter.domain.calendar import Number
from services.notifications.newsletter.domain.checks import Finding
from services.notifications.newsletter.domain.clicks import Clicked
from services.notifications.newsletter.domain.issue import Issue, Rendering, Status, Words
from services.notifications.newsletter.planning import Planned
from services.notifications.newsletter.repository import Act, StoredPicture

SOURCE_CHARACTERS: Final = 20_000
LINE_CHARACTERS: Final = 200
PICTURE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
# What XML 1.0 cannot hold would make the feed unreadable.
_TEXT: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]*$"
_LINE: Final = r"^[^\x00-\x1f\x7f\ufffe\uffff]*$"

Line = Annotated[str, Field(max_length=LINE_CHARACTERS, pattern=_LINE), AfterValidator(kept)]
Text = Annotated[str, Field(max_length=SOURCE_CHARACTERS, pattern=_TEXT), AfterValidator(kept)]
Version = Annotated[
    int, Field(ge=1, lt=2**31, description="The one that was read; another is refused with 409.")
]


# Some years from either end of the calendar, so that it exists in every time zone.
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC)),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WordsDoc(_Strict):
    """An issue in one language. `source` is Markdown with blocks (docs/newsletter.md)."""

    title: Line = ""
    subject: Line = ""
    preview: Annotated[Line, Field(description="What a mailbox shows beside the subject.")] = ""
    source: Text = ""

    def words(self) -> Words:
        """As the domain has it."""
        return Words(
            self.title.strip(),
            self.subject.strip(),
            self.preview.strip(),
            self.source.replace("\r\n", "\n"),
        )

    @classmethod
    def of(cls, words: Words) -> "WordsDoc":
        return cls(
            title=words.title, subject=words.subject, preview=words.preview, source=words.source
        )


class IssueIn(_Strict):
    """A new issue; it may be empty."""

    words: Annotated[dict[Locale, WordsDoc], Field(default_factory=dict)]


class IssuePatch(_Strict):
    """Other texts; languages that are not named stay as they are."""

    version: Version
    words: Annotated[dict[Locale, WordsDoc], Field(min_length=1)]


class PlanIn(_Strict):
    """When an issue is to go out: at a moment, or now."""

    version: Version
    at: Annotated[Moment | None, Field(description="With its offset.")] = None
    now: Annotated[bool, Field(description="At once, instead of `at`.")] = False
    second: Annotated[bool, Field(description="Also where the quarter has its issue already.")] = (
        False
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "PlanIn":
        if (self.at is None) != self.now:
            raise ValueError("either at or now")
        return self


class TestIn(_Strict):
    """Whom a trial goes to."""

    to: EmailStr
    locale: Locale


class QuarterIn(_Strict):
    """Another date of a quarter, in the time of the place."""

    day: date
    time: time


class NumberOut(BaseModel):
    """A number in its year."""

    year: int
    number: int

    @classmethod
    def of(cls, number: Number) -> "NumberOut":
        return cls(year=number.year, number=number.number)


class IssueOut(BaseModel):
    """An issue as it stands."""

    id: UUID
    status: Status
    version: int
    number: Annotated[NumberOut | None, Field(description="From the beginning of its sending on.")]
    words: dict[Locale, WordsDoc]
    planned_at: datetime | None
    second: bool
    trouble: Annotated[
        str | None, Field(description="Why a sending that is due has not begun, as a check's code.")
    ]
    created_at: datetime
    created_by: str
    begun_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def of(cls, issue: Issue) -> "IssueOut":
        return cls(
            id=issue.id,
            status=issue.status,
            version=issue.version,
            number=NumberOut.of(issue.number) if issue.number is not None else None,
            words={locale: WordsDoc.of(words) for locale, words in issue.words.items()},
            planned_at=issue.planned_at,
            second=issue.second,
            trouble=issue.trouble,
            created_at=issue.created_at,
            created_by=issue.created_by,
            begun_at=issue.begun_at,
            sent_at=issue.sent_at,
        )


class FindingOut(BaseModel):
    """Something that a check found. An error keeps the issue back, a warning does not."""

    severity: Literal["error", "warning"]
    code: str
    detail: str
    word: Annotated[str, Field(description="What it is about, such as a link.")]
    locale: Locale | None
    line: Annotated[int | None, Field(description="In the language's source, from 1.")]

    @classmethod
    def of(cls, finding: Finding) -> "FindingOut":
        return cls(
            severity=finding.severity,
            code=finding.code,
            detail=finding.detail,
            word=finding.word,
            locale=finding.locale,
            line=finding.line,
        )


class ChecksOut(BaseModel):
    """What the checks found; `ready` where nothing keeps the issue back."""

    ready: bool
    findings: list[FindingOut]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> "ChecksOut":
        return cls(
            ready=all(finding.severity == "warning" for finding in findings),
            findings=[FindingOut.of(finding) for finding in findings],
        )


class PreviewOut(BaseModel):
    """An issue as it goes out in one language. In `html` and `text` stand stand-ins where each
    reader's own links go. `number`: by the present plan."""

    number: NumberOut
    subject: str
    preview: str
    html: str
    text: str
    web: Annotated[str, Field(description="The content of the page in the archive.")]

    @classmethod
    def of(cls, number: Number, rendering: Rendering) -> "PreviewOut":
        return cls(
            number=NumberOut.of(number),
            subject=rendering.subject,
            preview=rendering.preview,
            html=rendering.html,
            text=rendering.text,
            web=rendering.web,
        )


class PictureOut(BaseModel):
    """A picture; a text names it by `name`."""

    name: str
    url: str
    media_type: str
    width: int
    height: int
    bytes: int

    @classmethod
    def of(cls, picture: StoredPicture) -> "PictureOut":
        return cls(
            name=picture.name,
            url=picture.path,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
            bytes=picture.size,
        )


class ActOut(BaseModel):
    """Something that was done. Without a name it was the scheduler."""

    at: datetime
    by: str | None
    act: str
    details: dict[str, Any]

    @classmethod
    def of(cls, act: Act) -> "ActOut":
        return cls(at=act.at, by=act.by, act=act.act, details=dict(act.details))


class QuarterOut(BaseModel):
    """A quarter of the plan. `usual`: nobody has set another date."""

    quarter: int
    day: date
    time: time
    at: datetime
    usual: bool
    issues: list[UUID]

    @classmethod
    def of(cls, planned: Planned) -> "QuarterOut":
        return cls(
            quarter=planned.quarter.number,
            day=planned.date.day,
            time=planned.date.time,
            at=planned.at,
            usual=not planned.own,
            issues=[issue.id for issue in planned.issues],
        )


class CountsOut(BaseModel):
    """How far the sending is, in recipients. `left_after`: how many have unsubscribed since it
    began. `pending`, `sent`, `failed`, `unknown` and `suppressed` add up to `total`."""

    state: Literal["running", "stopped", "done"]
    total: int
    pending: int
    sent: int
    failed: int
    unknown: int
    suppressed: int
    bounced: int
    complained: int
    left_after: int

    @classmethod
    def of(cls, progress: Progress) -> "CountsOut":
        members: Mapping[str, Any] = {name: getattr(progress, name) for name in cls.model_fields}
        return cls(**members)


class LinkOut(BaseModel):
    """A link of an issue's mails. `clicks` is a total; of whoever clicked nothing is known."""

    link: Annotated[int, Field(ge=1, description="Its number in the mails' addresses.")]
    url: str
    clicks: int


class ClicksOut(BaseModel):
    """Totals of clicks. Not `counted`: the issue went out with plain links."""

    counted: bool
    links: list[LinkOut]

    @classmethod
    def of(cls, links: Sequence[Clicked]) -> "ClicksOut":
        return cls(
            counted=bool(links),
            links=[LinkOut(link=each.no, url=each.url, clicks=each.clicks) for each in links],
        )
