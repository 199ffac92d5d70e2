"""The table of states: which section a card is in, what it says, and what is not shown at all."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import get_template
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, HttpConnection, Renewal, Revocation, Token
from integrations.models.card import STATES, Integration, State, integrations_of
from integrations.models.card.parts import Case
from integrations.models.registry import ApplicationRegistry, Use
from integrations.templatetags.cards import filled
from tests import cast, walks

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

MINE, AVAILABLE = "My Integrations", "Integrations I can use"


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at("https://northwind.example")


@pytest.fixture
def alias(registry: ApplicationRegistry) -> Alias:
    return cast.integration_at(registry)


def nothing(user: User, alias: Alias) -> None:
    pass


def stale_attempt(user: User, alias: Alias) -> None:
    walks.under_way(user, alias, expires_at=timezone.now() - timedelta(seconds=1))


def token(**fields: Any) -> Callable[[User, Alias], Token]:
    return lambda user, alias: cast.signed_in(user, alias, **fields)


def revocation(**fields: Any) -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        cast.signed_in(user, alias).end(reason="revoked", by_the_person=True)
        Revocation.objects.update(**fields)

    return arrange


def off(then: Callable[[User, Alias], object]) -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        then(user, alias)
        Alias.objects.update(active=False, inactive_reason="Moving house")

    return arrange


def down(then: Callable[[User, Alias], object]) -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        then(user, alias)
        since = timezone.now() - timedelta(minutes=5)
        url = "https://northwind.example/token"
        ApplicationRegistry.objects.update(failures=3, down_since=since, failing_url=url)

    return arrange


def moved(then: Callable[[User, Alias], object]) -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        then(user, alias)
        HttpConnection.objects.update(connection_url="https://elsewhere.example/api")

    return arrange


def misconfigured(then: Callable[[User, Alias], object], use: str = "tokens") -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        then(user, alias)
        ApplicationRegistry.objects.get().note_misconfigured("invalid_client", use=Use(use))

    return arrange


def not_renewed(then: Callable[[User, Alias], Token], kind: str = "unexplained") -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        stored = then(user, alias)
        Renewal(token_id=stored.pk, version=stored.version, outcome="failed", kind=kind).save()

    return arrange


def both(*steps: Callable[[User, Alias], object]) -> Callable[[User, Alias], None]:
    def arrange(user: User, alias: Alias) -> None:
        for step in steps:
            step(user, alias)

    return arrange


DAY = 86400
LONG_AGO = timezone.now() - timedelta(days=90)
EXPIRED = {"expires_in": -60, "refresh_token": ""}


@pytest.mark.parametrize(
    ("arrange", "state", "section"),
    [
        (nothing, "not_connected", AVAILABLE),
        (walks.under_way, "connecting", AVAILABLE),
        (both(token(), walks.under_way), "connecting", MINE),
        (stale_attempt, "not_connected", AVAILABLE),
        (token(), "connected", MINE),
        (token(expires_in=None, refresh_token=""), "connected", MINE),
        (token(expires_in=-60), "connected", MINE),  # a refresh token can renew it
        (token(expires_in=60), "connected", MINE),  # no alarm about an hour's token that renews itself
        (token(expires_in=60 * DAY, refresh_token=""), "connected", MINE),
        (
            token(expires_in=6 * DAY, refresh_token="", signed_in_at=timezone.now() - 90 * timedelta(days=1)),
            "expiring",
            MINE,
        ),
        (token(expires_in=600, refresh_token=""), "expiring", MINE),
        (token(**EXPIRED), "needs_reauth", AVAILABLE),
        (
            token(expires_in=-60, refresh_expires_at=timezone.now() - timedelta(1), refresh_expiry="known"),
            "needs_reauth",
            AVAILABLE,
        ),
        (token(state="needs_reauth"), "needs_reauth", AVAILABLE),
        (token(state="needs_reauth", expires_in=None), "needs_reauth", AVAILABLE),
        (revocation(), "revoking", AVAILABLE),
        (revocation(pursued_since=timezone.now() - timedelta(seconds=61)), "revoke_failed", AVAILABLE),
        (revocation(state="failed"), "revoke_failed", AVAILABLE),
        (both(revocation(state="failed"), walks.under_way), "connecting", AVAILABLE),
        (revocation(dismissed_at=timezone.now()), "not_connected", AVAILABLE),
        (revocation(state="confirmed"), "not_connected", AVAILABLE),
        (revocation(state="superseded"), "not_connected", AVAILABLE),
        (revocation(by_the_person=False), "not_connected", AVAILABLE),
        (down(token()), "provider_down", MINE),
        (down(token(expires_in=600, refresh_token="")), "provider_down", MINE),
        (down(token(state="needs_reauth")), "needs_reauth", AVAILABLE),
        (down(nothing), "not_connected", AVAILABLE),
        (down(revocation()), "revoking", AVAILABLE),
        (moved(token()), "address_changed", MINE),
        (down(moved(token())), "address_changed", MINE),
        (moved(token(**EXPIRED)), "needs_reauth", AVAILABLE),
        (off(moved(token())), "disabled", MINE),
        (misconfigured(token()), "misconfigured", MINE),
        (misconfigured(token(expires_in=-60)), "misconfigured", MINE),
        (misconfigured(token(expires_in=60 * DAY, refresh_token="")), "connected", MINE),  # nothing to renew
        (misconfigured(token(state="needs_reauth")), "needs_reauth", AVAILABLE),
        (misconfigured(nothing), "not_connected", AVAILABLE),
        (misconfigured(down(token())), "provider_down", MINE),
        (misconfigured(token(), use="sign_in"), "connected", MINE),  # of which renewals know nothing
        (misconfigured(token(), use="revocation"), "connected", MINE),
        (off(misconfigured(token())), "disabled", MINE),
        (not_renewed(token(expires_in=-60)), "not_renewed", MINE),
        (not_renewed(token(expires_in=-60), kind="unreachable"), "not_renewed", MINE),
        (not_renewed(token(expires_in=-60), kind="misconfigured"), "connected", MINE),  # mended since
        (not_renewed(token(expires_in=60)), "connected", MINE),  # it works meanwhile
        (down(not_renewed(token(expires_in=-60))), "provider_down", MINE),
        (misconfigured(not_renewed(token(expires_in=-60))), "misconfigured", MINE),
        (not_renewed(token(state="needs_reauth")), "needs_reauth", AVAILABLE),
        (off(down(token())), "disabled", MINE),
        (off(token()), "disabled", MINE),
        (off(token(**EXPIRED)), "disabled", AVAILABLE),
        (off(both(token(), walks.under_way)), "disabled", MINE),
    ],
)
def test_each_state_has_its_section_and_its_words(
    arrange: Callable[[User, Alias], object],
    state: str,
    section: str,
    amira: User,
    as_amira: Client,
    alias: Alias,
) -> None:
    arrange(amira, alias)
    page = walks.words(as_amira.get("/integrations/"))
    assert walks.cards(page) == {MINE: [], AVAILABLE: [], section: ["Northwind CRM"]}
    assert walks.state_on(page) == state
    (integration,) = integrations_of(amira)
    assert integration.badge in page
    assert integration.is_token_valid == (section == MINE and state not in ("disabled", "address_changed"))
    detail = as_amira.get(f"/integrations/{alias.hex}/")
    assert integration.badge in walks.words(detail)
    assert ('hx-trigger="every 2s' in page) == (state in ("connecting", "revoking"))
    assert ("Sign-in" in page or "needs you" in page) == (
        state in ("expiring", "needs_reauth", "revoke_failed", "address_changed")
    )


def test_the_table_of_states_covers_all() -> None:
    rows = test_each_state_has_its_section_and_its_words.pytestmark  # type: ignore[attr-defined]
    states = {state for _, state, _ in rows[0].args[1]}
    assert states == {str(state) for state in State}
    assert list(STATES) == list(State)


def test_all_texts_and_controls_of_a_state_can_be_shown(amira: User, alias: Alias) -> None:
    """Those of rare cases as well: each value that a text contains is known, each condition is a property."""
    everything = cast_everything(amira, alias)
    for row in STATES.values():
        notes = [row.note] if row.note else []
        choices = [each if isinstance(each, tuple) else (Case(text=each),) for n in notes for each in n.sentences]
        cases = [case for choice in choices for case in choice]
        actions = [*row.actions, *([row.aside] if row.aside else [])]
        texts = [case.text for case in cases] + [note.when_back for note in notes] + [row.attention, row.progress]
        for text in texts:
            assert "%(" not in filled(text, everything)
        for name in [name for part in [*cases, *actions] for name in part.when]:
            assert isinstance(vars_of(Integration)[name], property | cached_property), name
        for action in actions:
            get_template(action.template)  # raises if there is none
            assert not action.view or reverse(action.view, args=[alias.hex])


def cast_everything(user: User, alias: Alias) -> Integration:
    """The same card with all that a card can have, though never at the same time."""
    stored = cast.signed_in(user, alias)
    moved(nothing)(user, alias)
    (held,) = integrations_of(user)
    return replace(held, attempt=walks.under_way(user, alias), revocation=stored.end(reason="revoked"))


def vars_of(kind: type) -> dict[str, object]:
    return {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}


COMPARISON = re.compile(r"\bstate\b\s*(==|!=|in\b|not\b|is\b)|(==|!=)\s*\S*\.state\b")


def test_no_template_compares_a_state() -> None:
    templates = {path: path.read_text() for path in Path("templates").rglob("*.html")}
    tags = [(path, tag) for path, text in templates.items() for tag in re.findall(r"{%.*?%}", text)]
    assert len(tags) > 1000
    assert not [(path, tag) for path, tag in tags if COMPARISON.search(tag)]


def test_only_the_card_names_its_states() -> None:
    """A module that names a state has to be changed with it; the row has an attribute for what it wants to know."""
    names = re.compile(r"(?<![A-Za-z])State\.[A-Z]")
    modules = {str(path) for path in Path("integrations").rglob("*.py") if names.search(path.read_text())}
    card = "integrations/models/card"
    assert modules == {f"{card}/states.py", f"{card}/integration.py", f"{card}/search.py"}


@pytest.mark.parametrize("arrange", [off(nothing), off(walks.under_way), off(revocation())])
def test_what_is_off_and_holds_nothing_is_not_shown(
    arrange: Callable[[User, Alias], object], amira: User, as_amira: Client, alias: Alias
) -> None:
    arrange(amira, alias)
    assert "Northwind" not in walks.words(as_amira.get("/integrations/"))
    assert as_amira.get(f"/integrations/{alias.hex}/").status_code == 404


def test_what_is_off_says_why_and_offers_to_revoke_only(amira: User, as_amira: Client, alias: Alias) -> None:
    off(token())(amira, alias)
    page = walks.words(as_amira.get("/integrations/"))
    assert "Turned off by an administrator" in page
    assert "“Moving house”" in page
    assert "Your token is kept but not used." in page
    assert 'id="c-northwind-revoke"' in page
    assert "oauth_initiator.do" not in page
    assert "needs you" not in page
