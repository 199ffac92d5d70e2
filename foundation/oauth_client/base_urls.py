"""Where a server says that one person's API is, and when that is believed. Knows no rows and opens no socket."""

import re
from urllib.parse import urlsplit

HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def origin(url: str) -> str:
    """Scheme, host and port: what decides who gets to see a token. "" where there is no host.

    What cannot be read is itself, and so nowhere else: it must not pass for a place that is known.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""


def is_pattern(pattern: str) -> bool:
    """A host, or `*.` and at least two labels: "*.com" would let it lead anywhere."""
    return bool(HOST.fullmatch(pattern)) and pattern.removeprefix("*.").count(".") >= 1


def believed(unverified_base_url: str, patterns: str) -> str:
    """Its origin, where it is https on a host that an administrator expects; else "": such a base is not used."""
    try:
        parts = urlsplit(unverified_base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    is_plain = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    if not is_plain or not any(fits(host, pattern) for pattern in patterns.split()):
        return ""
    return f"https://{host}"


def fits(host: str, pattern: str) -> bool:
    if not HOST.fullmatch(host) or not is_pattern(pattern):
        return False
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def moved(url: str, base_url: str) -> str:
    """The same path and query at another origin; the URL itself where there is none."""
    parts = urlsplit(base_url)
    return urlsplit(url)._replace(scheme=parts.scheme, netloc=parts.netloc).geturl() if base_url else url
