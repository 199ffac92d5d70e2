"""A dashboard of hundreds: what is searched for is found, what is shown is limited, and what was chosen stays."""

import re

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias
from integrations.models.card import search
from integrations.models.registry import ApplicationRegistry
from integrations.views import listing
from tests import cast, walks
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

MINE, AVAILABLE = "My Integrations", "Integrations I can use"
LIMIT = 100 * 1024


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at("https://northwind.example")


def several(user: User, registry: ApplicationRegistry) -> None:
    """Six integrations that differ in all that a search looks at."""
    made = {
        "cafe": ("Café Müller", "Orders and invoices"),
        "delta": ("Delta Sheets", "Spreadsheets"),
        "tokyo": ("カレンダー", "Calendar of the Tokyo office"),
        "fax": ("Fax", "Connected by telephone"),
        "grove": ("Grove", "Notes"),
        "zeta": ("Zeta", "Payroll"),
    }
    rows = {
        name: cast.integration_at(registry, name=name, label=label, description=words, scopes=(f"{name}.read",))
        for name, (label, words) in made.items()
    }
    cast.signed_in(user, rows["delta"], account_label="amira@northwind.example", scopes=["sheets.write"])
    cast.signed_in(user, rows["grove"], state="needs_reauth")


def crowd(user: User, registry: ApplicationRegistry, *, mine: int = 38, others: int = 172) -> None:
    for number in range(mine + others):
        label = f"{chr(65 + number % 26)}{'abcdefghi'[number % 9]} Integration of a department {number:03}"
        alias = cast.integration_at(registry, name=f"alias_{number:03}", label=label, scopes=("read", "write"))
        if number < mine:
            cast.signed_in(user, alias, account_label=f"amira.haddad.{number}@northwind.example")


def titles(client: Client, **parameters: str) -> list[str]:
    return [
        title
        for found in walks.cards(walks.words(client.get("/integrations/", parameters))).values()
        for title in found
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("cafe", ["Café Müller"]),
        ("MULLER café", ["Café Müller"]),
        ("invoices muller", ["Café Müller"]),
        ("northwind.example amira sheets.write", ["Delta Sheets"]),
        ("zeta.read", ["Zeta"]),
        ("ｶﾚﾝﾀﾞｰ", ["カレンダー"]),
        ("connected", ["Delta Sheets"]),
        ("conn delta", ["Delta Sheets"]),
        ("not connected", ["Café Müller", "Fax", "Zeta", "カレンダー"]),
        ("payroll NOT Connected", ["Zeta"]),
        ("again", ["Grove"]),
        ("sign in again notes", ["Grove"]),
        ("connected zeta", []),
        ("delta grove", []),
        ("%", []),
        ("\x00", []),
    ],
)
def test_words_find_in_any_order_whatever_the_accents(
    amira: User, as_amira: Client, registry: ApplicationRegistry, query: str, found: list[str]
) -> None:
    several(amira, registry)
    assert sorted(titles(as_amira, q=query)) == sorted(found)


