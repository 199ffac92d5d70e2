"""Names in right-to-left scripts stand isolated in the sentences of pages, so that they don't reorder them."""

import re
from html import unescape
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client

from accounts.audit.log import Event, Kind
from accounts.models import User
from integrations.models import Alias, HttpConnection, OAuth2Credential, OAuthEntityScope, RemoteTable, Token
from tests import walks
from tests.accounts import programs
from tests.conftest import client_of
from tests.integrations import tables
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NAME = "قاف (ج) 7!"
MIXED = re.compile(rf"[a-z][^\u2069]*(?<!\u2068){re.escape(NAME)}|(?<!\u2068){re.escape(NAME)}.*[a-z]", re.IGNORECASE)


PAGES = {
    "consent": (programs.authorize_url(client_id="digest", scope="integrations:read service:northwind"), "Use "),
    "remote table": (tables.PAGE, "Connect "),
    "Explain access": ("/admin/explain-access/?person=amira&integration=northwind", "may use "),
    "an address that moved": ("/admin/explain-access/?person=amira&integration=northwind", "Only "),
    "a group that is missing": ("/admin/explain-access/?person=bob&integration=northwind", "Only these groups"),
    "a name that is unknown": (f"/admin/explain-access/?person={NAME}%20x&integration=northwind", "Nobody here"),
}


@pytest.fixture
def alias(server: HostileServer, amira: User, bob: User) -> Alias:
    """Everything that has a name has this one."""
    alias = tables.read_by(amira, server)
    tables.incidents(alias)
    programs.program(name=NAME, client_id="digest", allowed_scopes="integrations:read service:northwind")
    Alias.objects.update(label=NAME)
    User.objects.filter(pk=amira.pk).update(first_name=NAME, last_name="")
    Token.objects.update(account_label=NAME)
    for model in (HttpConnection, OAuth2Credential, OAuthEntityScope):
        model.objects.update(name=NAME)
    RemoteTable.objects.update(label=NAME)
    return alias


def mixed(html: str) -> list[str]:
    """The texts of the page in which the name stands beside other words, and isn't isolated, but for a text to copy."""
    shown = re.sub(r"<pre .*?</pre>", "", html.partition("<main")[2], flags=re.DOTALL)
    main = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "<>", shown))
    return [text.strip() for text in re.split("<>", unescape(main)) if MIXED.search(text)]


@pytest.mark.parametrize("page", PAGES)
def test_a_right_to_left_name_does_not_reorder_its_sentence(
    page: str, alias: Alias, amira: User, bob: User, admin: User
) -> None:
    address, beginning = PAGES[page]
    if page == "remote table":
        Token.objects.all().delete()
    elif page == "an address that moved":
        HttpConnection.objects.update(connection_url="https://elsewhere.example/api")
    elif page == "a group that is missing":
        alias.groups.add(Group.objects.create(name=NAME))
    html = walks.words(client_of(admin if "admin" in address else amira).get(address))
    assert beginning in html
    assert f"\u2068{NAME}\u2069" in html
    assert mixed(html) == []


def test_less_access_is_said_with_isolated_names(alias: Alias, as_amira: Client, server: HostileServer) -> None:
    Token.objects.all().delete()
    OAuthEntityScope.objects.create(registry=walks.registry_of(alias), scope="write", name="Write")
    walks.grants(server, scope="read")
    walks.credential_of(alias).profile.scopes.set(OAuthEntityScope.objects.all())
    html = walks.words(walks.sign_in(as_amira, alias))
    assert "Missing: Write" in html
    assert mixed(html) == []


def test_what_is_stored_and_copied_has_no_isolation(alias: Alias, amira: User, admin: User) -> None:
    programs.ask(client_of(amira), scope="integrations:read service:northwind")
    [event] = Event.objects.filter(kind=Kind.APPROVED)
    output = StringIO()
    call_command("explain_access", "amira", "northwind", stdout=output)
    for text in (event.detail, output.getvalue()):
        assert NAME in text
        assert not {"\u2068", "\u2069"} & {*text}


def test_answers_of_buttons_isolate_names(alias: Alias, as_amira: Client) -> None:
    html = walks.words(as_amira.post(f"/integrations/{alias.hex}/revoke/", follow=True))
    assert f"\u2068{NAME}\u2069 removed here" in html


def test_the_question_before_a_revoke_isolates_what_stops(alias: Alias, as_amira: Client) -> None:
    html = walks.words(as_amira.get(f"/integrations/{alias.hex}/revoke/"))
    assert f"Table: \u2068{NAME}\u2069" in html
