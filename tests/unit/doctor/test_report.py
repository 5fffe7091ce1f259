"""The table and the JSON, and the gauges that alarms look at."""

from prometheus_client import REGISTRY

from services.doctor import report, watch
from services.doctor.findings import TITLES, Check, Finding, Unknown, Verdict
from services.doctor.looking import Look
from services.doctor.sources import address

WRONG = Finding(Check.HELD, "seminar", "two seats too many", "mend it", "1")
UNTOLD = [Unknown(Check.ORDER, f"event-{n}", "messages are on their way") for n in range(5)]


def test_each_check_has_a_line_and_what_is_wrong_stands_below_it() -> None:
    lines = list(report.table(Verdict([WRONG], UNTOLD), details=False))
    at = lines.index(f"wrong       {TITLES[Check.HELD]}")
    assert lines[at + 1 : at + 3] == [
        "              seminar: two seats too many",
        "                mend it",
    ]
    at = lines.index(f"cannot tell {TITLES[Check.ORDER]}")
    assert lines[at + 4] == "              and 2 more"
    assert sum(line.startswith("ok") for line in lines) == len(Check) - 2


def test_what_cannot_be_told_is_not_wrong() -> None:
    assert Verdict([], UNTOLD).healthy
    assert not Verdict([WRONG]).healthy
    told = report.as_json(Verdict([WRONG], UNTOLD))
    assert told["checks"]["order"] == "cannot tell"
    assert told["checks"]["held"] == "wrong"
    assert told["findings"][0]["subject"] == "seminar"


def test_a_gauge_counts_findings_and_keeps_its_value_while_nothing_can_be_told() -> None:
    def shown(check: str) -> float | None:
        return REGISTRY.get_sample_value("einlass_audit_findings", {"check": check})

    watch.show(Verdict([WRONG]), Look())
    assert (shown("held"), shown("order")) == (1, 0)
    watch.show(Verdict([], [Unknown(Check.HELD, "seminar", "on its way")]), Look())
    assert shown("held") == 1
    watch.show(Verdict(), Look())
    assert shown("held") == 0


def test_the_public_address_must_be_one_that_people_can_use_safely() -> None:
    assert address("https://anmeldung.example.org") == []
    assert address("http://127.0.0.1:8080") == []
    assert "in the clear" in address("http://anmeldung.example.org")[0].words
    assert "no address" in address("anmeldung.example.org")[0].words
