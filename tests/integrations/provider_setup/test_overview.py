"""The overview of providers: states from the sources of doctor and checks, counts that agree with cards."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.audit import log
from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, OAuthEntityProfile, Token
from integrations.models.tokens.token import usable_tokens
from integrations.provider_setup import doctor, overview
from integrations.provider_setup.overview import Problem, Provider
from tests import cast

pytestmark = pytest.mark.django_db

SERVER = "https://northwind.example"


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at(SERVER)


@pytest.fixture
def northwind(registry: ApplicationRegistry) -> Alias:
    return cast.integration_at(registry)


def only_provider() -> Provider:
    (provider,) = overview.read_providers()
    return provider


def only_problem() -> Problem:
    (problem,) = overview.find_problems(overview.read_providers())
    return problem


def update(**values: Any) -> Callable[[], object]:
    return lambda: ApplicationRegistry.objects.update(**values)


def refuse(code: str, use: str = "tokens", reason: str = "") -> Callable[[], object]:
    at = timezone.now()
    return update(misconfigured_code=code, misconfigured_use=use, misconfigured_reason=reason, misconfigured_at=at)


# States ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrange", "state"),
    [
        (lambda: None, "ready"),
        (refuse("invalid_client"), "misconfigured"),
        (refuse("invalid_client", "revocation"), "misconfigured"),
        (update(token_url="ftp://northwind.example"), "misconfigured"),
        (update(client_secret=None), "half"),
        (update(authorization_url=""), "half"),
        (lambda: HttpConnection.objects.update(active=False), "half"),
        (lambda: HttpConnection.objects.update(credential=None), "half"),
        (update(down_since=timezone.now(), failing_url=f"{SERVER}/token"), "down"),
        (update(active=False), "off"),
        (lambda: OAuth2Credential.objects.update(active=False), "off"),
        (lambda: Alias.objects.update(active=False, inactive_reason="Moving"), "off"),
    ],
)
def test_each_state_comes_from_the_rows(arrange: Callable[[], object], state: str, northwind: Alias) -> None:
    arrange()
    states = {provider.state.key for provider in overview.read_providers()}
    assert state in states
    assert states <= {state, "half"}  # a registry and its alias that lost each other are two rows


@pytest.mark.parametrize(
    "arrange",
    [update(client_secret=None), update(authorization_url=""), refuse("invalid_client"), update(token_url="ftp://a")],
)
def test_what_the_overview_calls_wrong_the_doctor_does_too(arrange: Callable[[], object], northwind: Alias) -> None:
    arrange()
    findings = list(doctor.records.check_registry(ApplicationRegistry.objects.get()))
    assert only_provider().state.is_problem
    assert any(finding.whose == doctor.Whose.ADMINISTRATOR for finding in findings)


def test_a_check_of_the_database_warns_of_the_half_set_up(northwind: Alias, capsys: pytest.CaptureFixture[str]) -> None:
    HttpConnection.objects.update(active=False)
    (problem,) = [each for each in overview.find_problems(overview.read_providers()) if each.about.registry is None]
    assert problem.sentence.values["missing"] == "It has no active connection with a credential, so nobody can use it."
    call_command("check", databases=["default"])
    assert "keyrack.W020" in capsys.readouterr().err


def test_people_who_have_not_confirmed_a_new_address_are_counted(northwind: Alias, admin: User) -> None:
    people = [cast.person(f"person{number}") for number in range(3)]
    for person in people:
        cast.signed_in(person, northwind)
    assert only_provider().state.key == "ready"
    with log.attributed_to(admin, ""):
        row = northwind.connections.get()
        row.connection_url = "https://elsewhere.example/api"
        row.save()
    provider = only_provider()
    assert (provider.state.key, provider.moved.unconfirmed) == ("new_address", 3)
    token = Token.objects.get(user=people[0])
    token.agreed = {**(token.agreed or {}), "connections": ["https://elsewhere.example/api"]}
    token.save()
    assert only_provider().reason == "2 of 3 still to confirm"
    assert only_problem().sentence.values["who"] == "admin"
    assert only_problem().sentence.values["address"] == "https://elsewhere.example"


def test_nobody_has_to_confirm_the_address_of_another_credential(registry: ApplicationRegistry, amira: User) -> None:
    aliases = [
        cast.integration_at(registry, name="crm", connection_url="https://crm.example"),
        cast.integration_at(registry, name="mail", connection_url="https://mail.example"),
    ]
    for alias in aliases:
        cast.signed_in(amira, alias)
    ApplicationRegistry.objects.update(moved_at=timezone.now())
    assert only_provider().moved.unconfirmed == 0
    HttpConnection.objects.filter(alias=aliases[0]).update(connection_url="https://elsewhere.example")
    assert only_provider().moved.unconfirmed == 1
    shared = {"credential": aliases[0].effective_credential, "connection_url": "https://crm.example"}
    HttpConnection.objects.filter(alias=aliases[1]).update(**shared)  # she may be one who uses this one alone
    assert only_provider().moved.unconfirmed == 0


# People ---------------------------------------------------------------------------------------------------------------

AGO, AHEAD = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)


@pytest.mark.parametrize("state", ["valid", "needs_reauth"])
@pytest.mark.parametrize("expires_at", [None, AGO, AHEAD])
@pytest.mark.parametrize("refresh_token", ["", "CANARY-refresh-1"])
@pytest.mark.parametrize("failure_code", ["", "invalid_grant"])
@pytest.mark.parametrize("refresh_end", [(None, ""), (AGO, "known"), (AGO, ""), (AGO, "entered"), (AHEAD, "known")])
def test_the_count_agrees_with_the_card(
    northwind: Alias, amira: User, state: str, expires_at: Any, refresh_token: str, failure_code: str, refresh_end: Any
) -> None:
    token = cast.signed_in(amira, northwind, state=state, refresh_token=refresh_token, failure_code=failure_code)
    ends_at, expiry = refresh_end
    Token.objects.update(expires_at=expires_at, refresh_expires_at=ends_at, refresh_expiry=expiry)
    token = Token.objects.get()
    assert Token.objects.filter(usable_tokens(timezone.now())).exists() == token.is_valid
    people = only_provider().people
    assert (people.connected, people.must_sign_in) == ((1, 0) if token.is_valid else (0, 1))


def test_deactivated_people_and_the_system_are_not_people(registry: ApplicationRegistry, amira: User) -> None:
    personal = cast.integration_at(registry)
    cast.signed_in(amira, personal, last_used_at=AGO)
    assert only_provider().people.connected == 1
    assert only_provider().people.last_call == AGO
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert only_provider().people.total == 0
    system = cast.integration_at(registry, name="system", integration_type="system")
    cast.signed_in(None, system)  # type: ignore[arg-type]  # the system has no user
    people = only_provider().people
    assert (people.total, people.of_system) == (0, 1)


def test_a_token_for_client_credentials_counts_after_its_end_because_another_is_requested(
    registry: ApplicationRegistry,
) -> None:
    system = cast.integration_at(registry, name="system", integration_type="system")
    token = cast.signed_in(
        None,  # type: ignore[arg-type]  # the system has no user
        system,
        refresh_token="",
        expires_at=timezone.now() - timedelta(minutes=1),
    )
    assert not token.is_valid
    assert only_provider().people.of_system == 0
    OAuthEntityProfile.objects.update(grant_type="client_credentials")
    assert Token.objects.get().is_valid
    assert only_provider().people.of_system == 1


# Problems -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "label", "field"),
    [
        ("invalid_client", "Replace the secret", "client_secret"),
        ("redirect_uri_mismatch", "Copy the Redirect URL", "redirect_url"),
        ("invalid_scope", "Choose the scopes", "scopes"),
        ("other_issuer", "Correct the Issuer", "issuer"),
        ("some_code_of_theirs", "Open its set-up", ""),
    ],
)
def test_the_one_thing_to_do_follows_from_the_code(code: str, label: str, field: str, northwind: Alias) -> None:
    refuse(code, reason="Their own words.")()
    problem = only_problem()
    assert problem.action
    assert problem.action.label == label
    anchor = {"": "", "scopes": "scopes-group"}.get(field, f"id_{field}")
    assert problem.action.url.partition("#")[2] == anchor
    assert problem.words == f"{code}: Their own words."


def test_the_worst_comes_first_and_then_what_hits_most_people(amira: User, bob: User) -> None:
    def provider(name: str, *people: User, **values: Any) -> None:
        registry = cast.registry_at(SERVER, name=name)
        alias = cast.integration_at(registry, name=name)
        for person in people:
            cast.signed_in(person, alias)
        ApplicationRegistry.objects.filter(pk=registry.pk).update(**values)

    now = timezone.now()
    provider("down", amira, bob, down_since=now)
    provider("half", client_secret=None)
    provider("few", amira, misconfigured_code="invalid_client", misconfigured_at=now, misconfigured_use="tokens")
    provider("many", amira, bob, misconfigured_code="invalid_client", misconfigured_at=now, misconfigured_use="tokens")
    problems = overview.find_problems(overview.read_providers())
    assert [problem.about.name for problem in problems] == ["many", "few", "half", "down"]


def test_email_is_claimed_only_if_it_was_sent(northwind: Alias) -> None:
    refuse("invalid_client")()
    assert not only_problem().note
    ApplicationRegistry.objects.update(alerted_at=timezone.now())
    assert "got an email" in only_problem().note.text


# Two hundred ----------------------------------------------------------------------------------------------------------


def set_up_many(count: int, people: list[User]) -> None:
    """As many complete providers, without the signals that would take most of the time."""
    start = ApplicationRegistry.objects.count()
    registries = [
        ApplicationRegistry(
            name=f"Provider {number:03}",
            client_id="keyrack",
            send_credentials="none",
            authorization_url=f"https://host{number}.example/authorize",
            token_url=f"https://host{number}.example/token",
            moved_at=timezone.now(),
        )
        for number in range(start, start + count)
    ]
    ApplicationRegistry.objects.bulk_create(registries)
    profiles = OAuthEntityProfile.objects.bulk_create(
        OAuthEntityProfile(registry=row, name="Default") for row in registries
    )
    credentials = OAuth2Credential.objects.bulk_create(
        OAuth2Credential(name=row.registry.name, profile=row, integration_type="personal") for row in profiles
    )
    aliases = Alias.objects.bulk_create(
        Alias(name=row.name.lower().replace(" ", "_"), label=row.name) for row in credentials
    )
    HttpConnection.objects.bulk_create(
        HttpConnection(alias=alias, name=alias.name, credential=credential, connection_url="https://api.example")
        for alias, credential in zip(aliases, credentials, strict=True)
    )
    Token.objects.bulk_create(
        Token(user=person, credential=credential, integration_type="personal", agreed={})
        for credential in credentials
        for person in people
    )


@pytest.mark.slow
def test_two_hundred_providers_take_as_many_queries_as_two(amira: User, bob: User) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            providers = overview.read_providers()
            overview.find_problems(providers)
            overview.list_providers(providers)
            overview.read_health()
        return len(captured)

    set_up_many(2, [amira, bob])
    few = count_queries()
    set_up_many(198, [amira, bob])
    assert count_queries() == few <= 11
    listing = overview.list_providers(overview.read_providers(), page="4")
    assert (listing.total, len(listing.page.object_list), listing.page.paginator.num_pages) == (200, 50, 4)


@pytest.mark.parametrize("words", ["nórthwind", "CRM north", "northwind.example crm", "ready northwind", "  "])
def test_words_are_found_in_any_order_without_accents_and_case(words: str, northwind: Alias) -> None:
    cast.registry_at("https://other.example", name="Other")
    listing = overview.list_providers(overview.read_providers(), words=words)
    assert "Northwind" in [row.name for row in listing.page.object_list]
    assert listing.matching == (2 if not words.strip() else 1)


def test_filters_count_what_the_search_matches(northwind: Alias) -> None:
    cast.registry_at("https://other.example", name="Northwind half")
    listing = overview.list_providers(overview.read_providers(), words="northwind", group="fix")
    assert [row.name for row in listing.page.object_list] == ["Northwind half"]
    assert {group: count for group, _label, count in listing.filters} == {"fix": 1, "ready": 1, "drafts": 0, "off": 0}


def test_the_groups_of_people_change_nothing(northwind: Alias) -> None:
    northwind.groups.add(Group.objects.create(name="Finance"))
    assert only_provider().state.key == "ready"
