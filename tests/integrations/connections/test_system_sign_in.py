"""Get OAuth Token for a System credential: an administrator signs in, and the token is the system's alone."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import renewal
from integrations.models import (
    Alias,
    AuthorizationAttempt,
    Event,
    OAuth2Credential,
    OAuthEntityProfile,
    Revocation,
    Token,
)
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

PASSWORD = {"username": "robot", "password": "CANARY-password"}


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    """Its calls are the system's."""
    server.on("POST /revoke").always(status=200)
    registry = cast.registry_at(server.url, userinfo_url=f"{server.url}/userinfo")
    return cast.integration_at(registry, integration_type="system")


@pytest.fixture
def credential(alias: Alias) -> OAuth2Credential:
    return walks.credential_of(alias)


@pytest.fixture
def operator(db: None) -> User:
    """An administrator of credentials, with no card of his own."""
    user = cast.person("olga", role=False, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_oauth2credential"))
    return user


@pytest.fixture
def as_operator(operator: User) -> Client:
    return client_of(operator)


def is_known_as(server: HostileServer, *names: str) -> None:
    for name in names:
        server.on("GET /userinfo").answer(json={"sub": name, "email": f"{name}@northwind.example"})


def signed_in(client: Client, alias: Alias, server: HostileServer, number: int = 1, name: str = "robot") -> str:
    walks.grants(server, number)
    is_known_as(server, name)
    return walks.words(walks.sign_in(client, alias))


@pytest.mark.slow
def test_the_token_belongs_to_nobody(
    as_operator: Client, operator: User, alias: Alias, credential: OAuth2Credential, server: HostileServer
) -> None:
    page = signed_in(as_operator, alias, server)
    assert "Keyrack itself is signed in as <strong>robot@northwind.example" in page
    assert "Back to the credential" in page
    there = walks.words(as_operator.get(f"/admin/integrations/oauth2credential/{credential.pk}/change/"))
    assert f'data-alias="{credential.hex}"' in page
    assert f'data-details="{credential.hex}"' in there  # so that the page is loaded anew when the window is done
    token = Token.objects.get()
    assert (token.user, token.integration_type) == (None, "system")
    assert renewal.current(None, credential).access_token == "CANARY-access-1"
    assert Event.objects.get().words == "Signed in: for the system as robot@northwind.example"
    assert Event.objects.get().whose == operator


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_renews_by_its_refresh_token(
    as_operator: Client, alias: Alias, credential: OAuth2Credential, server: HostileServer
) -> None:
    signed_in(as_operator, alias, server)
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    walks.grants(server, 2)
    assert renewal.current(None, credential).access_token == "CANARY-access-2"
    assert server.calls_to("POST /token")[-1].form["refresh_token"] == "CANARY-refresh-1"


@pytest.mark.slow
def test_a_person_never_gets_it_and_the_system_never_gets_a_persons(
    as_operator: Client, alias: Alias, credential: OAuth2Credential, amira: User, server: HostileServer
) -> None:
    signed_in(as_operator, alias, server)
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, credential)
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/")
    personal = cast.integration_at(walks.registry_of(alias), name="personal")
    cast.signed_in(amira, personal)
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(None, walks.credential_of(personal))
    assert server.calls_to("GET /api") == []


@pytest.mark.parametrize("who", ["amira", "staff", "not staff"])
def test_nobody_else_may_sign_the_system_in(who: str, amira: User, operator: User, alias: Alias) -> None:
    if who == "staff":
        amira.is_staff = True
        amira.save()
    if who == "not staff":
        operator.is_staff = False
        operator.save()
    client = client_of(operator if who == "not staff" else amira)
    assert walks.start(client, alias).status_code == 404
    OAuthEntityProfile.objects.update(grant_type="password")
    assert client.get(walks.start_url(alias)).status_code == 404
    assert client.post(walks.start_url(alias), PASSWORD).status_code == 404
    assert not AuthorizationAttempt.objects.exists()


def test_an_address_for_people_leads_nobody_to_it(as_operator: Client, alias: Alias) -> None:
    assert "personal" not in walks.start_url(alias)
    assert walks.start(as_operator, alias, personal="true").status_code == 404
    assert not AuthorizationAttempt.objects.exists()


def test_who_may_sign_the_system_in_gets_no_persons_card_by_it(as_operator: Client, alias: Alias) -> None:
    OAuth2Credential.objects.update(integration_type="personal")
    assert walks.start(as_operator, alias).status_code == 404
    assert as_operator.get("/integrations/").status_code == 403


@pytest.mark.parametrize("change", ["permission", "type", "off"])
def test_what_was_lost_on_the_way_is_not_kept(
    change: str, as_operator: Client, operator: User, alias: Alias, server: HostileServer
) -> None:
    state, registry = walks.begin(as_operator, alias), walks.registry_of(alias)
    if change == "permission":
        operator.user_permissions.clear()
    elif change == "type":
        operator.groups.add(Group.objects.get(name="Personal Auth User"))  # who could sign in for himself
        OAuth2Credential.objects.update(integration_type="personal")
    else:
        OAuth2Credential.objects.update(active=False)
    as_operator.get(walks.callback_url(registry, {"code": "c", "state": state}))
    assert server.calls_to("POST /token") == []
    assert AuthorizationAttempt.objects.get().failure_code == "no_longer_available"


@pytest.mark.slow
def test_another_account_is_the_administrators_choice(as_operator: Client, alias: Alias, server: HostileServer) -> None:
    signed_in(as_operator, alias, server)
    assert "A different account?" in signed_in(as_operator, alias, server, 2, "other")
    attempt = AuthorizationAttempt.objects.get(status="other_account")
    as_operator.post(f"/integrations/done/{attempt.hex}/", {"choice": "switch"})
    token = Token.objects.get()
    assert (token.user, token.account_id, token.version) == (None, "other", 2)
    assert Revocation.objects.get().access_token == "CANARY-access-1"


@pytest.mark.slow
def test_signing_in_again_replaces_it_and_spares_the_new_grant(
    as_operator: Client, alias: Alias, server: HostileServer
) -> None:
    registry = walks.registry_of(alias)
    registry.revocation_reach = "grant"
    registry.save()
    signed_in(as_operator, alias, server)
    Token.objects.get().end(reason="revoked_by_administrator")
    signed_in(as_operator, alias, server, 2)
    assert Revocation.objects.get().state == "superseded"
    assert Token.objects.get().access_token == "CANARY-access-2"


def test_the_password_form_gets_it_too(
    as_operator: Client, alias: Alias, credential: OAuth2Credential, server: HostileServer
) -> None:
    credential.profile.grant_type = "password"
    credential.profile.save()
    assert "Get OAuth Token" in walks.words(as_operator.get(walks.start_url(alias)))
    walks.grants(server)
    is_known_as(server, "robot")
    as_operator.post(walks.start_url(alias), PASSWORD)
    assert Token.objects.get().user is None
    assert renewal.current(None, credential).access_token == "CANARY-access-1"


def test_switching_the_type_in_code_makes_the_tokens_of_both_types_unusable(
    alias: Alias, credential: OAuth2Credential, amira: User
) -> None:
    cast.signed_in(None, alias)  # type: ignore[arg-type]  # the system's
    credential.integration_type = "personal"
    credential.save()
    for owner in (None, amira):
        with pytest.raises(renewal.NoUsableToken) as gone:
            renewal.current(owner, credential)
        assert gone.value.code == "not_connected"
    cast.signed_in(amira, alias)
    credential.integration_type = "system"
    credential.save()
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, credential)
