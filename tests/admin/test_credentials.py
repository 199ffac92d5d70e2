"""Credentials under the people who stand on them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, Event, HttpConnection, OAuth2Credential, OAuthEntityProfile, Revocation, Token
from tests import cast
from tests.admin.forms import complaints, opened, submitted
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow


@pytest.fixture
def credential(northwind: Alias) -> OAuth2Credential:
    return OAuth2Credential.objects.get()


def page_of(credential: OAuth2Credential) -> str:
    return f"/admin/integrations/oauth2credential/{credential.pk}/change/"


def test_changing_the_type_asks_first_and_names_how_many_sign_ins_end(
    as_admin: Client, credential: OAuth2Credential, token: Token, bob: User
) -> None:
    cast.signed_in(bob, Alias.objects.get())
    response = submitted(as_admin, page_of(credential), {"Integration Type": "system"})
    assert "The sign-ins of 2 people end" in response.content.decode()
    assert Token.objects.count() == 2
    assert OAuth2Credential.objects.get().is_personal


def test_changing_the_type_ends_the_sign_ins_and_promises_to_revoke_them(
    as_admin: Client, credential: OAuth2Credential, token: Token
) -> None:
    question = submitted(as_admin, page_of(credential), {"Integration Type": "system"})
    as_admin.post(page_of(credential), dict(question.context["typed"]) | {"_confirmed": "1"})
    assert not OAuth2Credential.objects.get().is_personal
    assert not Token.objects.exists()
    revocation = Revocation.objects.get()
    assert (revocation.reason, revocation.access_token) == ("integration_type_changed", "CANARY-access-1")
    assert Event.objects.get(whose=token.user).detail == "by the administrator admin"


def test_changing_the_type_without_sign_ins_needs_no_question(as_admin: Client, credential: OAuth2Credential) -> None:
    submitted(as_admin, page_of(credential), {"Integration Type": "system"})
    assert not OAuth2Credential.objects.get().is_personal


def test_renaming_ends_nothing(as_admin: Client, credential: OAuth2Credential, token: Token) -> None:
    submitted(as_admin, page_of(credential), {"Name": "Renamed"})
    assert OAuth2Credential.objects.get().name == "Renamed"
    assert Token.objects.exists()


def test_tokens_do_not_follow_to_another_registry(as_admin: Client, credential: OAuth2Credential, token: Token) -> None:
    evil = cast.registry_at("https://evil.example", name="Evil")
    profile = OAuthEntityProfile.objects.create(registry=evil, name="Notes")
    response = submitted(as_admin, page_of(credential), {"OAuth Entity Profile": str(profile.pk)})
    assert [sentence for sentence in complaints(response) if "another application registry" in sentence]
    assert OAuth2Credential.objects.get().registry != evil


def test_get_oauth_token_is_the_address_that_people_use(as_admin: Client, credential: OAuth2Credential) -> None:
    html = as_admin.get(page_of(credential)).content.decode()
    assert (
        f"/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials&amp;oauth_requestor={credential.hex}"
        in html
    )
    assert "Get OAuth Token" in html
    assert "Manage Tokens (0)" in html


@pytest.mark.parametrize(
    "change",
    [
        {"OAuth2Credential": {"integration_type": "system", "active": False}},
        {"OAuthEntityProfile": {"grant_type": "client_credentials"}},
        {"Alias": {"active": False}},
    ],
)
def test_get_oauth_token_is_not_offered_where_it_leads_nowhere(
    as_admin: Client, credential: OAuth2Credential, change: dict[str, dict[str, object]]
) -> None:
    models = {model.__name__: model for model in (OAuth2Credential, OAuthEntityProfile, Alias)}
    for name, values in change.items():
        models[name]._default_manager.update(**values)
    assert "Get OAuth Token" not in opened(as_admin, page_of(credential)).text


def test_manage_tokens_lists_those_of_the_credential(
    as_admin: Client, credential: OAuth2Credential, token: Token
) -> None:
    other = cast.integration_at(credential.registry, name="other")
    cast.signed_in(cast.person("carol"), other)
    page = as_admin.get(page_of(credential))
    text = opened(as_admin, page.context["tokens"]["address"]).text
    assert "amira" in text
    assert "carol" not in text


def test_the_state_tells_how_many_must_sign_in_again_and_the_last_error(
    as_admin: Client, credential: OAuth2Credential, token: Token, bob: User
) -> None:
    cast.signed_in(bob, Alias.objects.get(), state="needs_reauth")
    Event.objects.create(whose=bob, subject_id=credential.pk, kind="sign_in_failed", detail="invalid_scope")
    text = " ".join(opened(as_admin, page_of(credential)).text.split())
    assert "Connected: 1 person" in text
    assert "Need to sign in again: 1 person" in text
    assert "A sign-in failed: invalid_scope" in text


def test_a_sign_in_whose_renewal_was_refused_counts_as_ended_with_its_access_token(
    as_admin: Client, credential: OAuth2Credential, token: Token
) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert "Connected: 1 person" in " ".join(opened(as_admin, page_of(credential)).text.split())  # it is renewed
    Token.objects.update(failure_code="invalid_grant")
    assert not Token.objects.get().is_valid
    text = " ".join(opened(as_admin, page_of(credential)).text.split())
    assert "Connected: 0 people" in text
    assert "Need to sign in again: 1 person" in text


def test_deleting_a_credential_tells_whom_it_hits_and_promises_to_revoke(as_admin: Client, token: Token) -> None:
    credential = OAuth2Credential.objects.get()
    HttpConnection.objects.update(credential=None)
    address = page_of(credential).replace("change", "delete")
    assert "1 sign-in is affected: amira." in opened(as_admin, address).text
    as_admin.post(address, {"post": "yes"})
    assert not Token.objects.exists()
    assert Revocation.objects.get().access_token == "CANARY-access-1"


# For the system -------------------------------------------------------------------------------------------------------


@pytest.fixture
def system(server: HostileServer) -> OAuth2Credential:
    registry = cast.registry_at(server.url)
    cast.integration_at(registry, integration_type="system", grant_type="client_credentials")
    return OAuth2Credential.objects.get()


def get_token(client: Client, credential: OAuth2Credential) -> str:
    """Press the button, and read what the page says then."""
    assert 'id="get-token"' in client.get(page_of(credential)).content.decode()
    response = client.post(page_of(credential).replace("change", "get-token"), follow=True)
    return " ".join(str(message) for message in response.context["messages"])


def test_get_oauth_token_for_the_system_asks_the_provider_and_says_until_when(
    as_admin: Client, admin: User, system: OAuth2Credential, server: HostileServer
) -> None:
    server.on("POST /token").answer(json={"access_token": "CANARY-1", "token_type": "Bearer", "expires_in": 3600})
    assert "Keyrack has its own token at Northwind (until" in get_token(as_admin, system)
    assert (Token.objects.get().user, Token.objects.get().access_token) == (None, "CANARY-1")
    assert Event.objects.get().whose == admin
    assert "Keyrack has its own token" in get_token(as_admin, system)
    assert len(server.calls) == 1
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"status": 401, "json": {"error": "invalid_client"}}, "rejects our client (invalid_client)"),
        ({"status": 400, "json": {"error": "invalid_scope"}}, "invalid_scope"),
        ({"status": 503}, "doesn’t answer (http_503). Try again in a few minutes."),
        ({"json": {"access_token": ""}}, "gave no token"),
    ],
)
def test_why_the_system_got_no_token_is_said_in_words(
    answer: dict[str, Any], sentence: str, as_admin: Client, system: OAuth2Credential, server: HostileServer
) -> None:
    server.on("POST /token").answer(**answer)
    assert sentence in get_token(as_admin, system)


def test_after_a_refusal_the_system_can_be_given_a_token_again(
    as_admin: Client, system: OAuth2Credential, server: HostileServer
) -> None:
    server.on("POST /token").answer(status=400, json={"error": "access_denied"})
    assert "rejects our client (access_denied)" in get_token(as_admin, system)
    Token.objects.update(lease_expires_at=None)  # a moment later
    server.on("POST /token").answer(json={"access_token": "CANARY-2", "token_type": "Bearer", "expires_in": 3600})
    assert "Keyrack has its own token" in get_token(as_admin, system)


def test_only_who_may_change_a_credential_gets_the_system_a_token(
    as_onlooker: Client, system: OAuth2Credential, server: HostileServer
) -> None:
    address = page_of(system).replace("change", "get-token")
    assert "Get OAuth Token" not in opened(as_onlooker, page_of(system)).text
    assert as_onlooker.post(address).status_code == 403
    assert server.calls == []


def test_a_token_is_not_got_by_a_link(as_admin: Client, system: OAuth2Credential) -> None:
    assert as_admin.get(page_of(system).replace("change", "get-token")).status_code == 405


def test_where_somebody_signs_in_no_button_fetches_the_token(as_admin: Client, credential: OAuth2Credential) -> None:
    for integration_type in ("personal", "system"):
        OAuth2Credential.objects.update(integration_type=integration_type)
        assert as_admin.post(page_of(credential).replace("change", "get-token")).status_code == 403


def test_changing_from_system_to_personal_ends_the_shared_token(as_admin: Client, system: OAuth2Credential) -> None:
    cast.signed_in(None, Alias.objects.get())  # type: ignore[arg-type]  # the system's
    question = submitted(as_admin, page_of(system), {"Integration Type": "personal"})
    assert "The shared token is revoked and no longer used." in question.content.decode()
    assert Token.objects.exists()
    as_admin.post(page_of(system), dict(question.context["typed"]) | {"_confirmed": "1"})
    assert not Token.objects.exists()
    assert Revocation.objects.get().reason == "integration_type_changed"


def test_another_account_can_be_refused_on_the_page(as_admin: Client, credential: OAuth2Credential) -> None:
    submitted(as_admin, page_of(credential), {"Another account at renewal": "refuse"})
    assert OAuth2Credential.objects.get().other_account == "refuse"
