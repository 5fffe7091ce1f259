"""Who got nothing and why, as a file."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from fastapi.responses import StreamingResponse
from starlette.responses import Response

from services.kit.db import Database
from services.notifications.bulk import service as bulk

BATCH: Final = 1000


def unreached_csv(db: Database, issue_id: UUID) -> Response:
    """Who may have got nothing, as CSV, read in parts of BATCH."""

    async def lines() -> AsyncIterator[str]:
        yield _csv("number", "email", "subscriber", "status", "attempts", "code", "reason", "at")
        after = 0
        while True:
            async with db.read() as conn:
                rows = await bulk.trouble(conn, issue_id, after=after, limit=BATCH)
            for row in rows:
                yield _csv(
                    row.n,
                    row.email or "",
                    row.subscriber_id,
                    row.bounce or row.status,
                    row.attempts,
                    row.smtp_code or "",
                    row.error or "",
                    row.at.isoformat() if row.at is not None else "",
                )
            if len(rows) < BATCH:
                return
            after = rows[-1].n

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="unreached.csv"',
            "Cache-Control": "no-store",
        },
    )


def _csv(*cells: object) -> str:
    """A line. A cell that a spreadsheet would take for a formula is quoted by an apostrophe
    (OWASP, CSV Injection)."""
    said = [str(cell) for cell in cells]
    safe = [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in said]
    line = io.StringIO()
    csv.writer(line).writerow(safe)
    return line.getvalue()
