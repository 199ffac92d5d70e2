"""Errors in untrusted responses of an authorization server: whose fault a response is, in an `OAuthError`.

A provider's own rules come first (`provider_profile`), then statuses that mean "try later", then rules for any provider
(`default_rules`), then the codes of RFC 6749. What none of them knows is never final. Opens no socket.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from requests import Response

from foundation.oauth_client import (
    announced_waits,
    default_rules,
    error_codes,
    error_documents,
    error_reasons,
    json_pointers,
)
from foundation.oauth_client.error_documents import CODE_PLACES, NUMBER_PLACES, TEXT_PLACES
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable
from foundation.oauth_client.provider_profile import (
    STANDARD,
    Meaning,
    ProviderProfile,
    Reply,
    Request,
    Rule,
    find_rule,
    seconds_to_wait,
    texts,
    value_at,
)
from foundation.oauth_client.response_bodies import body_of, form_members, json_body, sentence_of

MAX_RETRY_AFTER = 86400.0
LONGEST_CODE = 60  # characters
NO_ERRORS = frozenset({"", "0", "ok", "success", "none", "no_error", "no error", "null", "undefined", "false"})
REQUESTS: Mapping[str, Request] = {
    "authorization_code": "code",
    "refresh_token": "refresh",
    "password": "password",
    "client_credentials": "client_credentials",
}
# What a rule's meaning becomes. The rest is not about a token request, so it cannot be final there.
ERRORS: Mapping[Meaning, type[OAuthError]] = {
    "sign_in_over": Refused,
    "person_must_act": Refused,
    "second_step": Refused,
    "wrong_password": Refused,
    "declined": Refused,
    "refused_by_policy": Refused,
    "administrator_must_consent": Refused,
    "registration_wrong": Misconfigured,
    "plan_ended": Misconfigured,
    "wait": Unreachable,
    "temporary": Unreachable,
    "keep_token": Unreachable,
    "unsure": Unexplained,
}


def error_from(
    response: Response, *, grant_type: str = "", request: Request | None = None, profile: ProviderProfile = STANDARD
) -> OAuthError:
    """The error for a response that is not a success. `grant_type` or `request`: what was asked for."""
    kind = request or REQUESTS.get(grant_type)
    reply = Reply(
        status=response.status_code,
        headers=response.headers,
        document=error_document(response),
        text=response.content[:80_000].decode("utf-8", "replace"),
    )
    rule = rule_for(reply, kind, profile)
    error = _error_by_rule(rule, reply, profile) if rule else _error_of(response, reply, grant_type, profile)
    error.status, error.fingerprint = response.status_code, _fingerprint(response)
    numbers = values_at(NUMBER_PLACES, reply.document)
    words = error_reasons.add_numbers(default_rules.text_in(reply.document, profile, reply.headers), numbers)
    error.reason = error_reasons.reason_in(words, response, grant_type=grant_type)
    return error


def rule_for(reply: Reply, request: Request | None, profile: ProviderProfile) -> Rule | None:
    """The rule that decides: the provider's own at any status, the common ones if no status says "try later"."""
    if request is None:
        return None
    own = find_rule(profile, request, reply)
    if own or not profile.default_rules or says_later(reply.status) or 300 <= reply.status < 400:
        return own
    for view in error_documents.views_of(reply.document):
        common = find_rule(default_rules.RULES, request, replace(reply, document=view))
        if common and not _says_code_more(common, error_code(reply.document, profile)):
            return common
        if common or _code_in(view) in error_codes.CODES:
            break
    return None


def values_at(places: tuple[str, ...], document: object) -> Iterator[object]:
    """What stands at these places, in the document and in the objects inside it."""
    for view in error_documents.views_of(document):
        yield from (json_pointers.resolve(view, place) for place in places)


