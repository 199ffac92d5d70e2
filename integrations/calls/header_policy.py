"""Header and path policy: what is removed from requests and responses, and where a call may go. Sends nothing."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from foundation.exceptions import Explained
from foundation.oauth_client import dialects
from foundation.oauth_client.registration import fill_values
from foundation.oauth_client.signatures import has_proof, proof_parameters
from integrations.expressions.percent_encoding import LONGEST_PATH, TooManyEncodings, unquote_fully
from integrations.models.registry import ApplicationRegistry

# Headers that callers may not set: credentials, destination, framing, the proxies that a call has passed, and what
# links it to the caller's traces (docs/decisions/0057).
FORBIDDEN_IN_REQUESTS = re.compile(
    r"^(authorization|cookie2?|host|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|via"
    r"|forwarded|proxy(-.*)?|x-forward.*|x-real-ip|(.*-)?client-?ip|x-(originating|proxyuser|remote)-ip|cf-.*"
    r"|(x-)?remote-(addr|user)|x-(azure-socketip|envoy-.*)|x-host|x-(url-)?scheme|x-https|front-end-https"
    r"|x-script-name|x-original-.*|x-rewrite-url|x-(http-)?method-override|x-http-method|x-csrf-?token|traceparent|tracestate|baggage|sec-.*|origin|referer|hx-.*|keyrack-.*)$",
    re.IGNORECASE,
)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
READABLE = frozenset({"gzip", "x-gzip", "deflate", "identity"})  # content codings
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
A_METHOD = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*")  # IANA's registry has methods with hyphens, such as VERSION-CONTROL
NEVER_SENT = frozenset({"TRACE", "CONNECT"})

# Response headers that would act on our own origin: cookies, redirects, policies of pages, caching, and framing.
FORBIDDEN_IN_RESPONSES = re.compile(
    r"^(set-cookie.*|set-login|clear-site-data|service-worker.*|refresh|content-location|keyrack-.*|hx-.*"
    r"|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|content-length|upgrade|alt-svc|server|date|via"
    r"|x-accel-.*|x-sendfile|x-(lighttpd-send|litespeed|reproxy)-.*|secure-session-.*"
    r"|content-security-policy.*|x-content-security-policy|x-webkit-csp|permissions-policy.*|feature-policy"
    r"|(document|document-isolation|require-document|integrity)-policy.*|use-as-dictionary"
    r"|referrer-policy|strict-transport-security|expect-ct|public-key-pins.*|access-control-.*"
    r"|timing-allow-origin|cross-origin-.*|origin-.*|sec-.*|accept-ch|critical-ch|x-content-type-options|x-frame-options"
    r"|x-xss-protection|x-permitted-cross-domain-policies|x-dns-prefetch-control|speculation-rules|supports-loading-mode"
    r"|sourcemap|x-sourcemap|report-to|reporting-endpoints|nel|activate-storage-access|attribution-reporting-.*"
    r"|cache-control|(.*-)?cdn-cache-control|edge-control|surrogate-.*|pragma|expires|age)$",
    re.IGNORECASE,
)
# Programs can read these, but clients do not act on them.
RENAMED = {"location": "Keyrack-Location", "www-authenticate": "Keyrack-Challenge"}
A_TOKEN_CHALLENGE = re.compile(r"(^|[\s,])(bearer|dpop)\b", re.IGNORECASE)  # RFC 6750 §3, RFC 9449 §7.1
FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\#]")
FORBIDDEN_ONCE_DECODED = re.compile(r"[\x00-\x1f\x7f\\]")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|(https?|wss?|ftps?|file|gopher|data|blob|javascript|vbscript):", re.I)
BETWEEN_STEPS = re.compile(r"[/\\;?#]")


class BadPath(Explained, ValueError):
    """The path would leave the origin or the base path of the alias, or the request is not valid."""

    message = "The path leaves the Connection URL."

    def describe(self, translate: Callable[[str], str]) -> str:
        return translate(str(self))


def target_url(connection_url: str, path: str) -> str:
    """The URL of `path` below the connection's URL. Raises `BadPath` if it could leave that origin or base path."""
    if not isinstance(path, str):
        raise BadPath("A path is a text.")
    if len(path) > LONGEST_PATH:
        raise BadPath("The path is too long.")
    try:
        decoded = unquote_fully(path.partition("?")[0])
    except TooManyEncodings:
        raise BadPath("The path is percent-encoded too many times.") from None
    if FORBIDDEN.search(path) or FORBIDDEN_ONCE_DECODED.search(decoded):
        raise BadPath("A path can’t contain spaces, backslashes, fragments or control characters.")
    if decoded.startswith("//") or ADDRESS.match(decoded):
        raise BadPath("Give a path below the connection's URL, not a full URL.")
    if has_dot_segments(decoded) or has_dot_segments(unicodedata.normalize("NFKC", decoded)):
        raise BadPath("A path can’t contain dot segments.")
    url = connection_url.rstrip("/") + "/" + path.lstrip("/") if path else connection_url
    if urlsplit(url)[:2] != urlsplit(connection_url)[:2]:
        raise BadPath("The path leads to another server.")
    return url