def test_words_without_a_result_say_which_of_them_have_one(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    several(amira, registry)
    page = walks.words(as_amira.get("/integrations/", {"q": "payrol delta connected"}))
    assert "Nothing matches all of “payrol delta connected”" in page
    assert "“delta connected” has 1 result" in page
    assert "“payrol delta” has" not in page
    assert 'href="/integrations/?q=delta+connected"' in page


@pytest.mark.slow
def test_filters_narrow_by_section_and_state_and_count(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    several(amira, registry)
    assert titles(as_amira, show="my") == ["Delta Sheets"]
    assert titles(as_amira, show="attention") == ["Grove"]
    assert titles(as_amira, state="needs_reauth") == ["Grove"]
    assert titles(as_amira, q="calendar", show="available", state="not_connected") == ["カレンダー"]
    assert len(titles(as_amira, show="nonsense", state="<b>")) == 6
    page = walks.words(as_amira.get("/integrations/?q=e"))
    assert 'value="not_connected">Not connected (' in page
    assert 'href="/integrations/?q=e&amp;show=my"' in page


@pytest.mark.slow
def test_two_hundred_are_one_small_page_with_the_rest_on_demand(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    crowd(amira, registry)
    response = as_amira.get("/integrations/")
    assert len(response.content) <= LIMIT
    page = walks.words(response)
    shown = walks.cards(page)
    assert (len(shown[MINE]), len(shown[AVAILABLE])) == (12, 75)
    assert "Show the other 26" in page
    assert "Show the other 97" in page
    assert 'href="/integrations/?all=available#l-Z"' in page
    whole = walks.cards(walks.words(as_amira.get("/integrations/?all=my&all=available")))
    assert (len(whole[MINE]), len(whole[AVAILABLE])) == (38, 172)
    assert shown[MINE] == whole[MINE][:12]
    User.objects.update(dashboard_view="cards")
    assert len(as_amira.get("/integrations/").content) <= LIMIT


@pytest.mark.slow
def test_rows_begin_at_twenty_five_and_cards_stay_by_choice(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    crowd(amira, registry, mine=2, others=22)
    assert '<article class="card' in walks.words(as_amira.get("/integrations/"))
    crowd_alias = cast.integration_at(registry, name="one_more", label="One more")
    page = walks.words(as_amira.get("/integrations/"))
    assert '<article class="card' not in page
    assert f'href="/integrations/{crowd_alias.hex}/"' in page
    assert as_amira.post("/integrations/view/", {"view": "cards"})["Location"] == "/integrations/"
    elsewhere = client_of(amira)
    assert '<article class="card' in walks.words(elsewhere.get("/integrations/"))
    as_amira.post("/integrations/view/", {"view": "<b>"})
    assert User.objects.get().dashboard_view == "cards"


@pytest.mark.slow
def test_what_needs_the_person_is_never_folded_away(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    crowd(amira, registry, mine=30, others=0)
    cast.integration_at(registry, name="zz_dead", label="Zz dead")
    alias = cast.integration_at(registry, name="zz_soon", label="Zz soon")
    cast.signed_in(amira, alias, expires_in=60, refresh_token="")
    shown = walks.cards(walks.words(as_amira.get("/integrations/")))[MINE]
    assert len(shown) == 13
    assert shown[-1] == "Zz soon"


@pytest.mark.slow
def test_an_action_keeps_what_its_page_showed(amira: User, as_amira: Client, registry: ApplicationRegistry) -> None:
    crowd(amira, registry, mine=20, others=10)
    alias = Alias.objects.get(name="alias_003")
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/integrations/?q=alias_00&all=my"}
    part = walks.words(as_amira.post(f"/integrations/{alias.hex}/revoke/", headers=headers))
    shown = walks.cards(part)
    assert (len(shown[MINE]), len(shown[AVAILABLE])) == (9, 1)


@pytest.mark.parametrize(
    ("title", "letter"),
    [("Ähre", "A"), ("zeta", "Z"), ("9 lives", "#"), ("~", "#"), ("", "#"), ("カレンダー", "か"), ("がっこう", "か"),
     ("ｶﾒﾗ", "か"), ("ぱん", "は"), ("んだ", "わ"), ("Øre", "Ø"), ("Журнал", "Ж"), ("ß", "S")],
)  # fmt: skip
def test_letters_are_the_readers(title: str, letter: str) -> None:
    assert search.letter_of(title) == letter


def test_letters_follow_the_order_of_the_rows(amira: User, as_amira: Client, registry: ApplicationRegistry) -> None:
    for number, label in enumerate(["b", "Ä", "カメラ", "7up", "がっこう", "Zoo", "ö"] * 4):
        cast.integration_at(registry, name=f"n{number}", label=f"{label} {number}")
    page = walks.words(as_amira.get("/integrations/"))
    assert re.findall(r"<h3>(.)</h3>", page) == ["A", "B", "O", "Z", "か", "#"]
    assert listing.ROWS_FROM == 25


def test_the_slash_key_is_a_choice_that_stays(amira: User, as_amira: Client, registry: ApplicationRegistry) -> None:
    several(amira, registry)
    cast.integration_at(registry, name="seventh", label="Seventh")
    assert "data-slash" in walks.words(as_amira.get("/integrations/"))
    assert 'name="slash_searches" checked' in walks.words(as_amira.get("/integrations/keys/"))
    as_amira.post("/integrations/keys/")
    assert "data-slash" not in walks.words(as_amira.get("/integrations/"))
