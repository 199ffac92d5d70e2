"""Without its key, or with a wrong one, the site is up, sends nothing anywhere, and loses nothing."""

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from foundation import secrets_at_rest
from integrations.connections import renewal, tasks
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Revocation, Token
from integrations.models.card import integration_of
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.admin import forms
from tests.conftest import client_of
from tests.servers import migrated
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# What an operator may do to TOKEN_ENCRYPTION_KEYS, by accident. "test" is the id of the key that everything is under.
NONE: list[str] = []
MALFORMED = ["test:not-a-key"]
ANOTHER = ["another:" + secrets_at_rest.new_key()]
SAME_ID = ["test:" + secrets_at_rest.new_key()]
LOST = {"none": NONE, "malformed": MALFORMED, "another": ANOTHER}
WRONG = {**LOST, "same id": SAME_ID}
UNUSABLE = {"none": NONE, "malformed": MALFORMED}


def cases(named: dict[str, list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("keys", named.values(), ids=named.keys())


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return walks.northwind(server)


@pytest.fixture
def token(amira: User, northwind: Alias) -> Token:
    return cast.signed_in(amira, northwind)


def card(user: User, alias: Alias) -> tuple[str, str, str]:
    integration = integration_of(user, alias.pk)
    assert integration
    return integration.state, integration.section, integration.failure_code


def row_of(token: Token) -> dict[str, object]:
    return dict(Token.objects.filter(pk=token.pk).values().get())


# The site -------------------------------------------------------------------------------------------------------------


@cases(WRONG)
def test_the_site_is_up(as_amira: Client, admin: User, token: Token, settings: Settings, keys: list[str]) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    as_admin, registry = client_of(admin), ApplicationRegistry.objects.get()
    assert Client().get("/accounts/login/").status_code == 200
    assert as_amira.get("/integrations/").status_code == 200
    assert as_amira.get(f"/integrations/{Alias.objects.get().hex}/").status_code == 200
    for page in ("", f"integrations/applicationregistry/{registry.pk}/change/", "integrations/token/"):
        assert as_admin.get(f"/admin/{page}").status_code == 200


@cases(WRONG)
def test_readiness_is_red_and_names_the_keys(client: Client, token: Token, settings: Settings, keys: list[str]) -> None:
    assert client.get("/readyz").status_code == 200
    settings.TOKEN_ENCRYPTION_KEYS = keys
    response = client.get("/readyz")
    assert response.status_code == 503
    answer = response.json()
    del answer["background"], answer["installation"]  # no worker runs here
    assert answer == {"status": "failing", "database": "ok", "keys": "failing", "cache": "ok", "broker": "ok"}
    assert client.get("/healthz").status_code == 200


def test_one_row_that_does_not_open_does_not_turn_readiness_red(client: Client, amira: User, token: Token) -> None:
    Token.objects.update(access_token=b"planted")
    assert client.get("/readyz").status_code == 200


@cases(UNUSABLE)
def test_the_deployment_check_names_it(settings: Settings, keys: list[str]) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    with pytest.raises(SystemCheckError, match=r"keyrack\.E002.*TOKEN_ENCRYPTION_KEYS"):
        call_command("check", deploy=True, stdout=StringIO(), stderr=StringIO())


@pytest.mark.slow
def test_a_process_that_starts_without_a_key_serves(tmp_path: Path) -> None:
    script = """
import django
django.setup()
from django.test import Client
answers = [Client().get(path) for path in ("/accounts/login/", "/healthz", "/readyz")]
print([answer.status_code for answer in answers], answers[-1].json()["keys"])
"""
    told = {"DATA_DIR": str(tmp_path), "DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment = {**os.environ, **told, "TOKEN_ENCRYPTION_KEYS": "", "DEBUG": "true", "ALLOWED_HOSTS": "testserver"}
    environment = {name: value for name, value in environment.items() if value}
    migrated.migrate(environment)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert ran.stdout == "[200, 200, 503] failing\n", ran.stderr


# What is stored -------------------------------------------------------------------------------------------------------


@cases(LOST)
@pytest.mark.parametrize("expires_in", [3600, -10])
def test_a_card_says_sign_in_again_until_the_key_is_back_and_nothing_is_written(
    amira: User, northwind: Alias, settings: Settings, keys: list[str], expires_in: int
) -> None:
    token = cast.signed_in(amira, northwind, expires_in=expires_in)
    right, before = settings.TOKEN_ENCRYPTION_KEYS, row_of(token)
    assert card(amira, northwind) == ("connected", "my", "")
    settings.TOKEN_ENCRYPTION_KEYS = keys
    assert card(amira, northwind) == ("needs_reauth", "available", "unreadable")
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")
    assert "open your sign-in at" in client_of(amira).get("/integrations/").content.decode()
    assert row_of(token) == before
    settings.TOKEN_ENCRYPTION_KEYS = right
    assert card(amira, northwind) == ("connected", "my", "")


@cases(WRONG)
@pytest.mark.parametrize("expires_in", [3600, -10])
def test_nothing_is_sent_to_any_provider(
    server: HostileServer, amira: User, northwind: Alias, settings: Settings, keys: list[str], expires_in: int
) -> None:
    token = cast.signed_in(amira, northwind, expires_in=expires_in)
    before = row_of(token)
    settings.TOKEN_ENCRYPTION_KEYS = keys
    api = PersonalAuthAPI(amira)
    with pytest.raises(NotAuthenticated) as refused:
        api.request("northwind", "GET", "/contacts")
    assert refused.value.code == "unreadable"
    with pytest.raises(NotAuthenticated):
        api.get_token("northwind")
    with pytest.raises(renewal.NoUsableToken):
        renewal.renew(Token.objects.with_registry().get(pk=token.pk))
    assert server.connections == 0
    assert row_of(token) == before


@cases(WRONG)
def test_a_promise_to_revoke_waits_for_the_key(
    server: HostileServer, amira: User, token: Token, settings: Settings, keys: list[str]
) -> None:
    PersonalAuthAPI(amira).revoke_token("northwind")
    promised, right = Revocation.objects.get(), settings.TOKEN_ENCRYPTION_KEYS
    settings.TOKEN_ENCRYPTION_KEYS = keys
    tasks.deliver_revocation(promised.hex)
    assert server.connections == 0
    promised.refresh_from_db()
    assert (promised.state, promised.last_answer, promised.settled_at) == ("pending", "unreadable", None)
    assert promised.next_attempt_at

    settings.TOKEN_ENCRYPTION_KEYS = right
    server.on("POST /revoke").always(status=200)
    Revocation.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    tasks.deliver_revocation(promised.hex)
    assert [call.form["token"] for call in server.calls_to("POST /revoke")] == ["CANARY-refresh-1", "CANARY-access-1"]
    assert Revocation.objects.get().state == "confirmed"


@cases(WRONG)
def test_what_is_revoked_without_its_key_is_not_called_revoked_there(
    server: HostileServer, amira: User, token: Token, settings: Settings, keys: list[str]
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    assert PersonalAuthAPI(amira).revoke_token("northwind").remote_revocation == "unsupported"
    assert not Token.objects.exists()
    left = Revocation.objects.get()
    assert (left.state, left.last_answer) == ("unsupported", "unreadable")
    assert server.connections == 0


def test_other_bytes_under_the_same_id_show_when_the_token_is_used(
    amira: User, northwind: Alias, token: Token, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = SAME_ID
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/contacts")
    assert f"Token {token.hex} cannot be opened" in caplog.text
    assert card(amira, northwind)[0] == "connected"


# What would be stored -------------------------------------------------------------------------------------------------


@cases(WRONG)
def test_a_sign_in_is_refused_before_leaving_for_the_provider(
    server: HostileServer, as_amira: Client, northwind: Alias, settings: Settings, keys: list[str]
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    response = walks.start(as_amira, northwind)
    assert response.status_code in {302, 303}
    assert response["Location"].startswith("/integrations/done/")
    html = as_amira.get(response["Location"]).content.decode()
    assert "isn’t set up correctly" in html
    assert "Only an administrator can fix this" in html
    assert server.connections == 0


@cases(UNUSABLE)
def test_a_public_client_has_nowhere_to_put_the_token_either(
    server: HostileServer, as_amira: Client, settings: Settings, keys: list[str]
) -> None:
    alias = walks.northwind(server, client_secret="", send_credentials="none")
    settings.TOKEN_ENCRYPTION_KEYS = keys
    response = walks.start(as_amira, alias)
    assert "isn’t set up correctly" in as_amira.get(response["Location"]).content.decode()


@cases(WRONG)
def test_a_callback_after_the_key_is_gone_ends_in_words_and_redeems_nothing(
    server: HostileServer, as_amira: Client, northwind: Alias, settings: Settings, keys: list[str]
) -> None:
    state = walks.begin(as_amira, northwind)
    settings.TOKEN_ENCRYPTION_KEYS = keys
    back = walks.come_back(as_amira, northwind, state)
    assert "isn’t set up correctly" in as_amira.get(back["Location"]).content.decode()
    assert server.connections == 0
    assert AuthorizationAttempt.objects.get().status == "failed"
    assert not Token.objects.exists()


def test_nor_does_it_where_only_the_sign_in_itself_is_under_the_lost_key(
    server: HostileServer, as_amira: Client, settings: Settings
) -> None:
    alias = walks.northwind(server, client_secret="", send_credentials="none")
    state = walks.begin(as_amira, alias)
    settings.TOKEN_ENCRYPTION_KEYS = ANOTHER
    back = walks.come_back(as_amira, alias, state)
    assert "Nothing was stored. Try again." in as_amira.get(back["Location"]).content.decode()
    assert server.connections == 0


@cases(WRONG)
def test_a_password_is_sent_nowhere(
    server: HostileServer, as_amira: Client, settings: Settings, keys: list[str]
) -> None:
    registry = cast.registry_at(server.url)
    alias = cast.integration_at(registry, grant_type="password")
    settings.TOKEN_ENCRYPTION_KEYS = keys
    response = as_amira.post(walks.start_url(alias), {"username": "amira", "password": "CANARY-password"})
    assert response.status_code == 303
    assert "isn’t set up correctly" in as_amira.get(response["Location"]).content.decode()
    assert server.connections == 0


@cases(UNUSABLE)
def test_saving_a_secret_in_the_admin_is_refused_in_words(
    admin: User, northwind: Alias, settings: Settings, keys: list[str]
) -> None:
    registry, right = ApplicationRegistry.objects.get(), settings.TOKEN_ENCRYPTION_KEYS
    settings.TOKEN_ENCRYPTION_KEYS = keys
    address = f"/admin/integrations/applicationregistry/{registry.pk}/change/"
    response = forms.submitted(client_of(admin), address, {"Client Secret": "CANARY-new", "Comments": "changed"})
    told = forms.complaints(response)
    assert told[0].startswith("Keyrack can’t store a secret: TOKEN_ENCRYPTION_KEYS")
    assert "CANARY" not in response.content.decode()
    assert ApplicationRegistry.objects.get().comments == ""

    response = forms.submitted(client_of(admin), address, {"Comments": "changed"})
    assert forms.complaints(response) == []
    settings.TOKEN_ENCRYPTION_KEYS = right
    assert (registry.client_secret, ApplicationRegistry.objects.get().comments) == ("CANARY-client-secret", "changed")


def test_reading_a_row_anew_opens_nothing(token: Token, settings: Settings) -> None:
    right = settings.TOKEN_ENCRYPTION_KEYS
    Token.objects.update(state="needs_reauth")
    settings.TOKEN_ENCRYPTION_KEYS = NONE
    token.refresh_from_db()
    assert token.state == "needs_reauth"
    assert token.has_refresh_token
    later = Token.objects.defer("access_token", "state").get()
    settings.TOKEN_ENCRYPTION_KEYS = right
    assert (later.access_token, later.state, token.access_token) == (
        "CANARY-access-1",
        "needs_reauth",
        later.access_token,
    )
    token.access_token = "CANARY-not-saved"
    token.refresh_from_db(fields=["access_token"])
    assert token.access_token == "CANARY-access-1"
