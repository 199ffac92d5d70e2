"""A new token agrees to the addresses that its owner may use at that moment, and to no other."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import Group
from django.db.models import Q

from accounts.models import User
from integrations.connections.authorization.storage import NotAvailable, agreement_at_start
from integrations.models import Alias, HttpConnection, admission
from integrations.models.registry import AliasType, OAuth2Credential
from integrations.models.tokens import consent
from tests import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def credential() -> OAuth2Credential:
    """Of an alias for everybody, and of one for a group."""
    registry = cast.registry_at("https://northwind.example")
    cast.integration_at(registry, connection_url="https://northwind.example/api")
    shared = Alias.objects.create(name="support", label="Support")
    shared.groups.add(Group.objects.create(name="Support"))
    credential = OAuth2Credential.objects.get()
    HttpConnection.objects.create(
        alias=shared, name="support", credential=credential, connection_url="https://support.northwind.example/api"
    )
    return credential


def addresses(credential: OAuth2Credential, user: User | None) -> list[str]:
    found: list[str] = consent.current_agreement(credential, user.pk if user else None)["connections"]
    return found


def test_each_agrees_to_what_they_may_use(credential: OAuth2Credential, amira: User, bob: User) -> None:
    bob.groups.add(Group.objects.get(name="Support"))
    ours, support = "https://northwind.example/api", "https://support.northwind.example/api"
    assert addresses(credential, amira) == [ours]
    assert addresses(credential, bob) == addresses(credential, None) == [ours, support]
    HttpConnection.objects.filter(connection_url=support).update(active=False)
    assert addresses(credential, bob) == addresses(credential, None) == [ours]
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert addresses(credential, amira) == []


def test_a_rule_counts_from_when_it_is_added(
    credential: OAuth2Credential, amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert addresses(credential, amira)
    assert admission.find_refusal(amira) is None
    first = admission.RULES[0]
    rule = replace(first, code="at_night", about=admission.About.PERSON, condition=lambda: ~Q(username="amira"))
    monkeypatch.setattr(admission, "RULES", [*admission.RULES, rule])
    assert addresses(credential, amira) == []
    assert admission.find_refusal(amira) == rule
    monkeypatch.undo()
    assert addresses(credential, amira)
    assert admission.find_refusal(amira) is None


def test_a_sign_in_that_begins_agrees_to_the_same(credential: OAuth2Credential, amira: User, bob: User) -> None:
    bob.groups.add(Group.objects.get(name="Support"))
    for person in (amira, bob):
        assert agreement_at_start(person, credential) == consent.current_agreement(credential, person.pk)
    Alias.objects.filter(name="support").update(active=False)
    assert agreement_at_start(bob, credential)["connections"] == ["https://northwind.example/api"]
    Alias.objects.filter(name="northwind").update(active=False)
    with pytest.raises(NotAvailable):
        agreement_at_start(bob, credential)


def test_a_sign_in_does_not_agree_to_a_connection_of_another_credential(
    credential: OAuth2Credential, amira: User
) -> None:
    other = OAuth2Credential.objects.create(name="Other", profile=credential.profile, integration_type="personal")
    HttpConnection.objects.filter(alias__name="northwind").update(credential=other)
    Alias.objects.filter(name="northwind").update(type=AliasType.CREDENTIAL, credential=credential)
    assert agreement_at_start(amira, credential)["connections"] == []


def test_who_may_not_sign_in_agrees_to_nothing(credential: OAuth2Credential, amira: User) -> None:
    User.objects.filter(pk=amira.pk).update(is_active=False)
    with pytest.raises(NotAvailable):
        agreement_at_start(amira, credential)
