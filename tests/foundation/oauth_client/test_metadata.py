"""Published metadata is believed only about the issuer that was asked, and only over a wire that can be trusted."""

from typing import Any

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
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, scopes_supported={"openid": True}))
    discovered = metadata.discover(provider.url)
    assert (
        discovered.revocation_url,
        discovered.scopes,
        discovered.code_challenge_methods,
        discovered.names_issuer,
    ) == ("", (), (), False)
    assert discovered.client_authentications == ("client_secret_basic",)


ELSEWHERE: list[dict[str, Any]] = [
    {"status": 400},
    {"status": 401},
    {"status": 403},
    {"status": 404},
    {"status": 429},
    {"status": 500},
    {"status": 502},
    {"status": 503},
    {"text": "<html>Sign in</html>"},
    {"status": 302, "redirect": "/"},
    {"status": 403, "text": "<Error><Code>AccessDenied</Code></Error>"},
    {"json": {"error": "not found"}},
    {"json": []},
    {"json": {"issuer": "https://another.example", "token_endpoint": "https://another.example/token"}},
]
PLACES = [
    "/.well-known/oauth-authorization-server/tenant/7",
    "/tenant/7/.well-known/openid-configuration",
    "/.well-known/openid-configuration/tenant/7",
    "/tenant/7/.well-known/oauth-authorization-server",
]


