"""requests on top of guarded sockets. No caller, redirect, cookie or environment variable can disable the guard.

Requests to this site itself are answered within the process, by a function that is injected: over the network, a site
with one worker process would wait for itself forever.
"""

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
import requests
import urllib3
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable
from foundation.oauth_client.transport import framing, sockets
from foundation.oauth_client.transport.sent_requests import record_request
from foundation.oauth_client.transport.tracing import trace_request
from foundation.oauth_client.transport.waiting import count_waiting


@dataclass(frozen=True, kw_only=True)
class LocalAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


# Method, path with its query, headers, body
Answering = Callable[[str, str, Mapping[str, str], bytes], LocalAnswer]


class OwnAdapter(HTTPAdapter):
    """An adapter for requests that calls a function instead of a server."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self._answering = answering

    def send(self, request: requests.PreparedRequest, *_arguments: Any, **_options: Any) -> requests.Response:
        body = request.body or b""
        content = body if isinstance(body, bytes) else str(body).encode()
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        answer = self._answering(request.method or "GET", request.path_url, headers, content)
        raw = HTTPResponse(BytesIO(answer.body), answer.headers, answer.status, preload_content=False)
        return record_request(self.build_response(request, raw), request)


HEADERS = {"User-Agent": "Keyrack", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}

# First match wins, because the exceptions of requests overlap (an SSLError is a ConnectionError).
_NETWORK: tuple[tuple[type[Exception], type[OAuthError], str], ...] = (
    (exceptions.SSLError, Unreachable, "tls_refused"),
    (exceptions.Timeout, Unreachable, "timeout"),
    (exceptions.ContentDecodingError, Unusable, "bad_encoding"),
    (exceptions.ChunkedEncodingError, Unreachable, "truncated"),
    (exceptions.ConnectionError, Unreachable, "connection_failed"),
    (urllib3.exceptions.SSLError, Unreachable, "tls_refused"),
    (urllib3.exceptions.TimeoutError, Unreachable, "timeout"),
    (urllib3.exceptions.IncompleteRead, Unreachable, "truncated"),
    (urllib3.exceptions.HTTPError, Unreachable, "connection_failed"),
)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate exceptions of the libraries into ours. Needed again to read a streamed body."""
    try:
        yield
    except tuple(kind for kind, _, _ in _NETWORK) as exc:
        error_class, code = next((ours, code) for kind, ours, code in _NETWORK if isinstance(exc, kind))
        raise error_class(code, type(exc).__name__) from exc
    except (exceptions.RequestException, UnicodeError) as exc:
        # Raised before anything was sent. Not chained: the messages quote the URL, or a header with its token.
        raise Misconfigured("bad_request", type(exc).__name__) from None


def check_spelling(url: str) -> SplitResult:
    """Parse a URL. Rejects what parsers disagree about: userinfo, fragments, backslashes, control characters."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misconfigured("bad_url", "the URL cannot be read") from None
    if not url.isprintable() or any(character in url for character in " \\#"):
        raise Misconfigured("bad_url", "the URL contains forbidden characters")
    if parts.scheme not in {"https", "http"}:
        raise Misconfigured("bad_url", "the URL is not https")
    if not parts.hostname or "@" in parts.netloc or port == 0:
        raise Misconfigured("bad_url", "the URL names no host, or more than a host and a port")
    return parts


class _Capped:
    """A response stream that raises at the limit, counted after decompression. Offers no other way to read."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, limit: int) -> None:
        self._raw, self._left = raw, limit

    def stream(self, amt: int | None = None, decode_content: bool = True) -> Iterator[bytes]:
        try:
            for chunk in self._raw.stream(amt, decode_content=decode_content):
                self._left -= len(chunk)
                if self._left < 0:
                    raise Unusable("too_large")
                yield chunk
        except BaseException:  # urllib3 keeps the connection open if it cannot decompress
            self._raw.close()
            raise

    def close(self) -> None:
        self._raw.close()

    def release_conn(self) -> None:
        self._raw.release_conn()


@cache
def trusted_roots() -> ssl.SSLContext:
    """Root certificates of Mozilla and of the machine (SSL_CERT_FILE adds a company's own authority), loaded once."""
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    context.load_default_certs()
    context.sslsocket_class = sockets.GuardedTLSSocket
    return context


