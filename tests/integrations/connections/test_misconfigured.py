"""A registration that the provider refuses: people read that it is not theirs to mend, administrators what to mend."""

import html
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from integrations.connections import notices, renewal
from integrations.models import Alias, ApplicationRegistry, Token
from integrations.models.registry import Use
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

REASON = "Client authentication failed: secret mismatch"
REFUSAL: dict[str, Any] = {"status": 401, "json": {"error": "invalid_client", "error_description": REASON}}
TOLD = "The administrators get a mail about it."


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


@pytest.fixture
def as_admin(amira: User) -> Client:
    """Amira, who may change registries and can open the administration."""
    amira.user_permissions.add(Permission.objects.get(codename="change_applicationregistry"))
    User.objects.filter(pk=amira.pk).update(is_staff=True)
    return client_of(User.objects.get(pk=amira.pk))


@pytest.fixture
def administrators(settings: Settings) -> None:
    settings.ADMINS = [("Administrator", "admin@hub.example")]


def page(client: Client, place: str = "/integrations/") -> str:
    return html.unescape(walks.words(client.get(place)))


def refused_renewal(user: User, alias: Alias, server: HostileServer) -> None:
    cast.signed_in(user, alias, expires_in=-10, account_label="amira@northwind.example")
    server.on(ASKED).always(**REFUSAL)
    with pytest.raises(Misconfigured):
        current(user, alias)


def mend_link(registry: ApplicationRegistry) -> str:
    """The link to the field that invalid_client points to."""
    return f'href="/admin/integrations/applicationregistry/{registry.pk}/change/#id_client_secret"'


# Cards ----------------------------------------------------------------------------------------------------------------


