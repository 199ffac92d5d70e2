"""Base URLs of one person's API as token responses name them, and when to trust them. No rows, no sockets."""

import re
from urllib.parse import urlsplit

HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def origin(url: str) -> str:
    """Scheme, host and port of a URL, which decide who receives a token. "" if there is no host.

    A URL that cannot be parsed is its own origin, so that it never equals a known one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def is_pattern(pattern: str) -> bool:
    """Whether this is a host, or `*.` and at least two labels: "*.com" would match almost any host."""
    return bool(HOST.fullmatch(pattern)) and pattern.removeprefix("*.").count(".") >= 1


def trusted_origin(unverified_base_url: str, patterns: str) -> str:
    """The origin of the base URL if it is https and its host matches one of the patterns; otherwise ""."""
    try:
        parts = urlsplit(unverified_base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    is_trustworthy = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    if not is_trustworthy or not any(matches_pattern(host, pattern) for pattern in patterns.split()):
        return ""
    return f"https://{host}"


def matches_pattern(host: str, pattern: str) -> bool:
    if not HOST.fullmatch(host) or not is_pattern(pattern):
        return False
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def with_origin(url: str, base_url: str) -> str:
    """The URL with the origin of `base_url`; unchanged if that is ""."""
    parts = urlsplit(base_url)
    return urlsplit(url)._replace(scheme=parts.scheme, netloc=parts.netloc).geturl() if base_url else url