class Adapter(HTTPAdapter):
    """An adapter with guarded connections. Ignores the `proxies`, `verify` and `cert` arguments of callers."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=trusted_roots(), **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": framing.Pool, "https": framing.TLSPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Keep the roots of the context: requests would load them again for every connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *_: Any, **_options: Any
    ) -> requests.Response:
        seconds = timeout if isinstance(timeout, int | float) else sockets.DEADLINE
        with sockets.deadline(seconds), trace_request(str(request.method), str(request.url)) as trace:
            request.headers.update(trace.headers)
            response = super().send(request, stream=stream)
            trace.status = response.status_code
            response.raw = _Capped(response.raw, sockets.current_limits().max_bytes)
            response.encoding = response.encoding and framing.text_charset(response.encoding)
        return record_request(response, request)


class Session(requests.Session):
    """A guarded session. Also a mixin, for libraries with a session class of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trust_env = False
        self.headers.update(HEADERS)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        self.mount("https://", shared_adapter())
        self.mount("http://", shared_adapter())
        for url, adapter in _local_adapters.items():
            self.mount(url, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never follow a redirect: codes, secrets and tokens must not go to a host that is not configured."""

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        check_spelling(url)
        with translate_errors():
            return super().request(method, url, *args, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        check_spelling(request.url or "")
        with count_waiting(), translate_errors():
            return super().send(request, **kwargs)


def check_url(url: str) -> None:
    """Raise the error that a request to this URL would raise before it connects. Resolves the name."""
    parts = check_spelling(url)
    if is_answered_here(url):
        return
    plain = parts.scheme == "http"
    sockets.resolve_targets(parts.hostname or "", parts.port or (80 if plain else 443), plain=plain)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | bytes] | None = None,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | bytes | None = None,
    json: object = None,
    auth: AuthBase | None = None,
    deadline: float = sockets.DEADLINE,
    max_bytes: int = sockets.MAX_BYTES,
) -> requests.Response:
    """Send a request and read the whole response, whatever its status. Raises an `OAuthError` if there is none.

    Without a session, which adds cookies, redirects and the environment, and doubles the cost of a call.
    """
    check_spelling(url)
    with sockets.deadline(deadline, max_bytes), count_waiting(), translate_errors():
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=method.upper(),
            url=url,
            headers=CaseInsensitiveDict({**HEADERS, **(headers or {})}),
            params=params,
            data=data,
            json=json,
            auth=auth,
        )
        check_spelling(prepared.url or "")
        response = adapter_for(url).send(prepared)
        response.content  # noqa: B018 - reads the body inside `translate_errors()`
    return response


_local_adapters: dict[str, OwnAdapter] = {}  # by base URL of this site
_adapter: Adapter | None = None
_session: Session | None = None
_lock = threading.RLock()


def answer_here(base_url: str, answering: Answering) -> None:
    """Answer requests below this URL, which is this site's own, within the process."""
    _local_adapters.clear()
    _local_adapters[base_url] = OwnAdapter(answering)
    drop_connections()


def is_answered_here(url: str) -> bool:
    return adapter_for(url) in _local_adapters.values()


def adapter_for(url: str) -> HTTPAdapter:
    """The adapter of this site for its own URLs, the shared one for all others."""
    adapters = (adapter for base_url, adapter in _local_adapters.items() if url.lower().startswith(base_url.lower()))
    return next(adapters, None) or shared_adapter()


def shared_adapter() -> Adapter:
    """The adapter with the connection pool of this process."""
    global _adapter
    with _lock:
        if _adapter is None:
            _adapter = Adapter(pool_connections=50, pool_maxsize=64)
        return _adapter


def shared_pool(url: str) -> urllib3.HTTPConnectionPool:
    """The connection pool of the URL's origin, shared with requests."""
    pools: urllib3.PoolManager = shared_adapter().poolmanager
    return pools.connection_from_url(url, pool_kwargs={"cert_reqs": "CERT_REQUIRED"})


def shared_session() -> Session:
    global _session
    with _lock:
        if _session is None:
            _session = Session()
        return _session


def drop_connections() -> None:
    """Drop open connections: they were made under other rules, or belong to a parent process."""
    global _adapter, _session
    with _lock:
        _adapter = _session = None


def _after_fork() -> None:
    """Drop connections and lock in a child process: it must not write into TLS streams of its parent."""
    global _lock
    _lock = threading.RLock()
    drop_connections()


os.register_at_fork(after_in_child=_after_fork)