def _says_code_more(common: Rule, code: str) -> bool:
    """Whether the provider's code says plainly whose fault it is, which a common rule would read out of a sentence."""
    if common.means == "sign_in_over" and code in error_codes.DEAD_REFRESH_TOKEN:
        return True
    is_about_person = ERRORS.get(common.means) is Refused and common.means != "administrator_must_consent"
    return is_about_person and code in error_codes.CERTAINLY_SET_UP


def _error_by_rule(rule: Rule, reply: Reply, profile: ProviderProfile) -> OAuthError:
    code = error_code(reply.document, profile)
    if code in {"", "unknown_error"} or rule.means not in {"sign_in_over", "registration_wrong", "unsure"}:
        code = rule.means
    kind = ERRORS.get(rule.means, Unexplained)
    if kind is Unreachable:
        waits = (rule.wait,) if rule.wait else profile.limits.wait
        announced = seconds_to_wait(waits, reply)
        error: OAuthError = Unreachable(code, retry_after=_retry_after(reply) if announced is None else announced)
    else:
        error = kind(code)
    error.meaning, error.is_ambiguous = rule.means, rule.ambiguous
    error.claims = value_at(rule.claims, reply) if rule.claims else ""
    return error


def says_later(status: int) -> bool:
    return status in {408, 420, 425, 429, 430} or status >= 500


def _error_of(response: Response, reply: Reply, grant_type: str, profile: ProviderProfile) -> OAuthError:
    """Choose the error class by status and code. Statuses that mean "try later" take precedence over the body."""
    status = response.status_code
    if 300 <= status < 400:
        return Misconfigured("redirected", "the endpoint answers with a redirect, which is not followed")
    code = error_code(reply.document, profile)
    in_words = _code_in_words(reply) if code in {"", "unknown_error"} else ""
    code = in_words or code
    retry_after = partial(_retry_after, reply)
    if status == 500 and grant_type == "refresh_token" and code in error_codes.DEAD_REFRESH_TOKEN:
        return Unexplained(code)  # some servers answer every refusal so, others when they have failed
    if says_later(status) or code in error_codes.TRANSIENT:
        transient = code if code in error_codes.TRANSIENT else f"http_{status}"
        return Unreachable(transient, retry_after=retry_after())
    if grant_type == "refresh_token" and code in error_codes.UNEXPLAINED_AT_REFRESH:
        return Unexplained(code)
    if code in error_codes.REFUSED:
        refused = Refused(code)
        is_of_any_token = bool(in_words) or code in error_codes.NAMES_NO_GRANT
        refused.is_ambiguous = grant_type == "refresh_token" and is_of_any_token
        return refused
    if code in error_codes.MISCONFIGURED:
        return Misconfigured(code)
    return _error_by_status(response, code or f"http_{status}", grant_type, retry_after)


def _error_by_status(
    response: Response, code: str, grant_type: str, retry_after: Callable[[], float | None]
) -> OAuthError:
    """Choose the error class for an unknown code. An HTML page comes from a firewall or proxy, and proves nothing."""
    status = response.status_code
    is_page = bool(response.content.strip()) and json_body(response) is None and form_members(response.content) is None
    if grant_type == "refresh_token" and status in {400, 403, 422} and not is_page:
        return Unexplained(code)
    if grant_type == "password" and status in {401, 403} and not is_page:
        return Refused(code)
    if status in {403, 409, 423}:  # 409: another request with this token is under way (Box, Airtable); 423: locked
        return Unreachable(code, retry_after=retry_after())
    if status in {401, 404, 405, 410, 415}:
        return Misconfigured(code)
    return Unusable(code)


def succeeded(response: Response) -> bool:
    return 200 <= response.status_code < 300


def members_of(response: Response) -> Mapping[str, object]:
    """The members of a JSON object, of a form or of XML. Empty if it is none of them."""
    body = body_of(response)
    return body if isinstance(body, dict) else {}


