"""Whose tries are counted together."""

import pytest

from services.kit.ratelimit import network_of


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2345::7", "2001:db8:1:2300::/56"),
        # As a listener for both kinds tells of IPv4: else all of IPv4 would be one network.
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unknown", "unknown"),
        ("", "unknown"),
        ("testclient", "unknown"),
        ("192.0.2.77:1234", "unknown"),
    ],
)
def test_a_client_belongs_to_a_network(client: str, network: str) -> None:
    assert network_of(client) == network
