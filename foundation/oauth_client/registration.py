"""Our client registration at one authorization server, and client authentication. A value: it knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from requests.auth import AuthBase

from foundation.oauth_client.errors import Misconfigured
from foundation.oauth_client.headers import Basic


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Our registration at one authorization server (RFC 6749 §2). Authentication methods are named as in RFC 7591."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    client_authentication: str = "client_secret_basic"
    authorization_url: str = ""
    token_url: str = ""
    refresh_url: str = ""  # where tokens are renewed, if not at the token URL
    revocation_url: str = ""
    introspection_url: str = ""
    userinfo_url: str = ""
    issuer: str = ""
    pkce: bool = True
    code_challenge_method: str = "S256"
    scope_separator: str = " "
    scope_parameter: str = "scope"
    token_path: str = ""
    base_url_path: str = ""
    authorization_parameters: Mapping[str, str] = field(default_factory=dict)
    token_parameters: Mapping[str, str] = field(default_factory=dict)
    call_headers: Mapping[str, str] = field(default_factory=dict)
    userinfo_request: Mapping[str, object] = field(default_factory=dict)


def client_authentication(registration: Registration) -> tuple[AuthBase | None, dict[str, str]]:
    """Authentication header and form fields of a request (RFC 6749 §2.3.1). A public client sends its id alone."""
    method = registration.client_authentication
    if method == "client_secret_basic":
        return Basic(registration.client_id, registration.client_secret), {}
    if method == "client_secret_post":
        return None, {"client_id": registration.client_id, "client_secret": registration.client_secret}
    if method == "none":
        return None, {"client_id": registration.client_id}
    raise Misconfigured("bad_client_authentication", "the client authentication method is not known")
