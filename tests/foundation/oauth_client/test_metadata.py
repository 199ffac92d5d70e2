"""Published metadata is believed only about the issuer that was asked, and only over a wire that can be trusted."""

import pytest

from foundation.oauth_client import metadata, transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable
from tests.foundation.oauth_client.names import resolve_to
from tests.servers.hostile import HostileServer

AUTHORIZATION_SERVER = "GET /.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


def document(url: str, **changes: object) -> dict[str, object]:
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        **changes,
    }


def test_a_full_document_is_understood(provider: HostileServer) -> None:
    published = document(
        provider.url,
        revocation_endpoint=provider.url + "/revoke",
        introspection_endpoint=provider.url + "/introspect",
        userinfo_endpoint=provider.url + "/userinfo",
        code_challenge_methods_supported=["S256", "plain", 5],
        token_endpoint_auth_methods_supported=["client_secret_post", "none"],
        scopes_supported=["openid"],
        authorization_response_iss_parameter_supported=True,
    )
    provider.on(AUTHORIZATION_SERVER).answer(json=published)
    discovered = metadata.discover(provider.url)
    assert discovered == metadata.Metadata(
        issuer=provider.url,
        authorization_url=provider.url + "/authorize",
        token_url=provider.url + "/token",
        revocation_url=provider.url + "/revoke",
        introspection_url=provider.url + "/introspect",
        userinfo_url=provider.url + "/userinfo",
        code_challenge_methods=("S256", "plain"),
        client_authentications=("client_secret_post", "none"),
        scopes=("openid",),
        names_issuer=True,
    )


def test_a_sparse_document_promises_nothing(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, scopes_supported="openid"))
    discovered = metadata.discover(provider.url)
    assert (
        discovered.revocation_url,
        discovered.scopes,
        discovered.code_challenge_methods,
        discovered.names_issuer,
    ) == ("", (), (), False)
    assert discovered.client_authentications == ("client_secret_basic",)


@pytest.mark.parametrize(
    "answer", [{"status": 404}, {"text": "<html>Sign in</html>"}, {"status": 302, "redirect": "/"}]
)
def test_openid_discovery_is_the_second_place(answer: dict[str, object], provider: HostileServer) -> None:
    issuer = provider.url + "/tenant/7"
    provider.on(AUTHORIZATION_SERVER + "/tenant/7").answer(**answer)
    provider.on(f"GET /tenant/7{OPENID}").answer(json=document(issuer))
    assert metadata.discover(issuer).token_url == issuer + "/token"


def test_openid_discovery_adds_what_the_first_place_leaves_unsaid(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url))
    openid = {"token_endpoint": provider.url + "/other", "userinfo_endpoint": provider.url + "/userinfo"}
    provider.on(f"GET {OPENID}").answer(json=document(provider.url, **openid))
    discovered = metadata.discover(provider.url)
    assert (discovered.token_url, discovered.userinfo_url) == (provider.url + "/token", provider.url + "/userinfo")


def test_a_second_document_about_somebody_else_adds_nothing(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url))
    evil = document(provider.url, issuer="https://evil.example", userinfo_endpoint="https://evil.example/userinfo")
    provider.on(f"GET {OPENID}").answer(json=evil)
    assert metadata.discover(provider.url).userinfo_url == ""


def test_a_login_page_in_both_places_is_unusable(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(text="<html>Sign in</html>")
    provider.on(f"GET {OPENID}").answer(text="<html>Sign in</html>")
    with pytest.raises(Unusable, match="not_json"):
        metadata.discover(provider.url)


def test_a_server_in_trouble_is_not_asked_in_another_place(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(status=503)
    with pytest.raises(Unreachable):
        metadata.discover(provider.url)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("named", ["https://evil.example", None, 5, "", "{url}/", "{URL}"])
def test_another_issuer_is_refused(named: object, provider: HostileServer) -> None:
    if isinstance(named, str):
        named = named.format(url=provider.url, URL=provider.url.upper())
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, issuer=named))
    with pytest.raises(Misconfigured, match="issuer_mismatch"):
        metadata.discover(provider.url)
    assert len(provider.calls) == 1


def test_a_slash_too_many_is_named_as_such(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url))
    with pytest.raises(Misconfigured, match="slash at its end"):
        metadata.discover(provider.url + "/")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"token_endpoint": None}, Unusable),
        ({"token_endpoint": 5}, Unusable),
        ({"token_endpoint": "javascript:alert(1)"}, Misconfigured),
        ({"revocation_endpoint": "https://user@p.example/"}, Misconfigured),
        ({"userinfo_endpoint": ["https://p.example/"]}, Unusable),
    ],
)
def test_an_endpoint_that_is_no_url_is_refused(
    changes: dict[str, object], kind: type[OAuthError], provider: HostileServer
) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, **changes))
    with pytest.raises(kind):
        metadata.discover(provider.url)


def test_an_https_issuer_may_not_name_plain_http_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = "https://provider.example"
    published = document(issuer, token_endpoint="http://provider.example/token")
    monkeypatch.setattr(metadata, "_fetch_metadata", lambda issuer: published)
    with pytest.raises(Misconfigured, match="insecure_url"):
        metadata.discover(issuer)


def test_discovery_does_not_reach_inside(evil_host: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="blocked_address"):
        metadata.discover(f"https://127.0.0.1:{evil_host.port}")
    resolve_to(monkeypatch, ["93.184.216.34"])
    with pytest.raises(Misconfigured, match="insecure_url"):
        metadata.discover("http://provider.example")
    assert evil_host.connections == 0


@pytest.mark.parametrize(
    "issuer", ["", "provider.example", "https://p.example/?a=b", "https://p.example/#x", "ftp://p.example"]
)
def test_what_cannot_be_an_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(Misconfigured, match="bad_url"):
        metadata.discover(issuer)


def test_a_redirected_document_is_not_fetched(provider: HostileServer, evil_host: HostileServer) -> None:
    for key in (AUTHORIZATION_SERVER, f"GET {OPENID}"):
        provider.on(key).answer(redirect=evil_host.url)
    with pytest.raises(Misconfigured, match="redirected"):
        metadata.discover(provider.url)
    assert evil_host.connections == 0


def test_an_endpoint_may_live_on_another_host(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, token_endpoint="https://tokens.example/token"))
    assert metadata.discover(provider.url).token_url == "https://tokens.example/token"
    transport.configure([])


@pytest.mark.parametrize(
    "lists",
    [
        {"scopes_supported": [f"s{number}" for number in range(100_000)]},
        {"scopes_supported": ["x" * 100_000]},
        {"code_challenge_methods_supported": ["S256"] * 1000},
        {"token_endpoint_auth_methods_supported": ["none"] * 1000},
    ],
    ids=["scopes", "a long scope", "methods", "authentications"],
)
def test_a_list_longer_than_anybody_publishes_is_refused(lists: dict[str, object], provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, **lists))
    with pytest.raises(Unusable, match="names more than"):
        metadata.discover(provider.url)
