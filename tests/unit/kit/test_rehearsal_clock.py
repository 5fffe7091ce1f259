"""The clock of rehearsals goes by its file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.kit.clock import RehearsalClock

CLOSE = timedelta(seconds=5)


def test_it_is_put_forward_and_back_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "forward"
    clock = RehearsalClock(file)
    for forward in (0, 3600, 86_400.5, 0):
        if forward:
            file.write_text(f"{forward}\n")
        else:
            file.unlink(missing_ok=True)
        off = clock.now() - datetime.now(UTC) - timedelta(seconds=forward)
        assert abs(off) < CLOSE


def test_what_is_no_number_is_not_taken_for_one(tmp_path: Path) -> None:
    file = tmp_path / "forward"
    file.write_text("tomorrow")
    with pytest.raises(ValueError, match="tomorrow"):
        RehearsalClock(file).now()
