"""The path that a program wrote behind `proxy/`, as it wrote it: where "%2F" is no slash.

WSGI hands over a path that is decoded already (PEP 3333), and most servers the raw one beside it. What the two do not
agree about is refused: one of them was looked at, the other would be sent.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from django.http import HttpRequest
from django.utils.encoding import repercent_broken_unicode

from integrations.calls import BadPath

PLAIN = "/:@!$&'()*+,;=-._~"  # what a path may hold as it is (RFC 3986 §3.3)
IN_QUERY = PLAIN + '%?[]|^`{}"<>'
LONELY = re.compile(r"%(?![0-9A-Fa-f]{2})")  # begins no encoding; urllib3 would encode all others once more
ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")  # of the absolute form (RFC 9112 §3.2.2)


def asked_for(request: HttpRequest, path: str) -> str:
    """`path`, the decoded end of the address, as it was sent, with its query."""
    query = quote(str(request.META.get("QUERY_STRING", "")).encode("latin-1"), safe=IN_QUERY)
    return LONELY.sub("%25", raw_path(request, path) + (f"?{query}" if query else ""))


def raw_path(request: HttpRequest, path: str) -> str:
    """Without a raw address, what was decoded is encoded again."""
    raw = ORIGIN.sub("", str(request.META.get("RAW_URI") or request.META.get("REQUEST_URI") or "").partition("?")[0])
    if not raw:
        return quote(path, safe=PLAIN)
    slashes = request.path.removesuffix(path).count("/")
    *before, tail = raw.split("/", slashes)
    if decoded(raw) != request.path or decoded(tail) != path or len(before) != slashes:
        raise BadPath("The address can be read in two ways.")
    return quote(tail.encode("latin-1"), safe=PLAIN + "%")


def decoded(raw: str) -> str:
    """As Django reads PATH_INFO."""
    return repercent_broken_unicode(unquote_to_bytes(raw.encode("latin-1"))).decode()
