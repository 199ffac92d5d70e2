"""The Authorization headers that we send, as authentication objects for requests."""

from base64 import b64encode
from urllib.parse import quote_plus

from requests import PreparedRequest
from requests.auth import AuthBase


class Basic(AuthBase):
    """HTTP Basic with id and secret form-encoded first (RFC 6749 §2.3.1), so that ":", "%" and any script survive."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = "Basic " + b64encode(self._pair.encode("ascii")).decode("ascii")
        return request


class Bearer(AuthBase):
    """Bearer token (RFC 6750 §2.1). As bytes: a token that is not Latin-1 must arrive as it was issued, in UTF-8."""

    def __init__(self, access_token: str) -> None:
        self._value = b"Bearer " + access_token.encode("utf-8")

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._value  # type: ignore[assignment]  # requests sends bytes as they are
        return request
