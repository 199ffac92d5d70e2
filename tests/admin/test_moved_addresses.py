"""Who may lead people's tokens to another host, what it takes, and who is told."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, Event, HttpConnection, OAuth2Credential, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.admin.forms import complaints, submitted
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

ELSEWHERE = "https://evil.example/api"
SECRET = "CANARY-client-secret"


@pytest.fixture
def mails(settings: Settings) -> list[mail.EmailMessage]:
    settings.ADMINS = [("Mei", "mei@hub.example")]
    mail.outbox.clear()
    return mail.outbox


def staff(*codenames: str) -> Client:
    user = cast.person("staff", role=False, is_staff=True, first_name="Tomás", last_name="Ferreira")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client_of(user)


def page_of(connection: HttpConnection) -> str:
    return f"/admin/integrations/httpconnection/{connection.pk}/change/"


CONNECTION = ("view_httpconnection", "change_httpconnection", "add_httpconnection", "delete_httpconnection")


@pytest.mark.parametrize("also", [{}, {"same_provider": "on"}, {"client_secret": SECRET}])
def test_staff_who_may_change_connections_alone_lead_no_token_elsewhere(also: dict[str, str], token: Token) -> None:
    connection = HttpConnection.objects.get()
    page = submitted(staff(*CONNECTION), page_of(connection), {"Connection URL": ELSEWHERE}, also=also)
    assert [complaint for complaint in complaints(page) if "application registry “Northwind”" in complaint]
    assert HttpConnection.objects.get().connection_url == connection.connection_url


def test_nor_do_they_before_anybody_has_signed_in(northwind: Alias) -> None:
    submitted(staff(*CONNECTION), page_of(HttpConnection.objects.get()), {"Connection URL": ELSEWHERE})
    assert HttpConnection.objects.get().connection_url != ELSEWHERE


def test_they_may_change_the_path(token: Token) -> None:
    typed = {"Connection URL": "https://northwind.example/v2", "Name": "Second"}
    assert not complaints(submitted(staff(*CONNECTION), page_of(HttpConnection.objects.get()), typed))


def test_nor_by_a_second_connection_or_by_turning_one_on(token: Token, northwind: Alias) -> None:
    client, credential = staff(*CONNECTION), str(token.credential_id)
    other = Alias.objects.create(name="other")
    typed = {"Alias": str(other.pk), "Name": "b", "Credential": credential, "Connection URL": ELSEWHERE}
    page = submitted(client, "/admin/integrations/httpconnection/add/", typed)
    assert [complaint for complaint in complaints(page) if "application registry “Northwind”" in complaint]
    asleep = HttpConnection.objects.create(
        alias=other, name="c", credential=token.credential, connection_url=ELSEWHERE, active=False
    )
    assert complaints(submitted(client, page_of(asleep), {"Active": "on"}))
    assert not HttpConnection.objects.get(pk=asleep.pk).active


@pytest.mark.slow
def test_who_may_change_the_registry_moves_it_with_the_secret_and_each_person_is_asked(
    amira: User, token: Token, mails: list[mail.EmailMessage]
) -> None:
    client = staff(*CONNECTION, "change_applicationregistry")
    typed = {"Connection URL": ELSEWHERE}
    assert complaints(submitted(client, page_of(HttpConnection.objects.get()), typed))
    submitted(client, page_of(HttpConnection.objects.get()), typed, also={"client_secret": SECRET})
    assert HttpConnection.objects.get().connection_url == ELSEWHERE
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")

    event = Event.objects.get(kind="address_changed")
    assert (event.subject, event.who_name, event.address) == ("Northwind", "staff", "127.0.0.1")
    assert event.detail == "https://northwind.example/api → https://evil.example/api"

    tasks.send_notices()
    tasks.send_notices()
    (message,) = mails
    assert message.to == ["mei@hub.example"]
    for words in ("https://northwind.example/api", ELSEWHERE, "Tomás Ferreira", "Where calls go"):
        assert words in message.body
    assert "CANARY" not in message.body


def test_each_change_is_one_more_mail(amira: User, token: Token, mails: list[mail.EmailMessage]) -> None:
    for url in (ELSEWHERE, "https://worse.example/api"):
        row = HttpConnection.objects.get()
        row.connection_url = url
        row.save()
        tasks.send_notices()
    assert len(mails) == 2
    assert ELSEWHERE in mails[0].body
    assert "https://worse.example/api" in mails[1].body


def test_nobody_is_mailed_where_no_token_is_concerned(northwind: Alias, mails: list[mail.EmailMessage]) -> None:
    row = HttpConnection.objects.get()
    row.connection_url = ELSEWHERE
    row.save()
    tasks.send_notices()
    assert not mails
    assert not Event.objects.filter(kind="address_changed").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "old", "new"),
    [
        ("Hosts of that base URL", {"base_url_path": "/home", "base_url_hosts": "*.a.example"}, "*.evil.example"),
        ("Headers of calls", {"call_headers": {"X-A": "1"}}, '{"X-Copy": "{access_token}"}'),
        (
            "Account settings URL",
            {"account_settings_url": "https://northwind.example/apps"},
            "https://evil.example/apps",
        ),
        ("Userinfo URL", {}, "https://evil.example/me"),
        ("Token URL", {}, "https://evil.example/token"),
    ],
)
def test_what_goes_along_and_where_takes_the_secret_and_holds_the_tokens(
    label: str,
    old: dict[str, object],
    new: str,
    amira: User,
    as_admin: Client,
    registry: ApplicationRegistry,
) -> None:
    ApplicationRegistry.objects.update(**old)
    cast.signed_in(amira, cast.integration_at(ApplicationRegistry.objects.get()))
    address = f"/admin/integrations/applicationregistry/{registry.pk}/change/"
    refused = submitted(as_admin, address, {label: new}, also={"same_provider": "on"})
    assert [each for each in complaints(refused) if "Enter the Client Secret again" in each and label in each]
    assert PersonalAuthAPI(amira).is_token_valid("northwind")
    assert not complaints(submitted(as_admin, address, {label: new, "Client Secret": SECRET}))
    assert not PersonalAuthAPI(amira).is_token_valid("northwind")
    assert Event.objects.get(kind="address_changed").who_name == "admin"


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "follows"), [(SECRET, True), ("another one", False)])
def test_the_systems_token_follows_who_knows_the_stored_secret(
    typed: str, follows: bool, as_admin: Client, registry: ApplicationRegistry
) -> None:
    alias = cast.integration_at(registry, integration_type="system")
    credential = OAuth2Credential.objects.get()
    token = Token.objects.create(credential=credential, integration_type="system", access_token="CANARY-access-1")
    address = f"/admin/integrations/applicationregistry/{registry.pk}/change/"
    submitted(as_admin, address, {"Token URL": "https://new.example/token", "Client Secret": typed})
    token = Token.objects.with_registry().get(pk=token.pk)
    assert token.credential.registry.token_url == "https://new.example/token"
    assert bool(token.address_changes()) is not follows
    assert alias.active


@pytest.mark.slow
def test_the_typed_secret_stays_out_of_the_page_and_the_history(as_admin: Client, token: Token) -> None:
    address = page_of(HttpConnection.objects.get())
    page = submitted(as_admin, address, {"Connection URL": ELSEWHERE}, also={"client_secret": "CANARY-wrong"})
    assert "CANARY-wrong" not in page.content.decode()
    submitted(as_admin, address, {"Connection URL": ELSEWHERE}, also={"client_secret": SECRET})
    assert not re.search("CANARY", str(list(Event.objects.values_list("detail", "changes"))))