def error_document(response: Response) -> object:
    """What the response says of an error: its body, a known code alone, the challenge (RFC 6750 §3), or a sentence."""
    body = body_of(response)
    if body is not None:
        return body
    word = response.content[:100].decode("utf-8", "replace").strip(' \t\r\n"')
    if code := word if word in error_codes.CODES else error_codes.known_code(word, error_codes.IN_WORDS):
        return {"error": code}
    members = re.findall(r'\b(error|error_description)="([^"]{1,1000})"', response.headers.get("WWW-Authenticate", ""))
    return dict(members) or sentence_of(response.content)


def error_code(body: object, profile: ProviderProfile = STANDARD) -> str:
    """The error code; "" if there is none. Text that is not a code is replaced, because it could hold anything.

    Where the profile says that codes stand, any code counts, and so at RFC 6749's place; elsewhere only a known one.
    """
    for pointer in texts(profile.error.code):
        if code := _spelled(json_pointers.resolve(body, pointer), r"[A-Za-z0-9_.-]{1,60}"):
            return code
    codes = [code for view in error_documents.views_of(body) if (code := _code_in(view))]
    return next((code for code in codes if code in error_codes.CODES), "") or next(iter(codes), "")


def _code_in(view: object) -> str:
    """The code of one object of an error, `unknown_error` if it has an error without one, or ""."""
    error = json_pointers.resolve(view, "/error")
    if isinstance(error, str) and not names_error(error):
        error = ""
    if isinstance(error, str) and (code := _spelled(error.strip().lower(), r"[a-z_]{2,40}")):
        return code if code in error_codes.CODES else error_codes.known_code(error, error_codes.CODES) or code
    if isinstance(error, str) and (code := _code_before_words(error)):
        return code
    for pointer in CODE_PLACES:
        value = json_pointers.resolve(view, pointer)
        if isinstance(value, str) and (code := error_codes.known_code(value, error_codes.KNOWN)):
            return code
    for pointer in TEXT_PLACES:
        word = json_pointers.resolve(view, pointer)
        if isinstance(word, str) and word in error_codes.KNOWN:
            return word
    is_error = bool(error) or (isinstance(view, dict) and view.get("ok", True) is False)
    return "unknown_error" if is_error else ""


def names_error(error: str) -> bool:
    """Whether the member `error` names one. Some servers always send it: "0", "ok", "null" are no errors."""
    return error.strip().lower() not in NO_ERRORS


def _code_in_words(reply: Reply) -> str:
    """A code that stands in words where texts do, such as “Invalid grant” (Twitch); "" if there is none."""
    if not 400 <= reply.status < 500 or reply.status in {404, 405, 410}:
        return ""
    short = (
        text for text in values_at(TEXT_PLACES, reply.document) if isinstance(text, str) and len(text) <= LONGEST_CODE
    )
    return next(filter(None, (error_codes.spelled_code(text, error_codes.IN_WORDS) for text in short)), "")


def _code_before_words(error: str) -> str:
    """The code of an error that holds its text as well: “invalid_client: Invalid client_id or client_secret”."""
    code, colon, _words = error.partition(":")
    return error_codes.known_code(code, error_codes.CODES) if colon and len(code) <= LONGEST_CODE else ""


def _spelled(value: object, pattern: str) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if re.fullmatch(pattern, text) else ""


def _fingerprint(response: Response) -> str:
    """A hash of status and texts. Texts with digits (ids, times) differ in each response and are left out."""
    words = [
        f"{name}={value}"
        for name, value in sorted(members_of(response).items())
        if isinstance(value, str) and not re.search(r"\d", value)
    ]
    return hashlib.sha256("\n".join([str(response.status_code), *words]).encode("utf-8", "surrogatepass")).hexdigest()


def _retry_after(reply: Reply) -> float | None:
    """Seconds that the server asks for, in a header or in the body; None if it does not say."""
    waits = (announced_waits.announced_wait(reply.headers), announced_waits.wait_in_body(reply.document))
    seconds = next((wait for wait in waits if wait is not None), None)
    return None if seconds is None else min(seconds, MAX_RETRY_AFTER)
