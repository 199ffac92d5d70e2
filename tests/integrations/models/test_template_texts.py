"""Names of scopes and descriptions that come with templates are shown in the reader's language."""

import pytest

from accounts.models import User
from integrations.models import OAuthEntityScope
from tests import cast
from tests.conftest import client_of

DASHBOARD = "/integrations/"


@pytest.fixture
def amira_with_crm(amira: User) -> User:
    registry = cast.registry_at("https://northwind.example")
    alias = cast.integration_at(registry, description="Contacts, companies and deals.")
    OAuthEntityScope.objects.update(name="Read contacts")
    cast.signed_in(amira, alias)
    return amira


def page(user: User, path: str, language: str) -> str:
    return client_of(user).get(path, headers={"accept-language": language}).content.decode()


@pytest.mark.slow
def test_a_page_has_them_in_the_readers_language(amira_with_crm: User) -> None:
    detail = f"{DASHBOARD}{amira_with_crm.tokens.get().credential.connections.get().alias.hex}/"
    assert "連絡先の読み取り" in page(amira_with_crm, DASHBOARD, "ja")
    german = page(amira_with_crm, detail, "de")
    assert "Kontakte lesen" in german
    assert "Kontakte, Unternehmen und Deals." in german
    assert "Read contacts" not in german
    assert "Read contacts" in page(amira_with_crm, DASHBOARD, "en")


def test_what_an_administrator_wrote_is_shown_as_it_is(amira_with_crm: User) -> None:
    OAuthEntityScope.objects.update(name="See the people we sell to")
    assert "See the people we sell to" in page(amira_with_crm, DASHBOARD, "ja")
