"""Who can reach an address we listen on."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Say whether only this machine can connect to `host`; an unknown name counts as open."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
