"""What the worker process is made of, without a server."""

import base64

import pytest
from pydantic import SecretStr

from services.waitlist.settings import WaitlistSettings
from services.waitlist.workers import create_worker


@pytest.fixture
def settings() -> WaitlistSettings:
    return WaitlistSettings(
        EINLASS_WAITLIST_DATABASE_URL="postgresql://nobody:sesame@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:1",
        public_url="https://einlass.example.org",
        secret_key=SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
    )


async def test_a_worker_has_its_roles_before_it_connects(settings: WaitlistSettings) -> None:
    worker = create_worker(settings)
    assert set(worker.roles) == {"relay", "consumer", "timer", "janitor"}
    assert set(worker.needed) == {"postgres"}
    assert set(worker.helpful) == {"redis"}


def test_settings_do_not_show_the_database_s_password(settings: WaitlistSettings) -> None:
    assert "sesame" not in repr(settings)
