"""JSON-RPC messages of the Model Context Protocol over HTTP, and the revisions of the protocol. Knows no tools.

From revision 2026-07-28 on, each request says in `_meta` which revision and capabilities its client has, and its
headers repeat revision, method and name for proxies that route it. Clients of earlier revisions begin with
`initialize`; nothing of it is kept here. Later requests name their revision in a header, and in another repeat what
`initialize` was answered with (`handshakes`).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mcp.handshakes import read_handshake

STATELESS = "2026-07-28"
WITH_HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")  # oldest first
VERSIONS = (STATELESS, *reversed(WITH_HANDSHAKE))
WITH_URL_ERROR = "2025-11-25"  # the revision in which an error asks a client to open a URL

META = "io.modelcontextprotocol/"
VERSION_KEY, CAPABILITIES_KEY = f"{META}protocolVersion", f"{META}clientCapabilities"
SERVER_KEY = f"{META}serverInfo"
SERVER = {"name": "keyrack", "title": "Keyrack", "version": "1"}
# Parameters that the header `Mcp-Name` repeats.
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022
URL_REQUIRED, NO_RESOURCE = -32042, -32002  # until 2025-11-25
STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
}


class MessageError(Exception):
    """A JSON-RPC error. `request_id`: None if the request has none that can be read."""

    def __init__(self, code: int, message: str, data: Any = None, *, request_id: str | int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data, self.request_id = code, message, data, request_id

    def body(self) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message, **({} if self.data is None else {"data": self.data})}
        return {"jsonrpc": "2.0", "id": self.request_id, "error": error}


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request, or a notification if it has no id."""

    id: str | int | None
    method: str
    params: dict[str, Any] = field(repr=False)
    version: str
    session_id: str = field(default="", repr=False)  # of a client with a handshake

    @property
    def is_notification(self) -> bool:
        return self.id is None

    @property
    def is_stateless(self) -> bool:
        return self.version == STATELESS

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the client says it can do. Known only from revision 2026-07-28 on."""
        capabilities = self.params.get("_meta", {}).get(CAPABILITIES_KEY)
        return capabilities if isinstance(capabilities, dict) else {}

    @property
    def opens_urls(self) -> bool:
        """Whether the client can ask its user to open a URL (URL mode elicitation)."""
        if self.is_stateless:
            return opens_urls(self.capabilities)
        return self.version == WITH_URL_ERROR and read_handshake(self.session_id).opens_urls

    @property
    def progress_token(self) -> str | int | None:
        """The client's name for this request in notifications of progress; None if it wants none."""
        token = self.params.get("_meta", {}).get("progressToken")
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None

    @property
    def input_responses(self) -> dict[str, Any]:
        """What the client's user did about each earlier request for input. Raises `MessageError` if malformed."""
        responses = self.params.get("inputResponses", {})
        if not isinstance(responses, dict):
            raise MessageError(INVALID_PARAMS, "“inputResponses” must be an object.", request_id=self.id)
        return responses

    def status_of(self, error: MessageError) -> int:
        """The HTTP status of an error. Clients with a handshake read the error only in an answer with 200."""
        return STATUS.get(error.code, 200) if self.is_stateless else 200

    def answer(self, result: dict[str, Any]) -> dict[str, Any]:
        if self.is_stateless:
            result = {"resultType": "complete", **result, "_meta": {SERVER_KEY: SERVER}}
        return {"jsonrpc": "2.0", "id": self.id, "result": result}


def read_message(body: bytes, headers: Mapping[str, str]) -> Message:
    """Read one message. Raises `MessageError` if it is none, or if its parts contradict each other."""
    try:
        parsed = json.loads(body)
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()  # neither lone surrogates nor infinite numbers
    except (ValueError, RecursionError):
        raise MessageError(PARSE_ERROR, "The body is not JSON.") from None
    if not isinstance(parsed, dict) or parsed.get("jsonrpc") != "2.0":
        raise MessageError(INVALID_REQUEST, "The body must be one JSON-RPC 2.0 request or notification.")
    request_id, method, params = parsed.get("id"), parsed.get("method"), parsed.get("params", {})
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    if not isinstance(method, str) or ("id" in parsed and not is_id):
        raise MessageError(INVALID_REQUEST, "The body must be one JSON-RPC 2.0 request or notification.")
    if not isinstance(params, dict) or not isinstance(params.get("_meta", {}), dict):
        raise MessageError(INVALID_PARAMS, "“params” and “_meta” must be objects.", request_id=request_id)
    version = version_of(params, headers, request_id=request_id)
    message = Message(
        id=request_id if is_id else None,
        method=method,
        params=params,
        version=version,
        session_id=headers.get("Mcp-Session-Id", ""),
    )
    if message.is_stateless and not message.is_notification:
        check_headers(message, headers)
    return message


def version_of(params: dict[str, Any], headers: Mapping[str, str], *, request_id: str | int | None) -> str:
    """The revision that a request is of. Without a header it is the one before there was such a header."""
    header, meta = headers.get("MCP-Protocol-Version"), params.get("_meta", {})
    if VERSION_KEY not in meta and (header is None or header in WITH_HANDSHAKE):
        return header or WITH_HANDSHAKE[0]
    if request_id is None and header in VERSIONS:
        return str(header)
    if missing := [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]:
        raise MessageError(INVALID_PARAMS, f"“_meta” lacks {' and '.join(missing)}.", request_id=request_id)
    version = meta[VERSION_KEY]
    if version != header:
        message = "The header MCP-Protocol-Version and “_meta” name different revisions."
        raise MessageError(HEADER_MISMATCH, message, request_id=request_id)
    if version != STATELESS:
        data = {"supported": list(VERSIONS), "requested": version}
        raise MessageError(UNSUPPORTED_VERSION, "Unsupported protocol version", data, request_id=request_id)
    return STATELESS


def check_headers(message: Message, headers: Mapping[str, str]) -> None:
    """Check that method and name are the same in headers and body: something in front may decide by the headers."""
    if headers.get("Mcp-Method") != message.method:
        text = "The header Mcp-Method and the body name different methods."
        raise MessageError(HEADER_MISMATCH, text, request_id=message.id)
    name = message.params.get(NAMED_BY.get(message.method, ""))
    if name is not None and decode_header(headers.get("Mcp-Name")) != name:
        text = "The header Mcp-Name and the body name different things."
        raise MessageError(HEADER_MISMATCH, text, request_id=message.id)


def decode_header(value: str | None) -> str | None:
    """The value of a header that may be base64 between `=?base64?` and `?=`. None if that is broken."""
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def opens_urls(capabilities: Any) -> bool:
    elicitation = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    return isinstance(elicitation, dict) and isinstance(elicitation.get("url"), dict)


def negotiate_version(requested: Any) -> str:
    """The revision with which `initialize` answers: the client's, else the newest with a handshake."""
    return requested if requested in WITH_HANDSHAKE else WITH_HANDSHAKE[-1]
