"""The raw path behind `proxy/`, in which "%2F" is no slash.

WSGI passes a decoded path (PEP 3333); most servers pass the raw one too. If the two differ, the request is refused: one
of them was routed and checked, and the other would be sent.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from django.http import HttpRequest
from django.utils.encoding import repercent_broken_unicode

from integrations.calls import BadPath

PLAIN = "/:@!$&'()*+,;=-._~"  # characters that need no encoding in a path (RFC 3986 §3.3)
IN_QUERY = PLAIN + '%?[]|^`{}"<>'
BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")  # a % that starts no escape; urllib3 would encode all others again
ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")  # in the absolute form of a request target (RFC 9112 §3.2.2)


def requested_path(request: HttpRequest, path: str) -> str:
    """Return the raw form of `path`, the decoded end of the address, with its query."""
    query = quote(str(request.META.get("QUERY_STRING", "")).encode("latin-1"), safe=IN_QUERY)
    return BARE_PERCENT.sub("%25", raw_path(request, path) + (f"?{query}" if query else ""))


def raw_path(request: HttpRequest, path: str) -> str:
    """Return the raw form of `path`. If the server passes no raw address, encode the decoded one."""
    raw = ORIGIN.sub("", str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "").partition("?")[0])
    if not raw:
        return quote(path, safe=PLAIN)
    slashes = request.path.removesuffix(path).count("/")
    *before, tail = raw.split("/", slashes)
    if decoded(raw) != request.path or decoded(tail) != path or len(before) != slashes:
        raise BadPath("The address is ambiguous.")
    return quote(tail.encode("latin-1"), safe=PLAIN + "%")


def decoded(raw: str) -> str:
    """Decode a path as Django decodes PATH_INFO."""
    return repercent_broken_unicode(unquote_to_bytes(raw.encode("latin-1"))).decode()
