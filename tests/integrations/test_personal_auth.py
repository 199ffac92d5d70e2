"""PersonalAuthAPI does what the contract says, for one person and nobody else."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from foundation.oauth_client.errors import Unreachable
from integrations import calls, flows
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast
from tests.integrations.flowing import open_incidents, subflow_of
from tests.integrations.renewing import ASKED, GRANTED, credential_of
from tests.servers.hostile import HostileServer


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def by_all_its_names(alias: Alias) -> list[str]:
    return [alias.name, alias.hex, str(alias.pk)]


def test_the_initiator_url_is_the_documented_one(amira: User, northwind: Alias) -> None:
    credential = credential_of(northwind)
    for reference in by_all_its_names(northwind):
        url = urlsplit(PersonalAuthAPI(amira).get_initiator_url(reference))
        assert url.path == "/oauth_initiator.do"
        assert parse_qs(url.query) == {
            "oauth_requestor_context": ["oauth_2_0_credentials"],
            "oauth_requestor": [credential.hex],
            "oauth_provider_profile": [credential.profile.hex],
            "response_type": ["code"],
            "personal": ["true"],
        }


def test_a_password_integration_has_its_own_page(server: HostileServer, amira: User) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    url = urlsplit(PersonalAuthAPI(amira).get_initiator_url("northwind"))
    assert url.path == "/oauth_password_input.do"
    assert parse_qs(url.query)["sysparm_oauth_requestor"] == [credential_of(alias).hex]


def test_a_token_is_valid_while_it_lives_or_renews_itself(server: HostileServer, amira: User, northwind: Alias) -> None:
    api = PersonalAuthAPI(amira)
    assert not api.is_token_valid("northwind")
    cast.signed_in(amira, northwind)
    assert all(api.is_token_valid(reference) for reference in by_all_its_names(northwind))
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert api.is_token_valid("northwind")
    Token.objects.update(refresh_token=None)
    assert not api.is_token_valid("northwind")
    Token.objects.update(expires_at=None, state="needs_reauth")
    assert not api.is_token_valid("northwind")
    assert server.calls == []


def test_a_caller_gets_a_token_that_lives_long_enough(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=600)
    server.on(ASKED).answer(json={**GRANTED, "scope": "read write"})
    api = PersonalAuthAPI(amira)
    token = api.get_token("northwind", minimum_seconds=60)
    assert (token.access_token, token.token_type, token.scopes) == ("CANARY-access-1", "Bearer", ("read",))
    assert token.expires_in is not None
    assert 590 <= token.expires_in <= 600
    longer = api.get_token("northwind", minimum_seconds=900)
    assert (longer.access_token, longer.scopes) == ("CANARY-access-2", ("read", "write"))
    assert "CANARY" not in repr([token, longer, api])


def test_without_an_expiry_none_is_told(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=None)
    assert PersonalAuthAPI(amira).get_token("northwind").expires_in is None


def test_without_a_token_the_person_learns_where_to_get_one(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    api = PersonalAuthAPI(bob)
    for ask in (lambda: api.get_token("northwind"), lambda: api.request("northwind", "GET", "/x")):
        with pytest.raises(NotAuthenticated) as missing:
            ask()
        assert (missing.value.code, missing.value.initiator_url) == (
            "not_connected",
            api.get_initiator_url("northwind"),
        )
    assert server.calls == []


def test_a_refused_sign_in_leads_to_the_initiator(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    api = PersonalAuthAPI(amira)
    for _ in range(2):
        with pytest.raises(NotAuthenticated) as refused:
            api.request("northwind", "GET", "/contacts")
        assert (refused.value.code, refused.value.initiator_url) == (
            "invalid_grant",
            api.get_initiator_url("northwind"),
        )
    assert len(server.calls) == 1


def test_a_provider_that_is_down_is_not_the_persons_fault(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(status=503)
    with pytest.raises(Unreachable):
        PersonalAuthAPI(amira).get_token("northwind")
    assert PersonalAuthAPI(amira).is_token_valid("northwind")


def test_a_request_runs_as_the_person(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    server.on("PUT /api/contacts/7").answer(status=200, json={"ok": True})
    response = PersonalAuthAPI(amira).request(
        "northwind", "PUT", "/contacts/7", params={"v": "1"}, json={"name": "Ada"}, headers={"X-Own": "a"}, timeout=5
    )
    assert response.json() == {"ok": True}
    [call] = server.calls
    assert (call.query, call.json, call.headers["x-own"]) == ("v=1", {"name": "Ada"}, "a")
    assert call.headers["authorization"] == "Bearer CANARY-access-1"
    assert Token.objects.get().last_used_by == "Python"
    with pytest.raises(calls.BadPath):
        PersonalAuthAPI(amira).request("northwind", "GET", "//evil.example/x")


@pytest.mark.slow
def test_revoking_ends_it_at_once_and_can_be_repeated(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    api = PersonalAuthAPI(amira)
    for _ in range(2):
        result = api.revoke_token("northwind")
        assert (result.response_status, result.expiry_in_seconds, result.is_authenticated) == ("SUCCESS", 0, False)
        assert (result.credential_id, result.remote_revocation) == (credential_of(northwind).hex, "pending")
    assert not api.is_token_valid("northwind")
    with pytest.raises(NotAuthenticated):
        api.request("northwind", "GET", "/contacts")
    assert server.calls == []
    assert Revocation.objects.count() == 1


def test_revoking_leaves_other_people_alone(amira: User, bob: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    cast.signed_in(bob, northwind)
    PersonalAuthAPI(amira).revoke_token("northwind")
    assert PersonalAuthAPI(bob).is_token_valid("northwind")
    assert not Revocation.objects.filter(user=bob).exists()


def test_nothing_to_revoke_is_a_success_and_a_promise_of_nothing(amira: User, northwind: Alias) -> None:
    result = PersonalAuthAPI(amira).revoke_token("northwind")
    assert (result.response_status, result.remote_revocation) == ("SUCCESS", "")


def test_a_provider_without_the_call_is_said_to_be_one(amira: User, northwind: Alias) -> None:
    ApplicationRegistry.objects.update(token_revocation_url="")
    cast.signed_in(amira, northwind)
    assert PersonalAuthAPI(amira).revoke_token("northwind").remote_revocation == "unsupported"


def turned_off(amira: User) -> None:
    Alias.objects.update(active=False)


def credential_off(amira: User) -> None:
    OAuth2Credential.objects.update(active=False)


def registry_off(amira: User) -> None:
    ApplicationRegistry.objects.update(active=False)


def for_others(amira: User) -> None:
    Alias.objects.get().groups.add(Group.objects.create(name="Sales"))


def without_the_role(amira: User) -> None:
    amira.groups.clear()


def deactivated(amira: User) -> None:
    User.objects.filter(pk=amira.pk).update(is_active=False)


def for_the_system(amira: User) -> None:
    OAuth2Credential.objects.update(integration_type="system")


def unknown(amira: User) -> None:
    Alias.objects.update(name="another")


SHUT = [turned_off, credential_off, registry_off, for_others, without_the_role, deactivated, for_the_system, unknown]


@pytest.mark.slow
@pytest.mark.parametrize("shut", SHUT)
def test_what_is_not_available_looks_as_if_it_were_not_there(
    shut: Callable[[User], None], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    shut(amira)
    api = PersonalAuthAPI(User.objects.get(pk=amira.pk))
    assert answers(api, "northwind") == answers(api, "no_such_alias") == answers(api, uuid.uuid4().hex)
    assert server.calls == []
    assert Token.objects.count() == 1


@pytest.mark.slow
def test_a_wrong_name_is_not_called_a_missing_sign_in(amira: User, northwind: Alias) -> None:
    with pytest.raises(NotAuthenticated, match=r"^There is no alias of this name that the person may use"):
        PersonalAuthAPI(amira).request("nortwind", "GET", "/x")
    with pytest.raises(NotAuthenticated, match="and must authenticate"):
        PersonalAuthAPI(amira).request("northwind", "GET", "/x")


def answers(api: PersonalAuthAPI, reference: str) -> list[object]:
    """What each method says, in the order of the contract."""
    revoked = api.revoke_token(reference)
    results: list[object] = [
        api.get_initiator_url(reference),
        api.is_token_valid(reference),
        (revoked.response_status, revoked.credential_id, revoked.remote_revocation, revoked.is_authenticated),
    ]
    for ask in (lambda: api.get_token(reference), lambda: api.request(reference, "GET", "/x")):
        with pytest.raises(NotAuthenticated) as refused:
            ask()
        results += [refused.value.initiator_url, refused.value.code, str(refused.value)]
    assert results[:3] == ["", False, ("FAIL", "", "", False)]
    return results


@pytest.mark.parametrize("reference", ["", " ", "north wind", "../northwind", "NORTHWIND", "\x00", "é" * 200])
def test_a_nonsense_reference_is_an_unknown_one(reference: str, amira: User, northwind: Alias) -> None:
    answers(PersonalAuthAPI(amira), reference)


def test_a_member_of_one_of_the_groups_may_use_it(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    group = Group.objects.create(name="Sales")
    northwind.groups.add(group)
    amira.groups.add(group)
    assert PersonalAuthAPI(amira).is_token_valid("northwind")


def test_an_alias_without_a_connection_hands_out_tokens_but_calls_nothing(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    credential = credential_of(northwind)
    bare = Alias.objects.create(name="bare", type="credential", credential=credential)
    cast.signed_in(amira, northwind)
    api = PersonalAuthAPI(amira)
    assert api.get_token(bare.name).access_token == "CANARY-access-1"
    with pytest.raises(NotAuthenticated) as nowhere:
        api.request(bare.name, "GET", "/contacts")
    assert nowhere.value.code == "no_connection"


def test_a_visitor_who_is_not_signed_in_may_use_nothing(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    subflow_of(open_incidents(northwind))
    visitors: list[Any] = [AnonymousUser(), User(username="unsaved")]
    for visitor in visitors:
        api = PersonalAuthAPI(visitor)
        result = api.revoke_token("northwind")
        assert (api.get_initiator_url("northwind"), api.is_token_valid("northwind")) == ("", False)
        assert (result.response_status, result.is_authenticated) == ("FAIL", False)
        for call in (
            partial(api.get_token, "northwind"),
            partial(api.token_refused, "northwind", "x"),
            partial(api.request, "northwind", "GET", "me"),
        ):
            with pytest.raises(NotAuthenticated):
                call()
        with pytest.raises(flows.NotAvailable):
            flows.run_subflow("my_open_incidents", user=visitor)
    assert not server.calls


@pytest.mark.parametrize("value", [None, 1, ["x"]])
def test_a_header_that_is_no_text_is_the_callers_mistake(
    server: HostileServer, amira: User, northwind: Alias, value: Any
) -> None:
    cast.signed_in(amira, northwind)
    with pytest.raises(calls.BadPath, match="“X-Trace” must be a text"):
        PersonalAuthAPI(amira).request("northwind", "GET", "me", headers={"X-Trace": value})
    assert not server.calls


@pytest.mark.parametrize("somebody", ["amira", 1, None, User, {}])
def test_what_is_no_user_is_refused_where_it_is_passed(somebody: Any) -> None:
    with pytest.raises(TypeError, match=r"acts for a user, such as request\.user, not for a "):
        PersonalAuthAPI(somebody)
    with pytest.raises(TypeError, match=r"acts for a user, such as request\.user, not for a "):
        flows.run_subflow("open_incidents", user=somebody)


def test_a_lazy_user_is_a_user(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    assert PersonalAuthAPI(SimpleLazyObject(lambda: amira)).is_token_valid("northwind")  # type: ignore[arg-type]  # as request.user


@pytest.mark.parametrize("name", ["\0", "\ud800", "northwind\0", "northwind\ud800"])
def test_a_name_that_no_alias_can_have_is_unknown(amira: User, northwind: Alias, name: str) -> None:
    cast.signed_in(amira, northwind)
    api = PersonalAuthAPI(amira)
    assert (api.get_initiator_url(name), api.is_token_valid(name)) == ("", False)
    assert api.revoke_token(name).response_status == "FAIL"
    for call in (
        partial(api.get_token),
        partial(api.request, method="GET", path="/"),
        partial(api.token_refused, access_token="x"),
    ):
        with pytest.raises(NotAuthenticated, match="no alias of this name"):
            call(name)
    with pytest.raises(flows.NotAvailable):
        flows.run_subflow(name, user=amira)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((None, "/"), {}), ((b"GET", "/"), {}), (("GET", None), {}), (("GET", ["x"]), {}), (("GET", b"/"), {}),
     (("GET", "/"), {"headers": "x"}), (("GET", "/"), {"headers": {5: "x"}})],
)  # fmt: skip
def test_a_call_of_wrong_types_is_refused_in_words(
    server: HostileServer, amira: User, northwind: Alias, arguments: Any, options: Any
) -> None:
    cast.signed_in(amira, northwind)
    with pytest.raises(calls.BadPath):
        PersonalAuthAPI(amira).request("northwind", *arguments, **options)
    assert server.calls == []


@pytest.mark.parametrize("token", [None, 5, b"access", ["access"]])
def test_a_refused_token_is_a_text(amira: User, northwind: Alias, token: Any) -> None:
    cast.signed_in(amira, northwind)
    with pytest.raises(TypeError, match="The refused token is a text"):
        PersonalAuthAPI(amira).token_refused("northwind", token)