@pytest.mark.parametrize("answer", ELSEWHERE, ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_tried_until_one_has_the_document(
    place: str, answer: dict[str, Any], provider: HostileServer
) -> None:
    issuer = provider.url + "/tenant/7"
    for other in PLACES:
        provider.on(f"GET {other}").always(**answer)
    provider.on(f"GET {place}").always(json=document(issuer, userinfo_endpoint=issuer + "/me"))
    assert metadata.discover(issuer).token_url == issuer + "/token"
    assert [call.path for call in provider.calls] == PLACES[: PLACES.index(place) + 1]


def test_if_no_place_has_a_document_each_answer_is_named(provider: HostileServer) -> None:
    for place, status in zip(PLACES, (401, 403, 404, 302), strict=True):
        provider.on(f"GET {place}").always(status=status)
    provider.on("GET /tenant/7").always(text="<html>Sign in</html>")
    with pytest.raises(OAuthError) as refused:
        metadata.discover(provider.url + "/tenant/7")
    assert refused.value.description.split("; ") == [
        f"{PLACES[0]}: HTTP 401",
        f"{PLACES[1]}: HTTP 403",
        f"{PLACES[2]}: HTTP 404",
        f"{PLACES[3]}: a redirect (HTTP 302)",
        "/tenant/7: the answer is not a JSON object",
    ]


@pytest.mark.parametrize(
    "place", ["/oidcdiscovery/.well-known/openid-configuration", "/x/.well-known/openid-configuration?p=b2c", "/doc"]
)
def test_the_address_of_a_document_can_be_entered_itself(place: str, provider: HostileServer) -> None:
    issuer = "https://sts.northwind.example/7/"
    provider.on(f"GET {place.partition('?')[0]}").always(json=document(provider.url, issuer=issuer))
    discovered = metadata.discover(provider.url + place)
    assert (discovered.issuer, discovered.token_url) == (issuer, provider.url + "/token")


@pytest.mark.parametrize("issuer", [None, "", 5, "northwind", "javascript:x"])
def test_a_document_without_an_issuer_is_refused_at_any_address(issuer: object, provider: HostileServer) -> None:
    place = "/x/.well-known/openid-configuration"
    provider.on(f"GET {place}").always(json=document(provider.url, issuer=issuer))
    with pytest.raises(Unusable, match="names no issuer"):
        metadata.discover(provider.url + place)


def test_a_place_in_braces_stands_for_one_tenant(provider: HostileServer) -> None:
    named = provider.url + "/{tenantid}/v2.0"
    provider.on(f"GET /common/v2.0{OPENID}").always(json=document(provider.url, issuer=named))
    assert metadata.discover(provider.url + "/common/v2.0").issuer == named


@pytest.mark.parametrize(
    ("issuer", "published"),
    [
        ("https://l.example/a/b/v2.0", "https://l.example/{tenantid}/v2.0"),
        ("https://l.example//v2.0", "https://l.example/{tenantid}/v2.0"),
        ("https://l.example/a/v1.0", "https://l.example/{tenantid}/v2.0"),
        ("https://evil.example/a", "https://{tenantid}/a"),
        ("https://evil.example/a", "https://{tenantid}.example/a"),
        ("https://l.example/a/b", "https://l.example/{tenantid}/{tenantid}"),
        ("https://l.example/tenant-a", "https://l.example/tenant-{tenantid}"),
        ("https://l.example/a", "https://l.example/{other}"),
        ("https://l.example/a", "https://l.example/b"),
    ],
)
def test_the_place_in_braces_stands_for_nothing_else(issuer: str, published: str) -> None:
    assert not metadata.is_named(issuer, published)


def test_no_request_is_made_for_a_place_in_braces() -> None:
    with pytest.raises(Misconfigured, match="write a tenant"):
        metadata.discover("https://l.example/{tenantid}/v2.0")
    filled = metadata.fill_tenant("https://l.example/{tenantid}/v2.0", "", "https://l.example/common/oauth2/token")
    assert filled == "https://l.example/common/v2.0"
    assert metadata.fill_tenant("https://l.example/{tenantid}", "https://e.example/x") == "https://l.example/{tenantid}"


@pytest.mark.parametrize(
    ("changes", "demands"),
    [
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"]}, ["client_authentication"]),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"]}, []),
        ({"require_pushed_authorization_requests": True}, ["pushed_requests"]),
        ({"require_pushed_authorization_requests": False, "pushed_authorization_request_endpoint": "https://p/"}, []),
        ({"require_signed_request_object": True}, ["signed_requests"]),
        ({"dpop_bound_access_tokens": True}, ["dpop"]),
        ({"dpop_signing_alg_values_supported": ["ES256"]}, ["bound_tokens_offered"]),
        ({"tls_client_certificate_bound_access_tokens": True}, ["bound_tokens_offered"]),
        ({"response_modes_supported": ["fragment", "query.jwt"]}, ["response_mode"]),
        ({"response_modes_supported": ["form_post", "fragment"]}, ["posted_response"]),
        ({"response_modes_supported": ["query", "fragment"]}, []),
        ({"response_types_supported": ["id_token", "code id_token"]}, ["response_type"]),
        ({"response_types_supported": ["code", "id_token"]}, []),
        ({"response_types_supported": [], "grant_types_supported": ["password"]}, []),
        ({"grant_types_supported": ["implicit", "urn:ietf:params:oauth:grant-type:device_code"]}, ["grant_type"]),
        ({"id_token_encryption_alg_values_supported": ["RSA-OAEP"]}, ["encrypted_id_token"]),
        (
            {
                "id_token_encryption_alg_values_supported": ["RSA-OAEP"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
            [],
        ),
        ({"code_challenge_methods_supported": ["S512"]}, ["code_challenge_method"]),
        ({"code_challenge_methods_supported": ["plain"]}, []),
    ],
)
def test_what_a_server_demands_and_keyrack_cannot_do_is_found(
    changes: dict[str, object], demands: list[str], provider: HostileServer
) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, **changes))
    assert list(metadata.discover(provider.url).demands) == demands


def test_a_path_is_one_of_the_server_that_publishes_it(provider: HostileServer) -> None:
    paths = {"token_endpoint": "/api/token", "revocation_endpoint": "/api/revoke?v=2"}
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, **paths))
    discovered = metadata.discover(provider.url)
    assert discovered.token_url == f"{provider.url}/api/token"
    assert discovered.revocation_url == f"{provider.url}/api/revoke?v=2"


