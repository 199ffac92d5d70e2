"""Which IP addresses belong to the public internet. Pure functions: no lookups, no connections.

The tables are our own because `ipaddress.is_global` changed between Python releases (CVE-2024-4032) and does not know
transition prefixes that carry an IPv4 address inside.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's IPv4 special-purpose registry, plus one public address that Azure serves internally.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # "this host", which Linux routes to loopback
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# Global unicast. Everything outside is loopback, local, mapped, translated (64:ff9b::/96), multicast or unassigned.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


def parse_networks(spelled: Iterable[str]) -> tuple[Network, ...]:
    """Parse the configured networks. Raises ValueError, which quotes the invalid one."""
    return tuple(ip_network(text.strip()) for text in spelled if text.strip())


def is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_inside(address: Address, allowed: Iterable[Network]) -> bool:
    return any(address in network for network in allowed)


def parse_address(text: str) -> Address:
    """Parse an address, with its zone ("fe80::1%eth0"), which is needed to connect."""
    return ip_address(text)
