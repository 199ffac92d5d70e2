"""The Personal Authentication dashboard: two sections by the seed's rule, one state for each card, nobody else's."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from integrations.models import Alias, Token
from integrations.models.registry import ApplicationRegistry
from tests import cast, walks
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
MINE, AVAILABLE = "My Integrations", "Integrations I can use"


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at("https://northwind.example")


@pytest.fixture
def alias(registry: ApplicationRegistry) -> Alias:
    return cast.integration_at(registry)


def test_connection_alias_and_credential_alias_are_both_shown(
    as_amira: Client, registry: ApplicationRegistry, alias: Alias
) -> None:
    plain = Alias.objects.create(name="plain", type="credential", credential=walks.credential_of(alias))
    assert walks.cards(walks.words(as_amira.get("/integrations/")))[AVAILABLE] == ["Northwind CRM", plain.name]


# Whose ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nobody_sees_anybody_elses_account(amira: User, bob: User, as_amira: Client, alias: Alias) -> None:
    cast.signed_in(bob, alias, account_label="bob@northwind.example", last_used_by="Bobs table")
    walks.under_way(bob, alias)
    for place in ("/integrations/", f"/integrations/{alias.hex}/", f"/integrations/{alias.hex}/revoke/"):
        page = walks.words(as_amira.get(place))
        assert "bob@" not in page
        assert "Bobs" not in page
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_connected"
    Token.objects.all()[0].end(reason="revoked", by_the_person=True)
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_connected"


def test_a_system_token_connects_nobody(amira: User, as_amira: Client, alias: Alias) -> None:
    Token.objects.create(credential=walks.credential_of(alias), integration_type="system", access_token="CANARY-a")
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_connected"


def test_who_has_the_role_finds_the_way_back_from_a_page_of_others(as_amira: Client, admin: User) -> None:
    response = as_amira.get(f"/accounts/users/{admin.pk}/security/")
    assert response.status_code == 403
    assert 'id="back" href="/integrations/"' in response.content.decode()


def test_the_role_is_needed(alias: Alias, db: None) -> None:
    response = client_of(cast.person("guest", role=False)).get("/integrations/")
    assert response.status_code == 403
    assert "You need the role Personal Auth User" in walks.words(response)
    assert "Back to my integrations" not in walks.words(response)  # it would end here again
    assert Client().get("/integrations/")["Location"] == "/accounts/login/?next=/integrations/"


def test_a_superuser_needs_no_group(admin: User, alias: Alias) -> None:
    assert "Northwind CRM" in walks.words(client_of(admin).get("/integrations/"))


@pytest.mark.slow
def test_an_alias_of_a_group_is_its_members(as_amira: Client, amira: User, bob: User, alias: Alias) -> None:
    finance = Group.objects.create(name="Finance")
    alias.groups.add(finance, Group.objects.create(name="Law"))
    assert "Northwind CRM" not in walks.words(as_amira.get("/integrations/"))
    assert as_amira.get(f"/integrations/{alias.hex}/").status_code == 404
    amira.groups.add(finance)
    assert walks.cards(walks.words(as_amira.get("/integrations/")))[AVAILABLE] == ["Northwind CRM"]
    assert "Northwind CRM" not in walks.words(client_of(bob).get("/integrations/"))


def test_system_aliases_are_not_on_anybodys_page(as_amira: Client, registry: ApplicationRegistry) -> None:
    alias = cast.integration_at(registry, integration_type="system")
    assert "Northwind CRM" not in walks.words(as_amira.get("/integrations/"))
    assert as_amira.get(f"/integrations/{alias.hex}/").status_code == 404


# The page -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(amira: User, registry: ApplicationRegistry) -> Callable[[int], None]:
    """So many integrations; every other one connected, every third one revoked."""

    def make(count: int) -> None:
        for number in range(count):
            alias = cast.integration_at(registry, name=f"n{number:02}", label=f"Number {number:02}")
            if number % 2 == 0:
                cast.signed_in(amira, alias)
            elif number % 3 == 0:
                cast.signed_in(amira, alias).end(reason="revoked", by_the_person=True)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 60])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_page_asks_the_database_a_fixed_number_of_times(
    count: int,
    headers: dict[str, str],
    many: Callable[[int], None],
    as_amira: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    many(count)
    with django_assert_max_num_queries(
        5 + 5
    ):  # ours, and session, person, admission, permissions of the person and the groups
        page = walks.words(as_amira.get("/integrations/?all=my&all=available", headers=headers))
    assert sum(map(len, walks.cards(page).values())) == count


@pytest.mark.slow
def test_details_cost_the_same_for_any_number(
    many: Callable[[int], None], as_amira: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    many(20)
    place = f"/integrations/{Alias.objects.all()[0].hex}/"
    with django_assert_max_num_queries(7 + 6):  # two more tell what uses it
        as_amira.get(place)


def test_cards_keep_their_alphabetical_order(as_amira: Client, registry: ApplicationRegistry) -> None:
    for name, label in (("c", "beta"), ("b", "Alpha"), ("a", "Ähre"), ("z", "alpha"), ("d", "")):
        cast.integration_at(registry, name=name, label=label)
    assert walks.cards(walks.words(as_amira.get("/integrations/")))[AVAILABLE] == [
        "Ähre",
        "Alpha",
        "alpha",
        "beta",
        "d",
    ]


def test_an_empty_page_says_whose_turn_it_is(as_amira: Client, admin: User, db: None) -> None:
    page = walks.words(as_amira.get("/integrations/"))
    assert "Your administrator has set up no integrations yet." in page
    assert "Set one up" not in page
    assert "Set one up" in walks.words(client_of(admin).get("/integrations/"))


def test_empty_sections_say_what_to_do(amira: User, as_amira: Client, alias: Alias) -> None:
    assert "Pick an integration below and authenticate." in walks.words(as_amira.get("/integrations/"))
    cast.signed_in(amira, alias)
    assert "Missing one? Ask your administrator" in walks.words(as_amira.get("/integrations/"))


def test_attention_is_called_to_what_the_person_can_mend(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    cast.signed_in(amira, cast.integration_at(registry, name="good"))
    cast.signed_in(amira, cast.integration_at(registry, name="dead", label="Dead"), state="needs_reauth")
    cast.signed_in(amira, cast.integration_at(registry, name="soon", label="Soon"), expires_in=60, refresh_token="")
    page = walks.words(as_amira.get("/integrations/"))
    strip = re.findall(r"<aside.*?</aside>", page, re.DOTALL)[0]
    assert "2 integrations need you" in strip
    assert re.findall(r'href="#c-(\w+)"', strip) == ["dead", "soon"]


@pytest.mark.parametrize(
    ("query", "found"), [("north", 1), ("CRM", 1), (" crm ", 1), ("x", 0), ("<b>", 0), ("", 2), ("%", 0), ("\x00", 0)]
)
def test_the_search_looks_at_titles(
    query: str, found: int, as_amira: Client, registry: ApplicationRegistry, alias: Alias
) -> None:
    cast.integration_at(registry, name="other", label="Orchard")
    page = walks.words(as_amira.get("/integrations/", {"q": query}))
    assert sum(map(len, walks.cards(page).values())) == found
    assert "<b>" not in page
    assert ("No match for" in page) == (found == 0)


def test_htmx_gets_the_part_that_moves(as_amira: Client, alias: Alias) -> None:
    part = walks.words(as_amira.get("/integrations/", headers=HTMX))
    assert part.lstrip().startswith('<div id="integrations"')
    assert "<html" not in part
    assert walks.cards(part)[AVAILABLE] == ["Northwind CRM"]


@pytest.mark.slow
def test_htmx_gets_nothing_while_nothing_changes(amira: User, as_amira: Client, alias: Alias) -> None:
    page = walks.words(as_amira.get("/integrations/"))
    etag = re.findall(r'"If-None-Match": "(.*?)"}', page)[0].encode().decode("unicode_escape")
    unchanged = as_amira.get("/integrations/", headers={**HTMX, "If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    cast.signed_in(amira, alias)
    assert as_amira.get("/integrations/", headers={**HTMX, "If-None-Match": etag}).status_code == 200


def test_starting_is_a_plain_link_that_the_policy_lets_leave(as_amira: Client, alias: Alias) -> None:
    """A form that is answered by a redirect to the provider would be stopped by `form-action 'self'`."""
    page = walks.words(as_amira.get("/integrations/"))
    link = re.findall(r'<a [^>]*id="c-northwind-authenticate"[^>]*>', page)[0]
    assert "/oauth_initiator.do?" in link
    assert 'target="keyrack-connect"' in link
    assert "hx-" not in link