def has_dot_segments(path: str) -> bool:
    """Whether a decoded path has dot segments. Some servers trim spaces, or split at an encoded "?" or ";"."""
    return any(step.strip() in {".", ".."} for step in BETWEEN_STEPS.split(path))


def allowed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a caller may set, without those of this hop (RFC 9110 §7.6.1). Raises `BadPath`."""
    if not isinstance(headers, Mapping) or not all(isinstance(name, str) for name in headers):
        raise BadPath("Headers are a mapping of names to texts.")
    for name, value in headers.items():
        if not isinstance(value, str):
            sentence = f"The value of the header “{name}” must be a text."
            raise BadPath(sentence)
    hop_headers = hop_by_hop_names(headers.items())
    return {
        name: readable_codings(value) if name.lower() == "accept-encoding" else value
        for name, value in headers.items()
        if may_set_header(name) and name.lower() not in hop_headers
    }


def readable_codings(accepted: str) -> str:
    """The accepted content codings that we can read: a refusal in another would not be understood."""
    items = (item.strip() for item in accepted.split(","))
    return ", ".join(item for item in items if item.partition(";")[0].strip().lower() in READABLE) or "identity"


def request_headers(
    caller_headers: Mapping[str, str],
    registry: ApplicationRegistry,
    access_token: str,
    values: Mapping[str, str] = dialects.NO_VALUES,
) -> dict[str, str | bytes]:
    """Headers of the caller and of the registry. The caller cannot override those that identify the client or user.

    `values`: what the provider told for this person, by the names that headers have in braces.
    """
    texts = registry.call_headers
    ours = dialects.build_headers(
        texts,
        client_id=registry.client_id,
        access_token=access_token,
        value_names=registry.readable_profile.kept_values(),
        values=values,
    )
    reserved = {"authorization", *(normalize_name(name) for name, text in texts.items() if "{" in text)}
    allowed = {name: value for name, value in caller_headers.items() if normalize_name(name) not in reserved}
    overridden = {normalize_name(name) for name in allowed}
    return {**allowed, **{name: value for name, value in ours.items() if normalize_name(name) not in overridden}}


def add_parameters(url: str, registry: ApplicationRegistry, access_token: str, values: Mapping[str, str]) -> str:
    """The URL with the query parameters that each call to this provider carries. Those of the caller win."""
    calls = registry.readable_profile.calls
    if not (calls.parameters or calls.token_parameter):
        return url
    fixed = {calls.token_parameter: access_token} if calls.token_parameter else {}
    if has_proof(calls):
        fixed |= proof_parameters(calls, access_token, registry.readable_secret)
    ours = {name: fill_values(text, values) for name, text in calls.parameters.items()} | fixed
    parts = urlsplit(url)
    of_caller = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)} - fixed.keys()
    added = urlencode({name: value for name, value in ours.items() if name not in of_caller})
    return parts._replace(query="&".join(filter(None, (parts.query, added)))).geturl() if added else url


def normalize_name(name: str) -> str:
    """The name for comparisons. Some servers treat X_Client_Id like X-Client-Id."""
    return name.lower().replace("_", "-")


def may_set_header(name: str) -> bool:
    """Whether a caller may set this header. Underscores count as hyphens, because some servers treat them alike."""
    return bool(HEADER_NAME.fullmatch(name)) and not FORBIDDEN_IN_REQUESTS.match(name.replace("_", "-"))


def method_of(method: str) -> str:
    """The method in capitals. No TRACE, which echoes the token (RFC 9110 §9.3.8), and no CONNECT, which is a tunnel."""
    if not isinstance(method, str) or not A_METHOD.fullmatch(method):
        raise BadPath("A method consists of letters and hyphens.")
    if (method := method.upper()) in NEVER_SENT:
        sentence = f"{method} can’t be used here."
        raise BadPath(sentence)
    return method


def response_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Response headers that may be passed on from our origin, without those of this hop (RFC 9110 §7.6.1)."""
    pairs = list(headers)
    hop_headers = hop_by_hop_names(pairs)
    return [
        (RENAMED.get(name.lower(), name), value.strip(" \t"))
        for name, value in pairs
        if may_pass_on(name, value) and name.lower() not in hop_headers
    ]


def may_pass_on(name: str, value: str) -> bool:
    is_forbidden = FORBIDDEN_IN_RESPONSES.match(name.replace("_", "-"))
    if name.lower() == "www-authenticate" and not is_token_challenge(value):
        return False
    return bool(HEADER_NAME.fullmatch(name)) and not is_forbidden and not CONTROLS.search(value)


def is_token_challenge(value: str) -> bool:
    """Whether a WWW-Authenticate header is about the access token, not about a password."""
    return bool(A_TOKEN_CHALLENGE.search(value))


def hop_by_hop_names(headers: Iterable[tuple[str, str]]) -> set[str]:
    """Names that `Connection` lists, in lower case."""
    lists = [value for name, value in headers if name.lower() == "connection"]
    return {name.strip().lower() for name in ",".join(lists).split(",")}
