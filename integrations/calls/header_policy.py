"""What a caller may say in a person's name, where to, and what of an answer may come back to him. Sends nothing."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from foundation.oauth_client import call_headers
from integrations.expressions.percent_encoding import LONGEST_PATH, TooManyEncodings, fully_unquoted
from integrations.models.registry import ApplicationRegistry

# What a caller may not say in the user's name: who he is, where the call goes, how it is framed, whom it came through.
OURS_TO_SET = re.compile(
    r"^(authorization|cookie2?|host|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|via"
    r"|forwarded|proxy(-.*)?|x-forward.*|x-real-ip|(.*-)?client-?ip|x-(originating|proxyuser|remote)-ip|cf-.*"
    r"|(x-)?remote-(addr|user)|x-(azure-socketip|envoy-.*)|x-host|x-(url-)?scheme|x-https|front-end-https"
    r"|x-script-name|x-original-.*|x-rewrite-url|x-(http-)?method-override|x-http-method|x-csrf-?token|sec-.*|origin|referer|hx-.*|keyrack-.*)$",
    re.IGNORECASE,
)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
A_METHOD = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*")  # of those that IANA knows: VERSION-CONTROL
NEVER_SENT = frozenset({"TRACE", "CONNECT"})

# What an answer of theirs would do at our address: set cookies, lead elsewhere, change what pages here may do or be
# kept for, or frame the body anew.
ACTS_ON_US = re.compile(
    r"^(set-cookie.*|set-login|clear-site-data|service-worker.*|refresh|content-location|www-authenticate|keyrack-.*|hx-.*"
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
RENAMED = {"location": "Keyrack-Location"}  # a program can read it, and nothing follows it by itself
FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\#]")
FORBIDDEN_ONCE_DECODED = re.compile(r"[\x00-\x1f\x7f\\]")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|(https?|wss?|ftps?|file|gopher|data|blob|javascript|vbscript):", re.I)
BETWEEN_STEPS = re.compile(r"[/\\;?#]")


class BadPath(ValueError):
    """The path would leave the alias's origin or base path."""


def target(connection_url: str, path: str) -> str:
    """The address of `path` below the connection's URL: same origin, same base path, whatever the path tries."""
    if len(path) > LONGEST_PATH:
        raise BadPath(f"A path has at most {LONGEST_PATH} characters.")
    try:
        decoded = fully_unquoted(path.partition("?")[0])
    except TooManyEncodings:
        raise BadPath("A path is not encoded so many times.") from None
    if FORBIDDEN.search(path) or FORBIDDEN_ONCE_DECODED.search(decoded):
        raise BadPath("A path holds no spaces, backslashes, fragments or control characters.")
    if decoded.startswith("//") or ADDRESS.match(decoded):
        raise BadPath("Give a path below the connection's URL, not an address of its own.")
    if has_dot_segments(decoded) or has_dot_segments(unicodedata.normalize("NFKC", decoded)):
        raise BadPath("A path holds no dot segments.")
    url = connection_url.rstrip("/") + "/" + path.lstrip("/") if path else connection_url
    if urlsplit(url)[:2] != urlsplit(connection_url)[:2]:
        raise BadPath("The path leads to another server.")
    return url


def has_dot_segments(path: str) -> bool:
    """Some servers let blanks at the end go, and begin a query or parameters at a "?" or ";" that was encoded."""
    return any(step.strip() in {".", ".."} for step in BETWEEN_STEPS.split(path))


def allowed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Without those that are ours to set, and those that the caller meant for this hop alone."""
    for_this_hop = hop_by_hop(headers.items())
    return {name: value for name, value in headers.items() if may_say(name) and name.lower() not in for_this_hop}


def spoken(said: Mapping[str, str], registry: ApplicationRegistry, access_token: str) -> dict[str, str | bytes]:
    """What the caller says, and what the provider wants with each call. Who calls is never the caller's to say."""
    ours = call_headers.headers(registry.call_headers, client_id=registry.client_id, access_token=access_token)
    about_us = {"authorization", *(spelling(name) for name, text in registry.call_headers.items() if "{" in text)}
    his = {name: value for name, value in said.items() if spelling(name) not in about_us}
    named = {spelling(name) for name in his}
    return {**his, **{name: value for name, value in ours.items() if spelling(name) not in named}}


def spelling(name: str) -> str:
    """Servers differ in what X_Client_Id means to them; so it counts as what it resembles."""
    return name.lower().replace("_", "-")


def may_say(name: str) -> bool:
    """Servers differ in what "Authorization " or X_Forwarded_For mean to them; so they count as what they resemble."""
    return bool(HEADER_NAME.fullmatch(name)) and not OURS_TO_SET.match(name.replace("_", "-"))


def method_of(method: str) -> str:
    """TRACE has the request repeated in the answer, token and all (RFC 9110 §9.3.8); CONNECT asks for a tunnel."""
    if not A_METHOD.fullmatch(method):
        raise BadPath("A method is one word of letters and hyphens.")
    if (method := method.upper()) in NEVER_SENT:
        raise BadPath(f"{method} cannot be used here.")
    return method


def passing(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of a stranger's answer, what may be said from our origin (RFC 9110 §7.6.1): the rest would act on it."""
    found = list(headers)
    for_this_hop = hop_by_hop(found)
    return [
        (RENAMED.get(name.lower(), name), value.strip(" \t"))
        for name, value in found
        if may_come_back(name, value) and name.lower() not in for_this_hop
    ]


def may_come_back(name: str, value: str) -> bool:
    acts_on_us = ACTS_ON_US.match(name.replace("_", "-"))
    return bool(HEADER_NAME.fullmatch(name)) and not acts_on_us and not CONTROLS.search(value)


def hop_by_hop(headers: Iterable[tuple[str, str]]) -> set[str]:
    """What `Connection` names, in small letters."""
    told = [value for name, value in headers if name.lower() == "connection"]
    return {name.strip().lower() for name in ",".join(told).split(",")}
