"""Requests to this site itself: answered within the process, without a socket.

Over the network, a site with one worker process would wait for itself forever. The function that answers is injected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse


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
        return self.build_response(request, raw)
