"""Every way by which the set-up could lead a person's token to another server. No promises."""

from collections.abc import Callable

from django.db import connection as database

from integrations.models import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential, OAuthEntityProfile, Token
from tests import cast

Way = Callable[[Alias, str], None]  # with the integration, and the address of another server


def change_connection_url(alias: Alias, elsewhere: str) -> None:
    row = HttpConnection.objects.get(alias=alias)
    row.connection_url = f"{elsewhere}/api"
    row.save()


def change_it_past_the_models(alias: Alias, elsewhere: str) -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE integrations_httpconnection SET connection_url = %s", [f"{elsewhere}/api"])


def delete_and_recreate(alias: Alias, elsewhere: str) -> None:
    old = HttpConnection.objects.get(alias=alias)
    HttpConnection.objects.filter(pk=old.pk).update(alias=cast_aside(old))
    HttpConnection.objects.create(alias=alias, name="new", credential=old.credential, connection_url=f"{elsewhere}/api")
    HttpConnection.objects.get(pk=old.pk).delete()


def cast_aside(old: HttpConnection) -> Alias:
    return Alias.objects.create(name="aside")


def turn_on_another(alias: Alias, elsewhere: str) -> None:
    old = HttpConnection.objects.get(alias=alias)
    other = HttpConnection.objects.create(
        alias=alias, name="new", credential=old.credential, connection_url=f"{elsewhere}/api", active=False
    )
    old.active, other.active = False, True
    old.save()
    other.save()


def move_a_connection_to_the_credential(alias: Alias, elsewhere: str) -> None:
    """One that stood on a credential of nobody."""
    old = HttpConnection.objects.get(alias=alias)
    assert old.credential is not None
    other = OAuth2Credential.objects.create(
        name="other", profile=old.credential.profile, integration_type=old.credential.integration_type
    )
    beside = Alias.objects.create(name="beside")
    row = HttpConnection.objects.create(alias=beside, name="b", credential=other, connection_url=f"{elsewhere}/api")
    row.credential = old.credential
    row.save()
    old.delete()
    row.alias = alias
    row.save()


def change_registry(name: str) -> Way:
    def change(alias: Alias, elsewhere: str) -> None:
        row = ApplicationRegistry.objects.get(name="Northwind")
        setattr(row, name, f"{elsewhere}/elsewhere")
        row.save()

    return change


def widen_hosts(alias: Alias, elsewhere: str) -> None:
    ApplicationRegistry.objects.update(base_url_hosts="*.evil.example")


def send_more_along(alias: Alias, elsewhere: str) -> None:
    ApplicationRegistry.objects.update(call_headers={"X-Copy": "{access_token}"})


def move_to_another_registry(alias: Alias, elsewhere: str) -> None:
    other = cast.registry_at(elsewhere, name="Evil")
    profile = OAuthEntityProfile.objects.create(registry=other, name="Default", grant_type="authorization_code")
    row = OAuth2Credential.objects.get(tokens__in=Token.objects.all())
    row.profile = profile
    row.save()


WAYS: dict[str, Way] = {
    "connection url": change_connection_url,
    "connection url in SQL": change_it_past_the_models,
    "connection deleted and made anew": delete_and_recreate,
    "another connection turned on": turn_on_another,
    "a connection of another credential": move_a_connection_to_the_credential,
    "token url": change_registry("token_url"),
    "refresh url": change_registry("refresh_url"),
    "revocation url": change_registry("token_revocation_url"),
    "introspection url": change_registry("token_introspection_url"),
    "userinfo url": change_registry("userinfo_url"),
    "account settings url": change_registry("account_settings_url"),
    "hosts of base urls": widen_hosts,
    "headers of calls": send_more_along,
    "another registry": move_to_another_registry,
}
