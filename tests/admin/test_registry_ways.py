"""What the form of an application registry says of a provider's ways that could not work."""

import pytest
from django.test import Client

from integrations.models import ApplicationRegistry
from tests.admin.forms import complaints, submitted
from tests.admin.test_registries import page_of, stored


@pytest.mark.parametrize(
    ("label", "text", "sentence"),
    [
        ("Token parameters", '{"code": "x"}', "Keyrack sets this itself: code."),
        ("Token parameters", '{"expires_in": 1800}', "a JSON object of texts"),
        ("Headers of calls", '{"X": "{client_secret}"}', "The header X cannot hold {client_secret}"),
        ("Userinfo request", '{"method": "PUT"}', "“method” is one of GET, POST."),
        ("Client ID", "a\tb", "one line, without control characters"),
        ("Refresh URL", "northwind.example/refresh", "https://"),
    ],
)
def test_a_way_that_could_not_work_is_refused_at_its_field(
    label: str, text: str, sentence: str, as_admin: Client, registry: ApplicationRegistry
) -> None:
    response = submitted(as_admin, page_of(registry), {label: text, "Client Secret": "known"})
    assert [text for text in complaints(response) if sentence in text]
    before, after = stored(registry), registry
    for name in ("client_id", "token_parameters", "call_headers", "userinfo_request", "refresh_url"):
        assert getattr(before, name) == getattr(after, name)


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
