"""The alarms: of a form that Prometheus takes, on metrics that the code has, each explained."""

import re
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

import services.doctor.watch
import services.kit.inbox
import services.notifications.bulk.delivery
import services.notifications.delivery  # noqa: F401 - each registers its metrics when imported
from services.doctor.findings import Check

ROOT = Path(__file__).resolve().parents[3]
RULES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
)["groups"][0]["rules"]
METRIC = re.compile(r"\beinlass_[a-z_]+")


def test_there_is_an_alarm_for_each_of_what_the_runbook_promises() -> None:
    names = {rule["alert"] for rule in RULES}
    assert names == {
        "EinlassAuditFinding",
        "EinlassAuditBlind",
        "EinlassAuditStopped",
        "EinlassConsumerGap",
        "EinlassDeadLetters",
        "EinlassOutboxOld",
        "EinlassConsumerLag",
        "EinlassMailBacklog",
        "EinlassNewsletterUnknown",
        "EinlassNewsletterStands",
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_whole_and_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"[1-9][0-9]*[smh]", rule.get("for", "1m"))
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert rule["expr"].count("(") == rule["expr"].count(")")
    asked = set(METRIC.findall(rule["expr"]))
    assert asked
    assert asked <= _metrics()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_the_runbook_says_what_to_do(rule: dict[str, Any]) -> None:
    path, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_runbook_explains_every_check() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    assert [check for check in Check if f"`{check.value}`" not in runbook] == []


def _metrics() -> set[str]:
    found = set()
    for metric in prometheus_client.REGISTRY.collect():
        name = metric.name
        found |= {name, f"{name}_total"} if metric.type == "counter" else {name}
    return found
