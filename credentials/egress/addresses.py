"""Which network addresses may be called: public ones, and none inside a network or a machine."""

import ipaddress

# IANA's registries of special purposes (RFC 6890 and its successors): `is_global` of some Pythons takes parts
# of them for public (CVE-2024-4032), and some of IPv6 lead to an address of IPv4 that is written inside.
_REFUSED_4 = [
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
    )
]
# The only part of IPv6 that is given out to the public.
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_6 = [
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]


def is_refused(text: str) -> bool:
    """Whether an address must not be called. What is no address, or names a network card, is refused too."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return not address.is_global or any(address in network for network in _REFUSED_4)
    if address.scope_id:
        return True
    if address.ipv4_mapped:
        return is_refused(str(address.ipv4_mapped))
    return (
        address not in _PUBLIC_6 or not address.is_global or any(address in network for network in _REFUSED_6)
    )
