"""Guards of an import: changes that the admin's forms prevent or ask about, such as sending a secret elsewhere."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.oauth_server.models import Application
from foundation.exceptions import Explained
from foundation.oauth_client.registration import origin
from integrations import registration_health
from integrations.connections import authorization
from integrations.models.flows import Action, Subflow
from integrations.models.flows.declared import check_output_paths
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    Use,
    validation,
)
from integrations.models.tokens import Token

ASK = "say --same-provider if it is the same provider"


class Refused(Explained, ValueError):
    """An import must not make this change. `member` names the cause, "" for the row as a whole."""

    message = "The file changes what this person may not change."

    def __init__(self, member: str, sentence: str) -> None:
        super().__init__(sentence)
        self.member = member


Before = Mapping[str, Any]  # the row's stored values; empty for a new row


def before_saving(row: models.Model, before: Before, *, same_provider: bool) -> None:
    """Check a row before it is saved. Raises `Refused`."""
    if isinstance(row, ApplicationRegistry):
        check_registry_change(row, before, same_provider=same_provider)
    elif isinstance(row, HttpConnection):
        check_connection_change(row, before, same_provider=same_provider)
    elif isinstance(row, OAuth2Credential):
        check_credential_change(row, before)
    elif isinstance(row, Alias):
        set_deactivation(row)


def check_registry_change(row: ApplicationRegistry, before: Before, *, same_provider: bool) -> None:
    for member, wrong in validation.find_faults(row):
        raise Refused(member, wrong)
    new, _known = validation.new_receivers(before, vars(row))
    new |= set(validation.changes_of_token_receiver(before, vars(row)))
    tokens = Token.objects.filter(credential__profile__registry=row)
    if before and new and not same_provider and tokens.exists():
        raise Refused("", f"People are signed in, and their tokens would go to {', '.join(sorted(new))}: {ASK}.")
    registration_health.bring_back_refused(row)
    row.note_misconfigured("", use=Use.SIGN_IN)


def check_connection_change(row: HttpConnection, before: Before, *, same_provider: bool) -> None:
    value_names = row.credential.registry.readable_profile.kept_values() if row.credential else ()
    if problem := validation.wrong_connection_url(row.connection_url, value_names):
        raise Refused("connection_url", problem)
    if "?" in row.connection_url:
        raise Refused("connection_url", "This address has no query (?).")
    if row.credential is None or same_provider or not Token.objects.filter(credential=row.credential).exists():
        return
    moved = any(getattr(row, name) != before.get(name) for name in ("connection_url", "credential_id", "active"))
    in_use = row.credential.connections.filter(active=True).values_list("connection_url", flat=True)
    origins_in_use = {origin(url) for url in in_use}
    if moved and row.active and origin(row.connection_url) not in origins_in_use:
        message = f"People are signed in, and their tokens would go to {origin(row.connection_url)}: {ASK}."
        raise Refused("connection_url", message)


def check_credential_change(row: OAuth2Credential, before: Before) -> None:
    """Refuse what ends sign-ins: in the forms it takes a confirmation, which a file can't give."""
    tokens = Token.objects.filter(credential=row.pk)
    if not before or not tokens.exists():
        return
    if row.integration_type != before["integration_type"]:
        raise Refused("integration_type", "People are signed in, and that would end it. Change it in the admin.")
    registries = type(row.profile)._default_manager.filter(pk=before["profile_id"]).values("registry_id")
    if not registries.filter(registry_id=row.profile.registry_id).exists():
        raise Refused("profile", "People are signed in, and this profile belongs to another registry.")


def set_deactivation(row: Alias) -> None:
    """Set or clear `deactivated_at`, as the form does: it keeps the first moment until the alias is on again."""
    if row.active:
        row.deactivated_at, row.inactive_reason = None, ""
    elif not row.inactive_reason:
        raise Refused("inactive_reason", "Say why it’s off. People read this on their card.")
    else:
        row.deactivated_at = row.deactivated_at or timezone.now()


def agree_for_system(row: models.Model) -> None:
    """Confirm a changed address for the system's own tokens. Users confirm it for theirs themselves."""
    if isinstance(row, ApplicationRegistry):
        authorization.confirm_for_system(row)
    elif isinstance(row, HttpConnection) and row.credential:
        authorization.confirm_for_system(row.credential.registry)


def leads_secret_away(row: models.Model, before: Before) -> list[str]:
    """Return the names of changed fields that decide who receives the stored secret."""
    if not isinstance(row, ApplicationRegistry) or not before:
        return []
    return validation.changes_of_secret_receiver(before, vars(row))


def after_saving(row: models.Model) -> None:
    """Check a row together with its children. Raises `Refused`."""
    for check in CHECKS_WITH_CHILDREN.get(type(row), ()):
        try:
            check(row)
        except ValidationError as error:
            raise Refused("", " ".join(error.messages)) from None


def check_steps(action: Any) -> None:
    earlier: set[str] = set()
    for step in action.steps.order_by("order", "id"):
        step.check_references(inputs=action.input_names, steps=set(earlier))
        earlier.add(step.name)
    check_output_paths(action.outputs, {"inputs": action.input_names, "steps": earlier})


def check_actions(subflow: Any) -> None:
    earlier: set[str] = set()
    for placed in subflow.actions.select_related("action").order_by("order", "id"):
        placed.check_references(inputs=subflow.input_names, actions=set(earlier))
        earlier.add(placed.name)
    check_output_paths(subflow.outputs, {"inputs": subflow.input_names, "actions": earlier})


CHECKS_WITH_CHILDREN: Mapping[type[models.Model], tuple[Callable[[Any], None], ...]] = {
    Action: (check_steps,),
    Subflow: (check_actions,),
}


def remaining_tasks(row: models.Model, *, is_new: bool) -> Iterator[str]:
    """Yield what an administrator still has to do by hand."""
    if isinstance(row, Application) and is_new and row.client_type == Application.CLIENT_CONFIDENTIAL:
        yield f"If you didn’t set the Client Secret of {row.name} by {{env: NAME}}, make a new one in the admin."
    if not isinstance(row, ApplicationRegistry):
        return
    if is_new and row.authorization_url:
        yield f"Register this Redirect URL for {row.name} at the provider: {row.redirect_url}"
    if row.needs_secret and not row.__dict__["client_secret"]:
        yield f"Enter the Client Secret of {row.name} in the admin, or set it by {{env: NAME}}."
