"""The published documents are those of the code, well formed, and true of what is sent."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from pydantic import TypeAdapter, ValidationError

from services import published
from services.contracts import notifications, registration, topics, waitlist
from services.documents import asyncapi, command, openapi
from services.documents.apps import SERVICES, applications
from services.documents.codes import codes
from services.documents.examples import fits, resolve
from services.documents.merge import Merged, reachable
from services.documents.schemas import CHANNELS, schemas
from services.kit import outbox

ADAPTERS: dict[str, TypeAdapter[Any]] = {
    topics.REGISTRATION.name: registration.ADAPTER,
    topics.WAITLIST.name: waitlist.ADAPTER,
    topics.NOTIFICATIONS.name: notifications.ADAPTER,
}
MESSAGES = [(topic.name, name, schema) for topic, name, schema in schemas()]
EACH_MESSAGE = pytest.mark.parametrize(
    ("topic", "name", "schema"), MESSAGES, ids=[name for _, name, _ in MESSAGES]
)
OPENAPI: dict[str, Any] = json.loads(published.read(published.OPENAPI))
ASYNCAPI: dict[str, Any] = json.loads(published.read(published.ASYNCAPI))
OPERATIONS = [
    (path, method, operation)
    for path, item in OPENAPI["paths"].items()
    for method, operation in item.items()
]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one)


def sent(name: str) -> dict[str, Any]:
    """The example of a message."""
    found: dict[str, Any] = ASYNCAPI["components"]["messages"][name]["examples"][0]["payload"]
    return copy.deepcopy(found)


# --- Drift ---------------------------------------------------------------------------------------


def test_the_published_documents_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(check=True) == 0, capsys.readouterr().out


def test_made_twice_they_are_the_same(tmp_path: Path) -> None:
    assert command.run(check=False, folder=tmp_path) == 0
    first = {path.name: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert command.run(check=False, folder=tmp_path) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*.json")} == first
    assert command.run(check=True, folder=tmp_path) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the published documents."""
    copied = tmp_path / "published"
    shutil.copytree(published.HERE, copied)
    return copied


def test_a_drift_is_shown_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / published.OPENAPI
    path.write_text(path.read_text("utf-8").replace('"sign_up"', '"join"'), "utf-8")
    assert command.run(check=True, folder=folder) == 1
    out = capsys.readouterr().out
    assert '-        "operationId": "join",' in out
    assert '+        "operationId": "sign_up",' in out
    assert "make contracts" in out


def test_a_missing_and_a_left_over_document_are_a_drift(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "schemas/mail.sent.json").rename(folder / "schemas/mail.lost.json")
    assert command.run(check=True, folder=folder) == 1
    out = capsys.readouterr().out
    assert "mail.lost.json is of a message that is no more" in out
    assert "schemas/mail.sent.json (code)" in out
    assert command.run(check=False, folder=folder) == 0
    assert not (folder / "schemas/mail.lost.json").exists()
    assert command.run(check=True, folder=folder) == 0


@pytest.mark.parametrize("check", [True, False])
def test_a_change_that_breaks_readers_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    path = folder / published.BASELINE
    baseline = json.loads(path.read_text("utf-8"))
    relied_on = baseline["topics"]["registration.v1"]["registration.confirmed"]
    relied_on["properties"]["shade"] = {"type": "string"}
    path.write_text(json.dumps(baseline), "utf-8")
    before = {path.name: path.read_bytes() for path in folder.rglob("*.json")}
    assert command.run(check=check, folder=folder) == 1
    out = capsys.readouterr().out
    assert "registration.v1 registration.confirmed/shade: the member was removed" in out
    assert {path.name: path.read_bytes() for path in folder.rglob("*.json")} == before