@pytest.mark.parametrize("url", ["N/A", "//evil.example/revoke", "https:// x", "https://x.example/#fragment"])
def test_an_address_that_is_none_is_named(url: str, provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).always(json=document(provider.url, revocation_endpoint=url))
    with pytest.raises(Misconfigured, match="revocation_endpoint: the URL"):
        metadata.discover(provider.url)


def test_one_word_in_place_of_a_list_counts(provider: HostileServer) -> None:
    words = {
        "token_endpoint_auth_methods_supported": "client_secret_post",
        "code_challenge_methods_supported": "S256",
        "scopes_supported": "openid email",
    }
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, **words))
    discovered = metadata.discover(provider.url)
    assert discovered.client_authentications == ("client_secret_post",)
    assert (discovered.code_challenge_methods, discovered.scopes) == (("S256",), ("openid", "email"))


def test_openid_discovery_adds_what_the_first_place_leaves_unsaid(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url))
    openid = {"token_endpoint": provider.url + "/other", "userinfo_endpoint": provider.url + "/userinfo"}
    provider.on(f"GET {OPENID}").answer(json=document(provider.url, **openid))
    discovered = metadata.discover(provider.url)
    assert (discovered.token_url, discovered.userinfo_url) == (provider.url + "/token", provider.url + "/userinfo")


def test_no_document_is_fetched_twice(provider: HostileServer) -> None:
    provider.on(f"GET {OPENID}").always(json=document(provider.url))
    assert metadata.discover(provider.url).userinfo_url == ""
    assert len(provider.calls_to(f"GET {OPENID}")) == 1


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


def test_a_server_in_trouble_has_said_nothing_of_its_metadata(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(status=503)
    with pytest.raises(Unreachable, match=r"HTTP 503; .*HTTP 404"):
        metadata.discover(provider.url)


def test_a_host_that_may_not_be_called_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = resolve_to(monkeypatch, ["10.0.0.1"])
    with pytest.raises(Misconfigured, match="blocked_address"):
        metadata.discover("https://provider.example/tenant")
    assert resolver.questions == 1


@pytest.mark.parametrize("named", ["https://evil.example", "{url}/", "{URL}"])
def test_another_issuer_is_refused_and_both_are_named(named: str, provider: HostileServer) -> None:
    named = named.format(url=provider.url, URL=provider.url.upper())
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, issuer=named))
    with pytest.raises(Misconfigured, match="issuer_mismatch") as refused:
        metadata.discover(provider.url)
    assert f"{named}, not {provider.url}" in refused.value.description


@pytest.mark.parametrize("named", [None, 5, ""])
def test_a_document_without_an_issuer_is_none(named: object, provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, issuer=named))
    with pytest.raises(Unusable, match="names no issuer"):
        metadata.discover(provider.url)


def test_a_document_without_a_token_endpoint_is_named_as_such(provider: HostileServer) -> None:
    provider.on(f"GET {OPENID}").answer(json=document(provider.url, token_endpoint=None, authorization_endpoint=None))
    with pytest.raises(Unusable, match="no_token_endpoint: the document names no token endpoint"):
        metadata.discover(provider.url)


def test_what_a_document_without_a_token_endpoint_names_is_used(provider: HostileServer) -> None:
    provider.on(f"GET {OPENID}").answer(json=document(provider.url, token_endpoint=None))
    found = metadata.discover(provider.url)
    assert found.token_url == ""
    assert found.authorization_url == f"{provider.url}/authorize"


def test_a_document_with_a_token_endpoint_is_preferred(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url, token_endpoint=None))
    provider.on(f"GET {OPENID}").answer(json=document(provider.url))
    assert metadata.discover(provider.url).token_url


def test_a_slash_too_many_is_named_as_such(provider: HostileServer) -> None:
    provider.on(AUTHORIZATION_SERVER).answer(json=document(provider.url))
    with pytest.raises(Misconfigured, match="slash at its end"):
        metadata.discover(provider.url + "/")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
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
    monkeypatch.setattr(metadata, "_fetch_metadata", lambda address: published)
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
