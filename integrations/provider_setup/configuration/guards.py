"""What must not happen by a file, and is asked about or prevented in the forms: secrets and tokens going elsewhere."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from foundation.oauth_client.base_urls import origin
from integrations.connections import authorization
from integrations.models.flows import Action, Subflow
from integrations.models.flows.declared import check_beginnings
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


class Refused(ValueError):
    """The member that is to blame ("" for the row as a whole), and a sentence."""

    def __init__(self, member: str, sentence: str) -> None:
        super().__init__(sentence)
        self.member = member


Before = Mapping[str, Any]  # what the row held; empty for a new one


def before_saving(row: models.Model, before: Before, *, same_provider: bool) -> None:
    """Raises `Refused`."""
    if isinstance(row, ApplicationRegistry):
        registry_may_change(row, before, same_provider=same_provider)
    elif isinstance(row, HttpConnection):
        connection_may_change(row, before, same_provider=same_provider)
    elif isinstance(row, OAuth2Credential):
        credential_may_change(row, before)
    elif isinstance(row, Alias):
        settle_activity(row)


def registry_may_change(row: ApplicationRegistry, before: Before, *, same_provider: bool) -> None:
    for member, wrong in validation.faults(row):
        raise Refused(member, wrong)
    new, _known = validation.new_receivers(before, vars(row))
    new |= set(validation.leading_people_elsewhere(before, vars(row)))
    tokens = Token.objects.filter(credential__profile__registry=row)
    if before and new and not same_provider and tokens.exists():
        raise Refused("", f"People are signed in, and their tokens would go to {', '.join(sorted(new))}: {ASK}.")
    row.note_misconfigured("", use=Use.SIGN_IN)


def connection_may_change(row: HttpConnection, before: Before, *, same_provider: bool) -> None:
    if wrong := validation.wrong_address(row.connection_url):
        raise Refused("connection_url", wrong)
    if "?" in row.connection_url:
        raise Refused("connection_url", "This address has no query (?).")
    if row.credential is None or same_provider or not Token.objects.filter(credential=row.credential).exists():
        return
    moved = any(getattr(row, name) != before.get(name) for name in ("connection_url", "credential_id", "active"))
    in_use = row.credential.connections.filter(active=True).values_list("connection_url", flat=True)
    known = {origin(url) for url in in_use}
    if moved and row.active and origin(row.connection_url) not in known:
        told = f"People are signed in, and their tokens would go to {origin(row.connection_url)}: {ASK}."
        raise Refused("connection_url", told)


def credential_may_change(row: OAuth2Credential, before: Before) -> None:
    """In the forms both end sign-ins, after a question that a file cannot be asked."""
    tokens = Token.objects.filter(credential=row.pk)
    if not before or not tokens.exists():
        return
    if row.integration_type != before["integration_type"]:
        raise Refused("integration_type", "People are signed in, and that would end it. Change it in the admin.")
    registries = type(row.profile)._default_manager.filter(pk=before["profile_id"]).values("registry_id")
    if not registries.filter(registry_id=row.profile.registry_id).exists():
        raise Refused("profile", "People are signed in, and this profile belongs to another registry.")


def settle_activity(row: Alias) -> None:
    """As the form does: the moment stays until it is on again."""
    if row.active:
        row.deactivated_at, row.inactive_reason = None, ""
    elif not row.inactive_reason:
        raise Refused("inactive_reason", "Say why it is off: people read it on their card.")
    else:
        row.deactivated_at = row.deactivated_at or timezone.now()


def agree_for_system(row: models.Model) -> None:
    """The word of whoever runs the command holds for the system's own tokens; people are asked themselves."""
    if isinstance(row, ApplicationRegistry):
        authorization.confirm_for_system(row)
    elif isinstance(row, HttpConnection) and row.credential:
        authorization.confirm_for_system(row.credential.registry)


def leads_secret_away(row: models.Model, before: Before) -> list[str]:
    """What decides anew who receives the stored secret."""
    if not isinstance(row, ApplicationRegistry) or not before:
        return []
    return validation.leading_elsewhere(before, vars(row))


def after_saving(row: models.Model) -> None:
    """What only shows with all that hangs on a row. Raises `Refused`."""
    for check in WHOLE.get(type(row), ()):
        try:
            check(row)
        except ValidationError as error:
            raise Refused("", " ".join(error.messages)) from None


def steps_fit(action: Any) -> None:
    earlier: set[str] = set()
    for step in action.steps.order_by("order", "id"):
        step.check_references(inputs=action.input_names, steps=set(earlier))
        earlier.add(step.name)
    check_beginnings(action.outputs, {"inputs": action.input_names, "steps": earlier})


def actions_fit(subflow: Any) -> None:
    earlier: set[str] = set()
    for placed in subflow.actions.select_related("action").order_by("order", "id"):
        placed.check_references(inputs=subflow.input_names, actions=set(earlier))
        earlier.add(placed.name)
    check_beginnings(subflow.outputs, {"inputs": subflow.input_names, "actions": earlier})


WHOLE: Mapping[type[models.Model], tuple[Callable[[Any], None], ...]] = {Action: (steps_fit,), Subflow: (actions_fit,)}


def to_be_done(row: models.Model, *, is_new: bool) -> Iterator[str]:
    """What somebody must still do by hand."""
    if not isinstance(row, ApplicationRegistry):
        return
    if is_new and row.authorization_url:
        yield f"Register this Redirect URL for {row.name} at the provider: {row.redirect_url}"
    if row.send_credentials != "none" and not row.__dict__["client_secret"]:
        yield f"Enter the Client Secret of {row.name} in the admin, or give it by {{env: NAME}}."
