"""The answer to one request of a table: its rows, or the exception that says what is wrong.

JSON is read whatever its media type is; CSV by its header line. An answer without content is an empty list.
"""

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from requests import Response

from foundation.oauth_client import default_rules, error_answers, error_reasons
from foundation.oauth_client.errors import Misconfigured, Unreachable
from foundation.oauth_client.provider_profile import ProviderProfile
from integrations import calls
from integrations.calls import rate_limits
from integrations.connections.renewal import NoUsableToken
from integrations.models.remote_tables import MOST_ROWS
from integrations.remote_tables.errors import NotAllowed, NotRead, ProviderError, TableMisconfigured

LIMITED = "http_429"  # of any rate-limited answer, whatever its status
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
CSV_DELIMITERS = {
    "text/csv": ",;\t",
    "application/csv": ",;\t",
    "text/comma-separated-values": ",;\t",
    "text/tab-separated-values": "\t",
}
CHARSETS = {"utf-16": "utf-16", "iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252"}
FOR_THE_ADMINISTRATOR = frozenset({"registration_wrong", "plan_ended"})
ERROR_MEMBERS = (
    "error", "errors", "fault", "Error", "Fault", "error_code", "errorCode", "errcode", "error_message", "errorMessage",
    "errmsg",
)  # fmt: skip
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
    if delimiters := CSV_DELIMITERS.get(media_type_of(response)):
        return list(islice(parse_csv(response, delimiters), MOST_ROWS + 1))
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        raise not_read(response) from None
    if isinstance(document, dict) and document.get("ok") is False:
        raise provider_error(response, document, profile)
    return document


def raise_refusal(response: Response, profile: ProviderProfile) -> None:
    """Raise what the answer says of the token, the person or the limits; also if its status is 200."""
    status, reason = response.status_code, calls.reason_of(response)
    wait = rate_limits.announced_wait(response.headers)
    raise_reason(reason, wait)
    if status == 401:
        raise NoUsableToken("http_401")
    if rate_limits.is_limited(status, response.headers):
        raise Unreachable(LIMITED, retry_after=wait)
    if reason in FOR_THE_ADMINISTRATOR:
        raise provider_error(response, error_answers.body_of(response), profile)
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
    if not isinstance(document, dict):
        return False
    is_failure = document.get("ok") is False or document.get("success") is False
    is_failure = is_failure or str(document.get("status")).lower() in {"error", "fail", "failed", "failure"}
    code = document.get("code")
    is_failure = is_failure or (isinstance(code, int) and code >= 400 and "message" in document)
    return is_failure or any(document.get(name) for name in ERROR_MEMBERS)


def provider_error(response: Response, document: object, profile: ProviderProfile) -> ProviderError:
    words = default_rules.text_in(document, profile)
    return ProviderError(error_reasons.reason_in(words, response))


def media_type_of(response: Response) -> str:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media_type if MEDIA_TYPE.fullmatch(media_type) else ""


def not_read(response: Response) -> NotRead:
    media_type = media_type_of(response)
    return NotRead("" if media_type.endswith("json") else media_type)


def parse_csv(response: Response, delimiters: str) -> Iterator[CsvRow]:
    """The rows of a CSV (RFC 4180). Its delimiter is the one that makes the most of the header line."""
    charset = re.search(r"charset=\"?([\w-]+)", response.headers.get("Content-Type", ""), re.IGNORECASE)
    encoding = CHARSETS.get(charset[1].lower() if charset else "", "utf-8-sig")
    text = response.content.decode(encoding, "replace").lstrip()
    try:
        delimiter = max(delimiters, key=lambda each: len(next(csv_reader(text, each), [])))
        lines = csv_reader(text, delimiter)
        names = distinct_names(next(lines, []))
        for values in filter(None, lines):
            yield CsvRow(zip(names, values, strict=False))
    except csv.Error:
        raise not_read(response) from None


def csv_reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter)


def distinct_names(header: list[str]) -> list[str]:
    """The names of the columns: trimmed, and numbered where several are equal or empty."""
    names: list[str] = []
    for number, text in enumerate(header, 1):
        name = text.strip()
        names.append(f"{name}_{number}".lstrip("_") if name in names or not name else name)
    return names
