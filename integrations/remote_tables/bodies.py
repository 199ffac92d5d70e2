"""The answer to one request of a table: its rows, or the exception that says what is wrong.

JSON is read whatever its media type is; CSV by its header line. An answer without content is an empty list.
"""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from requests import Response

from foundation.oauth_client import (
    announced_waits,
    default_rules,
    error_answers,
    error_documents,
    error_reasons,
    response_bodies,
)
from foundation.oauth_client.errors import Misconfigured, Unreachable
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile
from integrations import calls
from integrations.connections.renewal import NoUsableToken
from integrations.models.remote_tables import MOST_ROWS
from integrations.remote_tables.errors import NotAllowed, NotRead, ProviderError, TableMisconfigured

LIMITED = "http_429"  # of any rate-limited answer, whatever its status
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
CSV_DELIMITERS = ",;\t|"
CSV_TYPES = {
    **dict.fromkeys(("text/csv", "application/csv", "text/x-csv", "application/x-csv"), CSV_DELIMITERS),
    "text/comma-separated-values": CSV_DELIMITERS,
    "text/tab-separated-values": "\t",
}
# A file of that name is CSV, although servers call it text, octets or Excel's.
CSV_FILE = re.compile(r"filename\*?=[^;]*\.(csv|tsv)\"?\s*(;|$)", re.IGNORECASE)
LINES_OF_JSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"})
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
CHARSETS = {
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    **dict.fromkeys(("iso-8859-1", "latin1", "windows-1252"), "cp1252"),
}
FOR_THE_ADMINISTRATOR = frozenset({"registration_wrong", "plan_ended"})
# As `error_documents` spells them.
SUCCESS_MEMBERS = ("ok", "success", "is_success", "succeeded")
FAILURES = frozenset({"error", "fail", "failed", "failure", "nok"})
ERROR_MEMBERS = (
    "error", "errors", "fault", "error_code", "errcode", "error_message", "error_messages", "errmsg",
    "error_description",
)  # fmt: skip
ERROR_CODES = ("errcode", "error_code")
# Of an object that is called an error. Others hold ids of the request or counts.
MEMBERS_OF_AN_ERROR = ("code", "status", "type", "message", "msg", "detail", "description", *ERROR_MEMBERS)
NO_ERROR_CODES = re.compile(r"0+|200(?:000?)?")  # 00000, 200, 20000
SUCCESS_WORDS = re.compile(
    r"^\W*ok(?:ay)?\W*$|(?<![不未])成功"
    r"|^(?!.*\b(?:not|no|without|never|\w+n.t|cannot|unable|false|fail\w*|errors?)\b).*\bsuccess(?:ful|fully)?\b",
    re.IGNORECASE | re.DOTALL,
)
NOTHING_FOUND = re.compile(
    r"(?:no|zero|0) (?:\w+ )?(?:results?|records?|rows?|items?|entries|data|match(?:es)?|documents?|objects?)"
    r"(?: (?:were|was|are|is))?(?: (?:found|available|returned|exists?|match|matched))?(?: for .{0,80})?\W*"
    r"|nothing (?:was )?found\W*",
    re.IGNORECASE,
)
NO_CONTENT: list[Any] = []


class CsvRow(dict[str, str]):
    """A row by the names of the header line, which paths find in small and capital letters alike."""

    def get(self, name: Any, default: Any = None) -> Any:
        if name in self:
            return self[name]
        return next((value for key, value in self.items() if key.casefold() == str(name).casefold()), default)


@sensitive_variables()
def parse_body(response: Response, profile: ProviderProfile) -> Any:
    """The JSON value or the rows of a CSV. `NO_CONTENT` itself if there is no body."""
    raise_refusal(response, profile)
    if response.status_code == 204 or not response.content.strip():
        return NO_CONTENT
    if delimiters := csv_delimiters(response):
        return list(islice(parse_csv(response, delimiters), MOST_ROWS + 1))
    document = parse_document(response)
    if isinstance(document, dict) and document.get("ok") is False:
        raise provider_error(response, document, profile)
    return document


def parse_document(response: Response) -> Any:
    """The JSON value, or those of the lines, whatever the server calls either."""
    try:
        if media_type_of(response) in LINES_OF_JSON:
            return parse_lines(response)
        return response_bodies.parse_json(response.content, response.headers.get("Content-Type", ""))
    except (ValueError, RecursionError):
        with suppress(ValueError, RecursionError):
            rows = parse_lines(response)
            if len(rows) > 1 and all(isinstance(row, dict | list) for row in rows):
                return rows
        raise not_read(response) from None


def parse_lines(response: Response) -> list[Any]:
    """The JSON value of each line, which RFC 7464 begins with a mark."""
    lines = (line.strip(b"\x1e\xef\xbb\xbf \t") for line in islice(response.content.splitlines(), MOST_ROWS + 1))
    return [json.loads(line) for line in lines if line]


def raise_refusal(response: Response, profile: ProviderProfile) -> None:
    """Raise what the answer says of the token, the person or the limits; also if its status is 200."""
    status, reason = response.status_code, calls.reason_of(response)
    wait = announced_waits.announced_wait(response.headers)
    raise_reason(reason, wait)
    if reason in FOR_THE_ADMINISTRATOR:
        raise provider_error(response, response_bodies.body_of(response), profile)
    if status == 401:
        raise NoUsableToken("http_401")
    if announced_waits.is_limited(status, response.headers):
        raise Unreachable(LIMITED, retry_after=wait)
    if status == 403:
        raise NotAllowed("http_403")
    if not 200 <= status < 300:
        raise error_for(response)


