"""Resource indicators (RFC 8707): which `resource` a program may name, and where a token that names one is accepted."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from oauth2_provider.oauth2_validators import validate_resource_as_url_prefix

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST = 2000


def is_own(resource: str) -> bool:
    """Whether it is an address of this site. Nothing else accepts our tokens."""
    if not resource.isascii() or not resource.isprintable() or len(resource) > LONGEST or {" ", "#"} & {*resource}:
        return False
    try:
        parts = urlsplit(resource)
        return "@" not in parts.netloc and _origin(parts) == _origin(urlsplit(settings.SITE_URL))
    except ValueError:  # of a port or an IPv6 address
        return False


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(scheme)


def covers(request_url: str, resources: Iterable[str]) -> bool:
    """Whether a token for these resources is accepted at this address of ours, whichever host name it was called by."""
    path = urlsplit(request_url).path
    return bool(validate_resource_as_url_prefix(f"{settings.SITE_URL}{path}", list(resources)))
