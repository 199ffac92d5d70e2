"""Signal receivers: consequences of a deactivation, of a new, renamed or deleted alias, and of moved servers.

Also of a provider that responds again. Knows what happened, but not who did it.
"""

from collections.abc import Collection
from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils.translation import gettext_noop

from accounts import scopes
from accounts.audit import model_changes
from accounts.audit.details import register_detail
from accounts.models import User
from accounts.oauth_server import service_scopes
from integrations import circuit_breaker, registration_health
from integrations.connections import authorization, endings, tasks
from integrations.models import events
from integrations.models.registry import Alias, ApplicationRegistry, HttpConnection, OAuth2Credential
from integrations.models.tokens import Revocation, Token, TokenQuerySet, consent

WITHOUT_ALIAS = register_detail(gettext_noop("the integration was deleted"))


@receiver(post_save, sender=User)
def end_sign_ins_of_deactivated_user(instance: User, update_fields: Collection[str] | None, **_kwargs: Any) -> None:
    """End the sign-ins of a deactivated person without waiting for beat. Their tokens are refused already."""
    may_have_changed = update_fields is None or "is_active" in update_fields
    if may_have_changed and not instance.is_active and Token.objects.filter(user=instance).exists():
        endings.end_deactivated_soon()


@receiver(post_save, sender=ApplicationRegistry)
def end_renewal_pauses(
    instance: ApplicationRegistry, created: bool, update_fields: Collection[str] | None, **_kwargs: Any
) -> None:
    """End the pauses of renewals when a registry is saved, because an administrator may have fixed it.

    Sign-ins that were refused while it was broken are tried once more.
    """
    if not created:
        registration_health.bring_back_refused(instance)
        registration_health.end_pauses(instance)


@receiver(post_delete, sender=Alias)
@receiver(post_delete, sender=HttpConnection)
def end_unused_sign_ins(instance: Alias | HttpConnection, **_kwargs: Any) -> None:
    """End sign-ins that no alias uses any more: they have no card on which their owners could end them."""
    if instance.credential_id is None:
        return
    unused = OAuth2Credential.objects.filter(pk=instance.credential_id).unused_without()
    tokens = Token.objects.filter(credential__in=list(unused))
    authorization.end_all(tokens, reason="alias_deleted", detail=WITHOUT_ALIAS)


@receiver(post_save, sender=Alias)
def start_without_scopes(instance: Alias, created: bool, raw: bool, **_kwargs: Any) -> None:
    """Withdraw the scope of an earlier alias of this name, which a parallel request may just have granted again."""
    if created and not raw:
        service_scopes.withdraw_scope(scopes.SERVICE + instance.name)


@receiver(model_changes.recorded, sender=Alias)
def keep_scopes_with_alias(row: Alias, changes: list[model_changes.Change], is_deleted: bool, **_signal: Any) -> None:
    """Let scopes that programs were given follow the alias to its new name, and end with it."""
    if is_deleted:
        service_scopes.withdraw_scope(scopes.SERVICE + row.name)
    for change in changes:
        if change["name"] == "name" and not is_deleted and change["old"]:
            service_scopes.rename_scope(scopes.SERVICE + change["old"], scopes.SERVICE + change["new"])


@receiver(circuit_breaker.recovered)
def deliver_postponed_revocations(registry: ApplicationRegistry, **_kwargs: Any) -> None:
    """Make postponed revocations due when a provider responds again. One sweep delivers them all."""
    if Revocation.objects.filter(registry=registry).make_due():
        tasks.sweep_soon()


@receiver(model_changes.recorded, sender=ApplicationRegistry)
def report_moved_servers(row: ApplicationRegistry, changes: list[model_changes.Change], **_signal: Any) -> None:
    """Report changed addresses of a registry that tokens may be sent to."""
    names = {change["name"] for change in changes}
    if names & set(consent.COLUMNS):
        tokens = Token.objects.filter(credential__profile__registry=row)
        report_moved_addresses(row, tokens, changed=names)


@receiver(model_changes.recorded, sender=HttpConnection)
@receiver(model_changes.recorded, sender=Alias)
@receiver(model_changes.recorded, sender=OAuth2Credential)
def report_moved_connections(row: Any, is_deleted: bool, **_signal: Any) -> None:
    """Report changed URLs of connections, also if a connection was turned on or uses another credential now."""
    if is_deleted:
        return
    conditions = {HttpConnection: {"pk": row.pk}, Alias: {"alias": row}, OAuth2Credential: {"credential": row}}[
        type(row)
    ]
    connections = HttpConnection.objects.filter(active=True, credential__isnull=False, **conditions)
    for connection in connections.select_related("credential__profile__registry"):
        assert connection.credential is not None  # noqa: S101 - filtered
        tokens = Token.objects.filter(credential=connection.credential)
        url = connection.connection_url
        report_moved_addresses(connection.credential.registry, tokens, changed={consent.CONNECTION}, url=url)


def report_moved_addresses(
    registry: ApplicationRegistry, tokens: TokenQuerySet, *, changed: set[str], url: str = ""
) -> None:
    """Write an event with old and new values, and have a mail sent to administrators, if a token is affected."""
    for agreed in tokens.values_list("agreed", flat=True).iterator():
        moved = [each for each in consent.unagreed_changes(agreed, vars(registry), url) if each.name in changed]
        if moved:
            events.log_moved_addresses(registry.name, registry.pk, [(each.name, each.old, each.new) for each in moved])
            registry.note_moved()
            return
