"""Values in the bodies of untrusted responses, whatever media type a server calls them. Opens no socket.

JSON in UTF-8, UTF-16 or UTF-32 (RFC 8259 §8.1), or in the charset that the response names; also with one of the
prefixes that keep it from running as a script, or as the argument of a function (JSONP). Of XML, the texts of its
innermost elements by name: that is all that errors need.
"""

import html
import json
import re
from contextlib import suppress
from urllib.parse import parse_qsl

from requests import Response

from foundation.oauth_client.transport.framing import text_charset

LARGEST_XML = 64 << 10  # bytes
LONGEST_SENTENCE = 300  # characters
MOST_ELEMENTS = 100

_CHARSET = re.compile(r"charset=\"?([\w.:-]{1,40})", re.IGNORECASE)
_PREFIX = re.compile(r"\s*(\)\]\}'?,?|while\s*\(1\);|for\s*\(;;\);)\s*")
_JSONP = re.compile(r"\s*(?:/\*\*/)?[A-Za-z_$][\w$.]{0,60}\(\s*([\[{].*[\]}])\s*\)\s*;?\s*", re.DOTALL)
_ELEMENT = re.compile(r"<(?:[\w.-]{1,60}:)?([A-Za-z_][\w.-]{0,60})(?:\s[^<>]*)?>([^<>]{0,4000})</")
_PAGE = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_FOR_PEOPLE = re.compile(rb"<(form|input|script|iframe|a|img|link)\b", re.IGNORECASE)
_A_SUCCESS = re.compile(
    r"\W*(ok|done|success|((your|the) )?(access |refresh )?(token|access|grant)( (has|have|was|were|is))?( been)?"
    r"( successfully)? revoked( successfully)?)?\W*",
    re.IGNORECASE,
)


def parse_json(content: bytes, content_type: str = "") -> object:
    """The JSON value. Raises `ValueError` if it is none.

    Bytes that are no text become U+FFFD, so that one letter of a message doesn't hide the rest of an answer.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _loads(decode_text(content, content_type))


def decode_text(content: bytes, content_type: str) -> str:
    """The text, in UTF-8 or else in the charset that the Content-Type names."""
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    named = _CHARSET.search(content_type)
    with suppress(LookupError, UnicodeError):
        return content.decode(text_charset(named[1])) if named else content.decode("utf-8", "replace")
    return content.decode("utf-8", "replace")


def _loads(text: str) -> object:
    if prefix := _PREFIX.match(text):
        text = text[prefix.end() :]
    elif call := _JSONP.fullmatch(text):
        text = call[1]
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def json_body(response: Response) -> dict[str, object] | list[object] | None:
    """The JSON object or list of the body; None if it is neither."""
    try:
        value = parse_json(response.content, response.headers.get("Content-Type", ""))
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def body_of(response: Response) -> object:
    """The JSON object or list of the body, or the members of a form or of an XML document; None if it is neither."""
    value = json_body(response)
    if value is None:
        value = form_members(response.content)
    if value is None and ("xml" in response.headers.get("Content-Type", "") or b"<?xml" in response.content[:20]):
        return xml_members(response.content)
    return value


def form_members(content: bytes) -> dict[str, object] | None:
    """The members of a form that has a token or an error, as GitHub responds by default."""
    try:
        text = content.decode("utf-8-sig").strip()
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=50, errors="strict")
    except ValueError:
        return None
    members: dict[str, object] = dict(pairs)
    is_known = len(members) == len(pairs) and ("access_token" in members or "error" in members)
    return members if is_known else None


def sentence_of(content: bytes) -> dict[str, object] | None:
    """The text of a body that is one sentence, as the member `message`; None if it is more, or a page."""
    try:
        text = content[: 4 * LONGEST_SENTENCE].decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    is_sentence = 0 < len(text) <= LONGEST_SENTENCE and "<" not in text and text.isprintable()
    return {"message": text} if is_sentence else None


def is_page(content: bytes) -> bool:
    """Whether the body is a page of HTML for people to read or to act on, not just a word of success, or nothing."""
    if not _PAGE.match(_without_comments(content)):
        return False
    if _FOR_PEOPLE.search(content[:LARGEST_XML]):
        return True
    return not _A_SUCCESS.fullmatch(re.sub(r"<[^<>]{0,2000}>", " ", decode_text(content[:LARGEST_XML], "")))


def _without_comments(content: bytes) -> bytes:
    return re.sub(rb"<\?.{0,200}?\?>|<!--.{0,2000}?-->", b"", content[:4000], flags=re.DOTALL)


def xml_members(content: bytes) -> dict[str, object] | None:
    """Names and texts of the innermost elements; None if it is no XML, or a page. The first of a name counts."""
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or len(content) > LARGEST_XML:
        return None
    if _PAGE.match(_without_comments(content)):
        return None
    members: dict[str, object] = {}
    for element in list(_ELEMENT.finditer(decode_text(content, "")))[:MOST_ELEMENTS]:
        members.setdefault(element[1], html.unescape(element[2]).strip())
    return members or None