def test_the_baseline_moves_on_with_the_version_only(folder: Path) -> None:
    path = folder / published.BASELINE
    baseline = json.loads(path.read_text("utf-8"))
    del baseline["topics"]["notifications.v1"]
    path.write_text(json.dumps(baseline, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert command.run(check=True, folder=folder) == 0
    baseline["version"] = "0.0.1"
    path.write_text(json.dumps(baseline, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert command.run(check=True, folder=folder) == 1
    assert command.run(check=False, folder=folder) == 0
    assert "notifications.v1" in json.loads(path.read_text("utf-8"))["topics"]


# --- References and examples ---------------------------------------------------------------------


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI], ids=["openapi", "asyncapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [node["$ref"] for node in nodes(document) if "$ref" in node]
    assert references
    for reference in references:
        assert resolve(reference, document)


def test_every_schema_is_one() -> None:
    for one in OPENAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)
    for one in ASYNCAPI["components"]["schemas"].values():
        # What AsyncAPI takes for granted is draft 7 (AsyncAPI 3.0.0, "Schema Object").
        Draft7Validator.check_schema(one)


def values(example: Any) -> list[Any]:
    """All that stands in an example, but the names of members."""
    match example:
        case dict():
            return [one for inner in example.values() for one in values(inner)]
        case list():
            return [one for inner in example for one in values(inner)]
    return [example]


def test_every_body_has_an_example_that_fits() -> None:
    checked = 0
    for path, method, operation in OPERATIONS:
        answers = [a for a in operation["responses"].values() if "$ref" not in a]
        for holder in (operation.get("requestBody", {}), *answers):
            for kind, media in holder.get("content", {}).items():
                if not kind.endswith(("json", "event-stream")):
                    continue
                assert fits(media["example"], media["schema"], OPENAPI), (path, method)
                assert "text" not in values(media["example"]), (path, method)
                checked += 1
    assert checked > 10


def test_the_example_of_each_code_is_a_problem_document() -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    for name, one in OPENAPI["components"]["examples"].items():
        assert fits(one["value"], problem, OPENAPI)
        assert one["value"]["code"] == name


# --- OpenAPI -------------------------------------------------------------------------------------


def test_it_is_one_document_over_all_services() -> None:
    everything = applications()
    assert set(everything) == set(SERVICES)
    served = {
        path
        for app in everything.values()
        for path in app.openapi()["paths"]
        if path.startswith("/api/v1/")
    }
    assert set(OPENAPI["paths"]) == served
    assert OPENAPI["openapi"].startswith("3.1.")
    assert OPENAPI["servers"][0]["url"] == "/"


def test_operations_have_names_tags_and_parameters_of_their_own() -> None:
    tags = {tag["name"] for tag in OPENAPI["tags"]}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for path, _, operation in OPERATIONS:
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert {f"{{{name}}}" for name in in_path} == {
            part for part in path.split("/") if part.startswith("{")
        }


def test_each_operation_says_whose_token_it_wants() -> None:
    for path, _, operation in OPERATIONS:
        security = operation.get("security", [])
        if path.startswith("/api/v1/admin/"):
            ((scheme, roles),) = security[0].items()
            assert scheme == "operatorToken"
            assert len(roles) == 1
        elif path.startswith("/api/v1/registrations/"):
            assert security == [{"manageToken": []}]
        elif path == "/api/v1/newsletter/bounces":
            assert security == [{"bounceToken": []}]
        else:
            assert security == []


def test_each_failure_is_a_problem_document_with_its_codes() -> None:
    for _, _, operation in OPERATIONS:
        failures = {s: a for s, a in operation["responses"].items() if s[0] in "45"}
        assert {"500", "503"} <= set(failures)
        for status, answer in failures.items():
            ((media, content),) = resolve(answer["$ref"], OPENAPI)["content"].items()
            assert media == "application/problem+json"
            for code in content["examples"]:
                assert codes()[code].status == int(status)


def test_the_table_of_codes_has_each_class_once() -> None:
    assert len(codes()) == len(OPENAPI["x-problem-codes"])
    assert {"internal", "invalid", "not_found", "busy", "method_not_allowed"} <= codes().keys()
    assert {"event_full", "already_registered", "registration_closed"} <= codes().keys()
    assert codes()["event_full"].service == "registration"
    assert all(one.detail.endswith(".") for one in codes().values())


def test_each_code_of_a_service_is_named_at_a_route_that_raises_it() -> None:
    named = {
        code
        for _, _, operation in OPERATIONS
        for answer in operation["responses"].values()
        if "$ref" in answer
        for content in resolve(answer["$ref"], OPENAPI)["content"].values()
        for code in content["examples"]
    }
    assert {one.code for one in codes().values() if one.service} <= named


def test_services_may_use_one_name_for_two_schemas() -> None:
    def of(kind: str) -> dict[str, Any]:
        reference = {"$ref": "#/components/schemas/View"}
        return {
            "paths": {f"/api/v1/{kind}": {"get": {"x": reference}}, "/elsewhere": {}},
            "components": {
                "schemas": {
                    "View": {"properties": {"one": {"$ref": "#/components/schemas/Same"}}},
                    "Same": {"type": kind} if kind == "null" else {"type": "string"},
                    "Unused": {},
                }
            },
        }

    merged = Merged({"a": of("string"), "b": of("integer")}, "/api/v1/")
    assert set(merged.schemas) == {"View", "Same", "Unused"}

    other = of("null")
    other["components"]["schemas"]["View"] = {"type": "null"}
    merged = Merged({"a": of("string"), "b": other}, "/api/v1/")
    assert set(merged.schemas) == {"AView", "BView", "ASame", "BSame", "Unused"}
    paths = dict(merged.paths("a"))
    assert list(paths) == ["/api/v1/string"]
    assert set(reachable(paths, merged.schemas)) == {"AView", "ASame"}


# --- AsyncAPI and JSON Schema --------------------------------------------------------------------


def test_asyncapi_has_every_topic_and_every_message() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert set(ASYNCAPI["channels"]) == {topic.name for topic in topics.ALL}
    for topic in topics.ALL:
        channel = ASYNCAPI["channels"][topic.name]
        kafka = channel["bindings"]["kafka"]
        assert channel["address"] == topic.name
        assert kafka["topicConfiguration"]["retention.ms"] == topic.retention_ms
        assert kafka["partitions"] == topic.partitions
        discriminated = ADAPTERS[topic.name].json_schema()["discriminator"]["mapping"]
        assert set(channel["messages"]) == set(discriminated)
    assert {name for _, name, _ in MESSAGES} == set(ASYNCAPI["components"]["messages"])


def test_asyncapi_says_who_sends_and_who_receives() -> None:
    told = {
        (one["tags"][0]["name"], one["action"], one["channel"]["$ref"].rpartition("/")[2])
        for one in ASYNCAPI["operations"].values()
    }
    assert told == {
        ("registration", "send", "registration.v1"),
        ("waitlist", "receive", "registration.v1"),
        ("notifications", "receive", "registration.v1"),
        ("waitlist", "send", "waitlist.v1"),
        ("registration", "receive", "waitlist.v1"),
        ("notifications", "send", "notifications.v1"),
    }
    for one in ASYNCAPI["operations"].values():
        channel = resolve(one["channel"]["$ref"], ASYNCAPI)
        assert len(one["messages"]) == len(channel["messages"])


def test_personal_data_is_on_topics_that_forget_within_a_week_only() -> None:
    for channel in CHANNELS:
        made = [schema for topic, _, schema in MESSAGES if topic == channel.topic.name]
        if any("Person" in schema.get("$defs", {}) for schema in made):
            assert channel.topic.retention_ms <= 7 * topics.DAY_MS


@EACH_MESSAGE
def test_what_is_sent_fits_its_schema(topic: str, name: str, schema: dict[str, Any]) -> None:
    written = json.loads(published.read(f"{published.SCHEMAS}/{name}.json"))
    assert written == schema
    message = ADAPTERS[topic].validate_python(sent(name))
    payload = json.loads(outbox.encode(message))
    for one in (sent(name), payload):
        Draft202012Validator(written, format_checker=FormatChecker()).validate(one)
        in_asyncapi = ASYNCAPI["components"]["messages"][name]["payload"]
        Draft7Validator({**ASYNCAPI, **in_asyncapi}).validate(one)


@EACH_MESSAGE
def test_schema_and_model_need_the_same_members(
    topic: str, name: str, schema: dict[str, Any]
) -> None:
    validator = Draft202012Validator(schema)
    for path in member_paths(sent(name)):
        message = without(sent(name), path)
        if path in (("type",), ("version",)):
            # The model fills in its constants; a reader in another language needs them.
            assert not validator.is_valid(message)
            continue
        assert validator.is_valid(message) == takes(ADAPTERS[topic], message), path


@EACH_MESSAGE
def test_readers_take_members_that_they_do_not_know(
    topic: str, name: str, schema: dict[str, Any]
) -> None:
    message = sent(name) | {"added": "later"}
    message["data"]["added"] = "later"
    Draft202012Validator(schema).validate(message)
    assert takes(ADAPTERS[topic], message)


def member_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member of every object, outer ones first."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        if isinstance(value, dict):
            yield (*path, key)
        if isinstance(one, dict | list):
            yield from member_paths(one, (*path, key))


def without(message: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """The message with one member left out."""
    holder: Any = message
    for part in path[:-1]:
        holder = holder[part]
    del holder[path[-1]]
    return message


def takes(adapter: TypeAdapter[Any], message: dict[str, Any]) -> bool:
    """Whether our own readers take a message."""
    try:
        adapter.validate_python(message)
    except ValidationError:
        return False
    return True


def test_documents_are_made_from_the_code_alone() -> None:
    assert openapi.document(applications()) == OPENAPI
    assert asyncapi.document() == ASYNCAPI
