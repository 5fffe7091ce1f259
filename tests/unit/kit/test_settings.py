"""Settings: no secret has a default, and none is told when something else is wrong."""

import base64
import os

import pytest
from pydantic import ValidationError

from services.kit.settings import Settings

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
GIVEN = {
    "EINLASS_REDIS_URL": "redis://:geheim@127.0.0.1/0",
    "EINLASS_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "EINLASS_PUBLIC_URL": "https://anmeldung.example.org/",
    "EINLASS_SECRET_KEY": KEY,
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds what is needed and no more."""
    for name in list(os.environ):
        if name.startswith("EINLASS_"):
            monkeypatch.delenv(name)
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def test_what_is_needed_is_enough() -> None:
    found = Settings()
    assert found.key == bytes(range(32))
    assert found.public_url == "https://anmeldung.example.org"
    assert found.zone.key == "Europe/Berlin"
    assert KEY not in repr(found)
    assert "geheim" not in repr(found)


@pytest.mark.parametrize("missing", GIVEN)
def test_what_is_needed_has_no_default(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert missing.removeprefix("EINLASS_").lower() in str(refused.value)
    told = str(refused.value) + repr(refused.value)
    assert KEY[:12] not in told
    assert "geheim" not in told


@pytest.mark.parametrize("key", ["geheim", "geheim" * 10, KEY[:-4], "", "ü"])
def test_a_key_that_is_none_is_refused_and_not_told(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EINLASS_SECRET_KEY", key)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "geheim" not in str(refused.value)
