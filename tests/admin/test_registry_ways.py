"""What the form of an application registry says of a provider's ways that could not work."""

import json

import pytest
from django.test import Client

from accounts.audit.models import Event
from integrations.models import ApplicationRegistry
from tests.admin.forms import Page, complaints, opened, submitted
from tests.admin.test_registries import AGAIN, page_of, stored

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("label", "text", "sentence"),
    [
        ("Token parameters", '{"code": "x"}', "Keyrack sets this itself: code."),
        ("Token parameters", '{"expires_in": 1800}', "a JSON object of texts"),
        ("Headers of calls", '{"X": "{client_secret}"}', "The header X cannot hold {client_secret}"),
        ("Userinfo request", '{"method": "PUT"}', "“method” is one of GET, POST."),
        ("Client ID", "a\tb", "one line, without control characters"),
        ("Refresh URL", "northwind.example/refresh", "https://"),
        ("Provider’s ways", '{\n  "rules": [\n    {"means": ,}]}', "This isn’t valid JSON: line 3, column 15."),
        ("Provider’s ways", '{"a": ' + "[" * 5000, "valid JSON"),
        ("Provider’s ways", '["rules"]', "A provider profile is a JSON object"),
        ("Provider’s ways", '{"rules": [{"means": "wait"}, {"means": "over"}]}', "rules[1].means"),
        ("Provider’s ways", '{"callbacks": {}}', "callbacks"),
    ],
)
def test_a_way_that_could_not_work_is_refused_at_its_field(
    label: str, text: str, sentence: str, as_admin: Client, registry: ApplicationRegistry
) -> None:
    response = submitted(as_admin, page_of(registry), {label: text, "Client Secret": "known"})
    assert [text for text in complaints(response) if sentence in text]
    before, after = stored(registry), registry
    for name in (
        "client_id",
        "token_parameters",
        "call_headers",
        "userinfo_request",
        "refresh_url",
        "provider_profile",
    ):
        assert getattr(before, name) == getattr(after, name)


WAYS = {"rules": [{"request": "refresh", "status": 400, "means": "wait"}], "limits": {"renewals": 10, "seconds": 600}}


def test_the_ways_of_a_provider_are_shown_indented_and_stored_as_they_are(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    assert not complaints(submitted(as_admin, page_of(registry), {"Provider’s ways": json.dumps(WAYS)}))
    assert stored(registry).provider_profile == WAYS
    page = opened(as_admin, page_of(registry))
    assert page.fields["provider_profile"][0].strip() == json.dumps(WAYS, indent=2)
    assert "docs/provider-profiles.md" in page.text
    before = Event.objects.count()
    assert not complaints(submitted(as_admin, page_of(registry), {}))
    assert Event.objects.count() == before


def test_what_was_typed_as_ways_comes_back_as_it_was_typed(as_admin: Client, registry: ApplicationRegistry) -> None:
    typed = '{"rules": [],\n "callbacks": {}}'
    refused = submitted(as_admin, page_of(registry), {"Provider’s ways": typed})
    assert Page(refused.content.decode()).fields["provider_profile"][0].strip() == typed


def test_staff_who_may_only_view_read_the_ways_of_a_provider(
    as_onlooker: Client, registry: ApplicationRegistry
) -> None:
    ApplicationRegistry.objects.update(provider_profile=WAYS)
    page = opened(as_onlooker, page_of(registry))
    assert json.dumps(WAYS, indent=2) in page.text
    assert "provider_profile" not in page.fields


def test_the_history_tells_that_the_ways_changed_and_not_their_values(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    ways = {"token_request": {"parameters": {"key": "CANARY-key"}}}
    assert not complaints(submitted(as_admin, page_of(registry), {"Provider’s ways": json.dumps(ways)}))
    [event] = Event.objects.filter(kind="set_up_changed")
    assert [(change["field"], change.get("changed")) for change in event.changes] == [("Provider’s ways", True)]
    assert "CANARY" not in str(list(Event.objects.values()))


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://northwind.example/account#apps", True),
        ("https://intranet/account", True),
        ("javascript:alert(1)", False),
        ("northwind.example/account", False),
        ("https://u:p@northwind.example/", False),
    ],
)
def test_the_page_where_people_remove_access_is_for_browsers(
    url: str, is_taken: bool, as_admin: Client, registry: ApplicationRegistry
) -> None:
    errors = complaints(submitted(as_admin, page_of(registry), {"Account settings URL": url}))
    assert stored(registry).account_settings_url == (url if is_taken else "")
    assert [error for error in errors if "a full web address" in error] or is_taken


# The revocation request -----------------------------------------------------------------------------------------------


DIALECT = '{"method": "DELETE", "client_authentication": "bearer", "body": "none", "send": ["access_token"]}'


def test_a_dialect_is_stored_with_an_address_that_has_placeholders(
    as_admin: Client, registry: ApplicationRegistry
) -> None:
    url = "https://northwind.example/v1/{account_id}/permissions"
    response = submitted(as_admin, page_of(registry), {"Revocation request": DIALECT, "Token Revocation URL": url})
    assert not complaints(response)
    assert stored(registry).revocation_request["method"] == "DELETE"
    assert stored(registry).token_revocation_url == url
    submitted(as_admin, page_of(registry), {"Revocation request": "", "Token Revocation URL": ""})
    assert stored(registry).revocation_request == {}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"Revocation request": '{"verb": "DELETE"}'}, "“verb” is not known in a revocation request"),
        ({"Revocation request": '["DELETE"]'}, "A revocation request is a JSON object"),
        ({"Revocation request": "{"}, "This isn’t valid JSON: line 1"),
        ({"Revocation request": '{"headers": {"X": "{password}"}}'}, "{password}, which is not known"),
        ({"Revocation request": '{"body": "none"}'}, "Nothing in this request says which token to revoke."),
        ({"Token Revocation URL": "https://{account_id}.northwind.example/revoke"}, "before its path"),
        ({"Token Revocation URL": "https://northwind.example/{tenant}"}, "{tenant}, which is not known"),
        (
            {
                "Revocation request": '{"body": "none", "client_authentication": "client_secret_post"}',
                "Token Revocation URL": "https://northwind.example/{token}",
            },
            "The client authenticates in the body",
        ),
    ],
)
def test_a_dialect_that_cannot_work_is_refused_at_its_field(
    typed: dict[str, str], sentence: str, as_admin: Client, registry: ApplicationRegistry
) -> None:
    before = stored(registry)
    refused = submitted(as_admin, page_of(registry), typed)
    assert [text for text in complaints(refused) if sentence in text]
    after = stored(registry)
    assert (after.revocation_request, after.token_revocation_url) == (
        before.revocation_request,
        before.token_revocation_url,
    )


def test_a_placeholder_does_not_hide_another_host(as_admin: Client, registry: ApplicationRegistry) -> None:
    refused = submitted(as_admin, page_of(registry), {"Token Revocation URL": "https://evil.example/{refresh_token}"})
    assert [text for text in complaints(refused) if AGAIN in text]
