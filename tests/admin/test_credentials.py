"""Credentials under the people who stand on them."""

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias, Event, OAuth2Credential, OAuthEntityProfile, Revocation, Token
from tests import cast
from tests.admin.forms import complaints, opened, submitted


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
    assert Event.objects.get(user=token.user).detail == "by the administrator admin"


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
    assert [told for told in complaints(response) if "another application registry" in told]
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
        {"OAuth2Credential": {"integration_type": "system"}},
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
    Event.objects.create(user=bob, credential=credential, kind="sign_in_failed", detail="invalid_scope")
    text = " ".join(opened(as_admin, page_of(credential)).text.split())
    assert "Connected: 1 person" in text
    assert "Need to sign in again: 1 person" in text
    assert "A sign-in failed: invalid_scope" in text


def test_deleting_a_credential_tells_whom_it_hits_and_promises_to_revoke(as_admin: Client, token: Token) -> None:
    credential = OAuth2Credential.objects.get()
    Alias.objects.all().delete()
    address = page_of(credential).replace("change", "delete")
    assert "1 sign-in is affected: amira." in opened(as_admin, address).text
    as_admin.post(address, {"post": "yes"})
    assert not Token.objects.exists()
    assert Revocation.objects.get().access_token == "CANARY-access-1"