def test_the_card_of_a_misconfigured_registry_says_so(
    administrators: None, as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    refused_renewal(amira, alias, server)
    for place in ("/integrations/", f"/integrations/{alias.hex}/"):
        shown = page(as_amira, place)
        assert "Set-up problem" in shown
        assert "Northwind CRM isn’t set up correctly here." in shown
        assert "There is nothing for you to do. The administrators get a mail about it." in shown
        assert "Renews by itself" not in shown
        assert REASON not in shown
        assert "/admin/" not in shown
    assert "needs you" not in page(as_amira)
    (one,) = as_amira.get("/api/v1/integrations/").json()
    assert (one["state"], one["section"]) == ("misconfigured", "my")
    assert Token.objects.get().state == "valid"


def test_the_card_is_as_before_when_the_provider_accepts_us_again(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    refused_renewal(amira, alias, server)
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    server.on(ASKED).always(json=GRANTED)
    current(amira, alias)
    assert walks.state_on(page(as_amira)) == "connected"
    registry = ApplicationRegistry.objects.get()
    assert (registry.misconfigured_code, registry.misconfigured_reason, registry.misconfigured_use) == ("", "", "")


@pytest.mark.parametrize("state", ["not_connected", "needs_reauth", "expiring"])
def test_who_is_about_to_sign_in_is_warned(state: str, as_amira: Client, amira: User, alias: Alias) -> None:
    fields = {"needs_reauth": {"state": "needs_reauth"}, "expiring": {"expires_in": 60, "refresh_token": ""}}
    if state in fields:
        cast.signed_in(amira, alias, **fields[state])  # type: ignore[arg-type]
    assert "A new sign-in may fail" not in page(as_amira)
    ApplicationRegistry.objects.get().note_misconfigured("redirect_uri_mismatch", use=Use.SIGN_IN)
    shown = page(as_amira)
    assert walks.state_on(shown) == state
    assert "A new sign-in may fail until this is fixed." in shown


def test_a_problem_with_sign_ins_is_not_forgotten_for_a_renewal(
    amira: User, alias: Alias, server: HostileServer
) -> None:
    """A renewal proves that the provider knows us, not that people can sign in."""
    registry = ApplicationRegistry.objects.get()
    registry.note_misconfigured("redirect_uri_mismatch", use=Use.SIGN_IN)
    server.on(ASKED).always(json=GRANTED)
    renewal.renew(cast.signed_in(amira, alias, expires_in=-10))
    registry.refresh_from_db()
    assert registry.misconfigured_code == "redirect_uri_mismatch"


def test_a_lesser_problem_does_not_hide_that_nothing_can_be_renewed(alias: Alias) -> None:
    registry = ApplicationRegistry.objects.get()
    registry.note_misconfigured("invalid_client")
    for use in (Use.SIGN_IN, Use.REVOCATION):
        ApplicationRegistry.objects.get().note_misconfigured("invalid_scope", use=use)
        assert ApplicationRegistry.objects.get().cannot_renew


# Who was told ---------------------------------------------------------------------------------------------------------


def test_nobody_is_said_to_know_who_does_not(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer, settings: Settings
) -> None:
    """Without administrators, or without a mail server, nobody has been told."""
    refused_renewal(amira, alias, server)
    assert "Please tell an administrator." in page(as_amira)
    assert "nothing for you to do" not in page(as_amira)
    settings.ADMINS = [("Administrator", "admin@hub.example")]
    assert TOLD in page(as_amira)
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "Please tell an administrator." in page(as_amira)


def test_it_says_when_the_administrators_were_told(
    administrators: None, as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    refused_renewal(amira, alias, server)
    notices.send_due()
    assert re.search(r"The administrators were told at <time [^>]+>\d\d:\d\d UTC</time>\.", page(as_amira))
    assert f"Reason: {REASON}" in mail.outbox[0].body


@pytest.mark.parametrize(
    "error", ["redirect_uri_mismatch", "invalid_scope", "unauthorized_client", "application_suspended"]
)
def test_a_fault_that_comes_back_with_the_browser_reaches_the_administrators(
    error: str, administrators: None, as_amira: Client, amira: User, alias: Alias
) -> None:
    cast.signed_in(amira, alias)
    shown = html.unescape(walks.words(walks.sign_in(as_amira, alias, code=None, error=error)))
    assert TOLD in shown
    assert ApplicationRegistry.objects.get().misconfigured_code == error
    notices.send_due()
    assert error in mail.outbox[0].body
    assert walks.state_on(page(as_amira)) == "connected", "what is stored is renewed as before"


def test_what_a_stranger_says_in_the_browser_blames_no_registry(as_amira: Client, alias: Alias) -> None:
    walks.sign_in(as_amira, alias, code=None, error="access_denied")
    walks.sign_in(as_amira, alias, code=None, error="<b>")
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


# Who may mend it ------------------------------------------------------------------------------------------------------


def test_who_may_change_the_registry_reads_the_reason_and_where_to_mend_it(
    as_admin: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    refused_renewal(amira, alias, server)
    registry = ApplicationRegistry.objects.get()
    for place in ("/integrations/", f"/integrations/{alias.hex}/"):
        shown = page(as_admin, place)
        assert f"invalid_client: {REASON}" in shown
        assert mend_link(registry) in shown
        assert "tell an administrator" not in shown
        assert "nothing for you to do" not in shown


def test_the_window_tells_a_person_from_who_may_change_the_registry(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    server.on(ASKED).always(**REFUSAL)
    shown = html.unescape(walks.words(walks.sign_in(as_amira, alias)))
    assert "Only an administrator can fix this. Please tell an administrator." in shown
    assert REASON not in shown
    amira.user_permissions.add(Permission.objects.get(codename="change_applicationregistry"))
    User.objects.filter(pk=amira.pk).update(is_staff=True)
    shown = html.unescape(walks.words(walks.sign_in(client_of(User.objects.get(pk=amira.pk)), alias)))
    assert f"invalid_client: {REASON}" in shown
    assert mend_link(ApplicationRegistry.objects.get()) in shown
    assert "Only an administrator can fix this" not in shown


@pytest.mark.parametrize(
    ("answer", "anchor"),
    [
        ({"status": 404, "text": "nothing here"}, "#id_token_url"),
        ({"status": 400, "json": {"error": "unauthorized_client"}}, "#id_client_id"),
        (
            {"status": 401, "json": {"error": "invalid_client", "error_description": "invalid_client"}},
            "#id_client_secret",
        ),
    ],
)
def test_the_window_leads_an_administrator_to_the_field(
    answer: dict[str, Any], anchor: str, as_admin: Client, alias: Alias, server: HostileServer
) -> None:
    server.on(ASKED).always(**answer)
    shown = html.unescape(walks.words(walks.sign_in(as_admin, alias)))
    assert f'/admin/integrations/applicationregistry/{ApplicationRegistry.objects.get().pk}/change/{anchor}"' in shown
    assert "invalid_client: invalid_client" not in shown


@pytest.mark.parametrize("lacks", ["staff", "permission"])
def test_who_cannot_reach_the_registry_gets_no_link_to_it(
    lacks: str, as_admin: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    refused_renewal(amira, alias, server)
    if lacks == "staff":
        User.objects.update(is_staff=False)
    else:
        amira.user_permissions.clear()
    shown = page(client_of(User.objects.get(pk=amira.pk)))
    assert "applicationregistry" not in shown
    assert REASON not in shown


def test_a_remote_table_says_that_the_set_up_is_wrong_and_to_whom_it_matters(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, alias, expires_in=-10)
    tables.incidents(alias)
    server.on(ASKED).always(**REFUSAL)
    shown = page(as_amira, tables.PAGE)
    assert tables.trouble(shown) == "misconfigured"
    assert "Northwind CRM isn’t set up correctly here" in shown
    assert "Please tell an administrator." in shown
    amira.user_permissions.add(Permission.objects.get(codename="change_applicationregistry"))
    User.objects.filter(pk=amira.pk).update(is_staff=True)
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    shown = page(client_of(User.objects.get(pk=amira.pk)), tables.PAGE)
    assert f"invalid_client: {REASON}" in shown
    assert mend_link(ApplicationRegistry.objects.get()) in shown


def test_programs_get_the_code_alone(as_admin: Client, amira: User, alias: Alias, server: HostileServer) -> None:
    cast.signed_in(amira, alias, expires_in=-10)
    server.on(ASKED).always(**REFUSAL)
    answer = as_admin.get("/api/v1/integrations/northwind/proxy/contacts")
    assert (answer.status_code, answer.json()["error"]) == (502, "integration_misconfigured")
    assert REASON not in walks.words(answer)


def test_the_doctor_repeats_the_reason(amira: User, alias: Alias, server: HostileServer) -> None:
    refused_renewal(amira, alias, server)
    told = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=told)
    assert f"because of the set-up: invalid_client ({REASON})" in " ".join(told.getvalue().split())


# What a provider says is no way for a secret to get out ---------------------------------------------------------------


@pytest.mark.parametrize(
    "echo",
    [
        "secret CANARY-client-secret, token CANARY-refresh-1",
        "got canary-CLIENT-secret and CANARY%2Drefresh%2D1",
        "Basic a2V5cmFjazpDQU5BUlktY2xpZW50LXNlY3JldA==",
        "C A N A R Y - client - s e c r e t",
        "CANARY-client-s",
        "canary-refre and sh-1",
        "&#67;ANARY-client-secret",
        "Q0FOQVJZLXJlZnJlc2gtMQ",
        "43414e4152592d726566726573682d31",
    ],
)
def test_a_reason_that_repeats_what_was_sent_is_masked(
    echo: str, as_admin: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, alias, expires_in=-10)
    server.on(ASKED).always(status=401, json={"error": "invalid_client", "error_description": f"No: {echo}"})
    with pytest.raises(Misconfigured):
        current(amira, alias)
    reason = ApplicationRegistry.objects.get().misconfigured_reason
    assert "…" in reason
    assert not re.search("c ?a ?n ?a ?r ?y|refresh-1|refre|a2V5|ANARY|Q0F|4341", reason, re.IGNORECASE)
    assert "CANARY" not in page(as_admin)


def test_no_reason_is_kept_of_a_refused_password(as_amira: Client, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    said = {"error": "unauthorized_client", "error_description": "hunter2 is no password"}
    server.on(ASKED).always(status=400, json=said)
    as_amira.post(walks.start_url(alias), {"username": "amira", "password": "hunter2"})
    registry = ApplicationRegistry.objects.get()
    assert (registry.misconfigured_code, registry.misconfigured_reason) == ("unauthorized_client", "")
