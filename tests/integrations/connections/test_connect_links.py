"""Connect links: a helper signs in at the provider, and the token becomes the bot's. Once, and within ranks."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from accounts.audit.models import Event
from accounts.models import User
from foundation.oauth_client.answers import TokenAnswer
from integrations.connections import authorization
from integrations.connections.authorization import code_grant
from integrations.connections.authorization.storage import fetch_and_store
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, ConnectLink, Token
from integrations.models.tokens import Revocation
from integrations.personal_auth import PersonalAuthAPI
from tests import canaries, cast, walks
from tests.accounts import programs, tokens
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

CONNECT = "/integrations/connect/"
CONTINUE = r'id="continue" href="([^"]+)"'


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    alias = walks.northwind(server)
    server.on("GET /api/contacts").always(json=[])
    return alias


@pytest.fixture
def bot(db: None) -> User:
    return cast.bot("nightly")


def secret_for(user: User, alias: Alias, maker: User) -> str:
    return authorization.create_connect_link(user, alias, by=maker)[1]


def opened(browser: Client, secret: str) -> Any:
    """The page that says for whom it is."""
    return browser.get(f"{CONNECT}{secret}/", follow=True)


def begun(browser: Client, secret: str) -> Any:
    """The answer to a click on Continue there."""
    page = opened(browser, secret)
    [url] = re.findall(CONTINUE, page.content.decode())
    return browser.get(url.replace("&amp;", "&"))


def submit_password(browser: Client, username: str, password: str) -> Any:
    """The answer to the form of the link that the browser opened last."""
    fields = programs.hidden_fields(browser.get(CONNECT))
    return browser.post(CONNECT, {**fields, "username": username, "password": password})


def finished(browser: Client, alias: Alias, begin: Any, **parameters: Any) -> str:
    back = walks.come_back(browser, alias, walks.asked(begin)["state"], **parameters)
    assert back.status_code == 303, back.content
    return walks.words(browser.get(back["Location"]))


@pytest.mark.slow
def test_the_helper_signs_in_and_the_token_becomes_the_bots(
    bot: User, bob: User, admin: User, northwind: Alias, server: HostileServer
) -> None:
    secret = secret_for(bot, northwind, admin)
    walks.grants(server)
    browser = client_of(bob)
    page = opened(browser, secret)
    assert page.redirect_chain == [(CONNECT, 302)]  # the secret leaves the address
    assert "Connect Northwind CRM for" in walks.words(page)
    assert "admin" in walks.words(page)
    done = finished(browser, northwind, begun(browser, secret))
    assert "This is about" in done
    assert "nightly" in done
    token = Token.objects.get()
    assert (token.user, token.access_token) == (bot, "CANARY-access-1")
    assert PersonalAuthAPI(bot).request("northwind", "GET", "/contacts").status_code == 200
    assert not PersonalAuthAPI(bob).is_token_valid("northwind")
    created, connected = Event.objects.filter(whose=bot).order_by("at")
    assert (created.kind, connected.kind, connected.who) == ("connect_link_created", "connected", bob)
    assert "by the connect link of admin" in connected.detail
    assert not any(canaries.finds(secret, content) for _place, content in canaries.database())


@pytest.mark.slow
def test_a_link_works_once_and_for_who_opened_it_first(
    bot: User, bob: User, amira: User, admin: User, northwind: Alias, server: HostileServer
) -> None:
    secret = secret_for(bot, northwind, admin)
    first, second = client_of(bob), client_of(amira)
    [late] = re.findall(CONTINUE, walks.words(opened(second, secret)))
    assert "access_denied" in finished(first, northwind, begun(first, secret), code=None, error="access_denied")
    assert second.get(late.replace("&amp;", "&")).status_code == opened(second, secret).status_code == 404
    walks.grants(server)
    begin, again = begun(first, secret), begun(first, secret)  # the helper may try again
    finished(first, northwind, begin)
    assert opened(first, secret).status_code == first.get(CONNECT).status_code == 404
    walks.grants(server, 2)
    assert "no_longer_available" in finished(first, northwind, again)
    assert Token.objects.get().access_token == "CANARY-access-1"


@pytest.mark.slow
def test_a_second_sign_in_by_a_used_link_leaves_the_grant_of_the_first_alone(
    bot: User, bob: User, admin: User, northwind: Alias, server: HostileServer
) -> None:
    secret, browser = secret_for(bot, northwind, admin), client_of(bob)
    first = begun(browser, secret)
    begun(browser, secret)
    second = AuthorizationAttempt.objects.latest("created_at")

    def fetch_after_first() -> TokenAnswer:
        walks.grants(server)
        finished(browser, northwind, first)
        return TokenAnswer(access_token="CANARY-access-2", token_type="Bearer")

    fetch_and_store(second, fetch_after_first)
    assert (second.status, second.failure_code) == ("failed", "no_longer_available")
    assert Token.objects.get().access_token == "CANARY-access-1"
    assert not Revocation.objects.exists()


@pytest.mark.slow
def test_a_deleted_link_ends_the_sign_ins_that_it_began(
    bot: User, bob: User, admin: User, server: HostileServer
) -> None:
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo")
    cast.signed_in(bot, alias, account_id="a-1", account_label="bot@northwind.example")
    server.on("GET /userinfo").always(json={"sub": "a-2", "email": "bob@northwind.example"})
    walks.grants(server, 2)
    secret, browser = secret_for(bot, alias, admin), client_of(bob)
    back = walks.come_back(browser, alias, walks.asked(begun(browser, secret))["state"])
    ConnectLink.objects.all().delete()
    assert not AuthorizationAttempt.objects.exists()
    assert client_of(bob).post(back["Location"], {"choice": "switch"}).status_code == 404
    assert Token.objects.get().account_id == "a-1"
    assert Revocation.objects.get().reason == "deleted"


@pytest.mark.slow
def test_nobody_else_completes_what_the_helper_began(
    bot: User, bob: User, amira: User, admin: User, northwind: Alias, server: HostileServer
) -> None:
    helper = client_of(bob)
    state = walks.asked(begun(helper, secret_for(bot, northwind, admin)))["state"]
    for user in (amira, admin):
        assert walks.come_back(client_of(user), northwind, state).status_code == 400
    assert server.calls == []
    walks.grants(server)
    back = walks.come_back(helper, northwind, state)
    assert client_of(amira).get(back["Location"]).status_code == 404


def expire(link: ConnectLink) -> None:
    ConnectLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    [
        expire,
        lambda link: link.delete(),
        lambda link: User.objects.filter(pk=link.created_by_id).update(is_active=False),
        lambda link: User.objects.filter(pk=link.user_id).update(is_active=False),
        lambda link: Alias.objects.update(active=False),
        lambda link: link.user.groups.clear(),
        lambda link: User.objects.filter(pk=link.user_id).update(is_staff=True),  # stronger than the maker now
    ],
    ids=["expired", "withdrawn", "maker gone", "bot off", "alias off", "no role", "bot stronger"],
)
def test_a_link_that_may_no_longer_be_used_is_refused_until_the_token_is_stored(
    end: Any, bot: User, bob: User, northwind: Alias, server: HostileServer
) -> None:
    maker = tokens.permitted("maker", "accounts.change_user", "integrations.add_connectlink")
    link, secret = authorization.create_connect_link(bot, northwind, by=maker)
    browser = client_of(bob)
    begin = begun(browser, secret)
    end(link)
    assert opened(browser, secret).status_code == browser.get(CONNECT).status_code == 404
    walks.grants(server)
    walks.come_back(browser, northwind, walks.asked(begin)["state"])
    assert not Token.objects.exists()


def test_ranks_hold_for_the_maker(bot: User, amira: User, northwind: Alias) -> None:
    maker = tokens.permitted("maker", "accounts.change_user", "integrations.add_connectlink")
    viewer = tokens.permitted("viewer", "accounts.change_user")
    secret_for(amira, northwind, maker)  # also for a person who can't reach the card
    bot.groups.add(Group.objects.create(name="Finance"))
    for by, alias in ((maker, northwind), (viewer, northwind), (amira, northwind)):
        with pytest.raises(PermissionDenied, match="permission"):
            secret_for(bot, alias, by)
    northwind.groups.set([Group.objects.create(name="Sales")])
    with pytest.raises(PermissionDenied, match="Explain access"):
        secret_for(amira, northwind, maker)


@pytest.mark.slow
def test_another_account_than_before_is_asked_about(bot: User, bob: User, admin: User, server: HostileServer) -> None:
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo")
    cast.signed_in(bot, alias, account_id="a-1", account_label="bot@northwind.example")
    server.on("GET /userinfo").always(json={"sub": "a-2", "email": "bob@northwind.example"})
    walks.grants(server, 2)
    secret, browser = secret_for(bot, alias, admin), client_of(bob)
    back = walks.come_back(browser, alias, walks.asked(begun(browser, secret))["state"])
    assert "bob@northwind.example" in walks.words(browser.get(back["Location"]))
    assert Token.objects.get().account_id == "a-1"
    assert client_of(admin).post(back["Location"], {"choice": "switch"}).status_code == 404
    browser.post(back["Location"], {"choice": "switch"})
    assert (Token.objects.get().account_id, Token.objects.get().user) == ("a-2", bot)
    done = walks.words(browser.get(back["Location"]))
    assert "The account of" in done
    assert "You are signed in" not in done
    assert ConnectLink.objects.get().used_at


@pytest.mark.slow
def test_an_integration_with_a_password_is_connected_the_same_way(
    bot: User, bob: User, admin: User, server: HostileServer
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    secret, browser = secret_for(bot, alias, admin), client_of(bob)
    assert 'id="get-token"' in walks.words(opened(browser, secret))
    server.on("POST /token").answer(status=400, json={"error": "invalid_grant"})
    assert submit_password(browser, "nightly", "wrong").status_code >= 400
    walks.grants(server)
    done = submit_password(browser, "nightly", "CANARY-password")
    assert done.status_code == 303
    assert (Token.objects.get().user, Token.objects.get().account_label) == (bot, "nightly")
    assert browser.get(CONNECT).status_code == 404


@pytest.mark.slow
def test_what_is_entered_on_the_page_of_one_link_never_goes_to_the_provider_of_another(
    bot: User, bob: User, admin: User, server: HostileServer
) -> None:
    registry, browser = cast.registry_at(server.url), client_of(bob)
    first, second = (cast.integration_at(registry, name=name, grant_type="password") for name in ("first", "second"))
    fields = programs.hidden_fields(opened(browser, secret_for(bot, first, admin)))
    opened(browser, secret_for(bot, second, admin))
    answer = browser.post(CONNECT, {**fields, "username": "nightly", "password": "CANARY-password"})
    assert answer.status_code == 409
    assert "You have opened another link since." in walks.words(answer)
    assert server.calls == []
    assert not AuthorizationAttempt.objects.exists()
    code = cast.integration_at(cast.registry_at(server.url, name="Code"), name="code")
    [late] = re.findall(CONTINUE, walks.words(opened(browser, secret_for(bot, code, admin))))
    other = cast.integration_at(cast.registry_at(server.url, name="Other"), name="other")
    session = browser.session
    session["connect_link"] = authorization.create_connect_link(bot, other, by=admin)[0].hex
    session.save()
    assert browser.get(late.replace("&amp;", "&")).status_code == 200  # the page of the other one again


def test_signing_in_to_keyrack_comes_first(bot: User, bob: User, admin: User, northwind: Alias) -> None:
    secret, browser = secret_for(bot, northwind, admin), Client(headers={"Sec-Fetch-Site": "same-origin"})
    asked = opened(browser, secret)
    assert asked.redirect_chain[-1][0] == f"/accounts/login/?next={CONNECT}"
    browser.post(asked.redirect_chain[-1][0], {"username": "bob", "password": cast.PASSWORD})
    assert "for" in walks.words(browser.get(CONNECT))
    assert not AuthorizationAttempt.objects.exists()


# When it cannot go on -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_helper_who_begins_too_often_is_asked_to_wait(
    bot: User, bob: User, admin: User, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_grant, "STARTS_IN_A_LIFETIME", 1)
    secret, browser = secret_for(bot, northwind, admin), client_of(bob)
    assert begun(browser, secret).status_code == 302
    again = begun(browser, secret)
    assert (again.status_code, again["Retry-After"]) == (429, "600")
    password = cast.integration_at(cast.registry_at(server.url, name="P"), name="password", grant_type="password")
    opened(browser, secret_for(bot, password, admin))
    answer = submit_password(browser, "nightly", "CANARY-password")
    assert answer.status_code == 429
    assert "Too many tries. Wait 15 minutes" in walks.words(answer)
    assert "CANARY" not in walks.words(answer)
    assert server.calls == []


@pytest.mark.slow
def test_a_set_up_that_cannot_begin_a_sign_in_ends_on_the_page_that_says_so(
    bot: User, bob: User, admin: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(authorization_parameters=["no object"])
    browser = client_of(bob)
    answer = begun(browser, secret_for(bot, northwind, admin))
    assert answer.status_code == 303
    attempt = AuthorizationAttempt.objects.get()
    assert answer["Location"] == f"/integrations/done/{attempt.hex}/"
    assert (attempt.user, attempt.failure_code) == (bot, "bad_registration")
    assert "nightly" in walks.words(browser.get(answer["Location"]))


@pytest.mark.parametrize("grant_type", ["authorization_code", "password"])
@pytest.mark.parametrize("happening", ["taken", "turned off"])
@pytest.mark.slow
def test_a_link_that_ends_at_the_moment_of_the_click_sends_nothing(
    happening: str,
    grant_type: str,
    bot: User,
    bob: User,
    amira: User,
    admin: User,
    server: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type=grant_type)
    secret, browser = secret_for(bot, alias, admin), client_of(bob)
    claim = ConnectLink.claim

    def claim_too_late(link: ConnectLink, helper: User) -> bool:
        if happening == "taken":
            ConnectLink.objects.update(helper=amira)
        else:
            Alias.objects.update(active=False)
        return claim(link, helper)

    monkeypatch.setattr(ConnectLink, "claim", claim_too_late)
    if grant_type == "password":
        opened(browser, secret)
        answer = submit_password(browser, "nightly", "CANARY-password")
    else:
        answer = begun(browser, secret)
    assert answer.status_code == 404
    assert "CANARY" not in walks.words(answer)
    assert not Token.objects.exists()
    assert server.calls == []


@pytest.mark.slow
def test_a_form_that_was_made_up_is_of_no_link(bot: User, bob: User, admin: User, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    browser = client_of(bob)
    fields = programs.hidden_fields(opened(browser, secret_for(bot, alias, admin)))
    answer = browser.post(CONNECT, {**fields, "link": "x", "username": "nightly", "password": "CANARY-password"})
    assert answer.status_code == 409
    assert server.calls == []


# The admin ------------------------------------------------------------------------------------------------------------

ADD = "/admin/integrations/connectlink/add/"


@pytest.mark.slow
def test_an_administrator_makes_a_link_that_is_shown_once(bot: User, admin: User, northwind: Alias) -> None:
    browser = client_of(admin)
    assert f'href="{ADD}?user={bot.pk}"' in browser.get(f"/admin/accounts/user/{bot.pk}/change/").content.decode()
    form = {"user": bot.pk, "alias": northwind.hex, "hours": "1"}
    page = browser.post(ADD, form)
    [secret] = re.findall(rf"{CONNECT}([\w-]{{43}})/", page.content.decode())
    assert "no-store" in page["Cache-Control"]
    link = ConnectLink.objects.get()
    assert authorization.find_connect_link(secret) == link
    assert timedelta(minutes=59) < link.expires_at - timezone.now() <= timedelta(hours=1)
    assert secret not in browser.get("/admin/integrations/connectlink/").content.decode()
    assert "Waiting" in browser.get("/admin/integrations/connectlink/").content.decode()
    assert browser.get(f"/admin/integrations/connectlink/{link.pk}/change/").status_code == 200
    browser.post(f"/admin/integrations/connectlink/{link.pk}/delete/", {"post": "yes"})
    assert authorization.find_connect_link(secret) is None
    kinds = Event.objects.filter(whose=bot, who=admin).order_by("at").values_list("kind", flat=True)
    assert [kind for kind in kinds if kind.startswith("connect_link")] == [
        "connect_link_created",
        "connect_link_deleted",
    ]


@pytest.mark.slow
def test_a_weaker_administrator_reads_why_not(bot: User, northwind: Alias) -> None:
    names = ["accounts.view_user", "accounts.change_user", "integrations.add_connectlink", "integrations.view_alias"]
    weak = tokens.permitted("weak", *names)
    User.objects.filter(pk=weak.pk).update(is_staff=True)
    bot.groups.add(Group.objects.create(name="Finance"))
    page = client_of(weak).post(ADD, {"user": bot.pk, "alias": northwind.hex, "hours": "1"})
    assert "This user has permissions or groups that you don’t have." in page.content.decode()
    assert not ConnectLink.objects.exists()
