"""Addresses of this very site: answered within this process, without a socket.

A site that called itself over the network would wait for a process of its own, and with only one of them for ever.
Knows how requests are carried; who answers them is told from above.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse


@dataclass(frozen=True, kw_only=True)
class OwnAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


# Method, path with its query, headers, body
Answering = Callable[[str, str, Mapping[str, str], bytes], OwnAnswer]


class OwnAdapter(HTTPAdapter):
    """Carries a request to a function."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self._answering = answering

    def send(self, request: requests.PreparedRequest, *_arguments: Any, **_options: Any) -> requests.Response:
        body = request.body or b""
        sent = body if isinstance(body, bytes) else str(body).encode()
        headers = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
        answer = self._answering(request.method or "GET", request.path_url, headers, sent)
        raw = HTTPResponse(BytesIO(answer.body), answer.headers, answer.status, preload_content=False)
        return self.build_response(request, raw)
