"""Responses as requests would hand them over, without a wire between."""

from collections.abc import Mapping
from io import BytesIO

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse


def response(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> requests.Response:
    raw = HTTPResponse(body=BytesIO(body), status=status, headers=headers or {}, preload_content=False)
    request = requests.Request("POST", "https://provider.example/token").prepare()
    return HTTPAdapter().build_response(request, raw)