def raise_reason(reason: str, wait: float | None = None) -> None:
    """Raise what `calls.reason_of` says of the token, the person or the limits. `wait`: seconds, if it is known."""
    if reason in ("insufficient_scope", "person_must_act"):
        raise NoUsableToken(reason)
    if reason == "token_refused":
        raise NoUsableToken("http_401")
    if reason in ("rate_limited", "temporary"):
        raise Unreachable(LIMITED if reason == "rate_limited" else reason, retry_after=wait)


def error_for(response: Response) -> Exception:
    error = error_answers.error_from(response)
    if not isinstance(error, Misconfigured):
        return error
    message = _("The third party answered %(status)d. Check the path and the Connection URL.")
    return TableMisconfigured(error.code, message % {"status": response.status_code})


def says_error(document: object) -> bool:
    """Whether a good answer without rows says that something went wrong."""
    members = error_documents.spell_plainly(document)
    if not isinstance(members, dict):
        return False
    if any(str(members.get(name)).lower() == "false" for name in SUCCESS_MEMBERS):
        return True
    has_words = any(members.get(name) for name in ("message", "msg", *ERROR_MEMBERS))
    is_record = any(isinstance(value, list) for value in members.values()) and not has_words
    if str(members.get("status")).lower() in FAILURES and not is_record:
        return True
    code = members.get("code")
    if says_success(members):
        members = {name: value for name, value in members.items() if name not in ERROR_CODES}
    elif has_words and isinstance(code, int) and code >= 400 and names_error(code):
        return True
    return any(names_error(members.get(name)) for name in ERROR_MEMBERS)


def names_error(value: object) -> bool:
    """Whether a member that is called an error holds one. Some always send it: {"errcode": 0, "errmsg": "ok"}."""
    if isinstance(value, dict):
        values = [value[name] for name in MEMBERS_OF_AN_ERROR if name in value]
        return not says_success(value) and any(names_error(each) for each in values or value.values())
    if isinstance(value, list):
        return any(names_error(each) for each in value)
    if isinstance(value, str | int):
        text = str(value)
        is_good = NO_ERROR_CODES.fullmatch(text) or SUCCESS_WORDS.search(text)
        return bool(value) and not is_good and error_answers.names_error(text)
    return bool(value)


def says_success(members: dict[str, object]) -> bool:
    """Whether the message is one of success, such as “Request was successful”. Then its code is that of success."""
    messages = (members.get(name) for name in ("message", "msg", "errmsg", "error_msg", "error_message"))
    return any(isinstance(text, str) and text.strip() and not names_error(text) for text in messages)


def finds_nothing(document: object) -> bool:
    """Whether an error is only the word for an empty list: “No results found”."""
    return bool(NOTHING_FOUND.fullmatch(default_rules.text_in(document, STANDARD, {}).strip()))


def provider_error(response: Response, document: object, profile: ProviderProfile) -> ProviderError:
    words = default_rules.text_in(document, profile, response.headers)
    return ProviderError(error_reasons.reason_in(words, response))


def media_type_of(response: Response) -> str:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media_type if MEDIA_TYPE.fullmatch(media_type) else ""


def not_read(response: Response) -> NotRead:
    media_type = media_type_of(response)
    return NotRead("" if media_type.endswith("json") else media_type)


def csv_delimiters(response: Response) -> str:
    """The letters that may separate the values of a CSV; "" if the answer is none."""
    if delimiters := CSV_TYPES.get(media_type_of(response), ""):
        return delimiters
    is_file = CSV_FILE.search(response.headers.get("Content-Disposition", ""))
    return CSV_DELIMITERS if is_file and not response.content.lstrip().startswith((b"{", b"[", b"<", b"PK")) else ""


def parse_csv(response: Response, delimiters: str) -> Iterator[CsvRow]:
    """The rows of a CSV (RFC 4180). Its delimiter is what “sep=” says, or what makes the most of the header line."""
    text = csv_text(response)
    if named := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE):
        text, delimiters = text[named.end() :], named[1]
    try:
        delimiter = max(delimiters, key=lambda each: len(next(csv_reader(text, each), [])))
        lines = csv_reader(text, delimiter)
        names = distinct_names(next(lines, []))
        for values in filter(None, lines):
            yield CsvRow(zip(names, values, strict=False))
    except csv.Error:
        raise not_read(response) from None


def csv_text(response: Response) -> str:
    """The text, in the charset that it begins with or names; without one in UTF-8, or else as Windows writes it."""
    content = response.content
    charset = re.search(r"charset=\"?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    named = CHARSETS.get(charset[1].lower() if charset else "")
    if encoding := BYTE_ORDER_MARKS.get(content[:2]) or named:
        return content.decode(encoding, "replace").lstrip("\ufeff \r\n")
    try:
        return content.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace").lstrip()


def csv_reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter)


def distinct_names(header: list[str]) -> list[str]:
    """The names of the columns: trimmed, and numbered where several are equal or empty."""
    names: list[str] = []
    for number, text in enumerate(header, 1):
        name = text.strip()
        if name in names or not name:
            name = f"{name}_{number}".lstrip("_")
        while name in names:
            name += "_"
        names.append(name)
    return names
