"""Resource indicators (RFC 8707): which `resource` a client may request, and where a token bound to one is accepted."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from oauth2_provider.oauth2_validators import validate_resource_as_url_prefix

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST = 2000


def is_own_address(resource: str) -> bool:
    """Whether the resource is a URL of this site. Nothing else accepts our tokens."""
    if not resource.isascii() or not resource.isprintable() or len(resource) > LONGEST or {" ", "#"} & {*resource}:
        return False
    try:
        parts = urlsplit(resource)
        return "@" not in parts.netloc and _origin(parts) == _origin(urlsplit(settings.SITE_URL))
    except ValueError:  # malformed port or IPv6 address
        return False


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(scheme)


def covers(request_url: str, resources: Iterable[str]) -> bool:
    """Whether a token for these resources is accepted at this URL of ours, under any host name."""
    path = urlsplit(request_url).path
    return bool(validate_resource_as_url_prefix(f"{settings.SITE_URL}{path}", list(resources)))
