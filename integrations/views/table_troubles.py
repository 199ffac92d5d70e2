"""Why a remote table shows no rows: sentences for the person and for administrators."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from foundation.name_lists import isolate_name, sentence_separator
from foundation.oauth_client.errors import Misconfigured, Unreachable, Unusable
from integrations.connections.renewal import NoUsableToken
from integrations.models.card import Integration
from integrations.models.registry import ApplicationRegistry
from integrations.models.remote_tables import RemoteTable
from integrations.models.tokens import consent
from integrations.remote_tables import LIMITED, NotAllowed, ProviderError, TableMisconfigured, TurnedOff

OF_REGISTRY = "integration_misconfigured"  # the code of an action


@dataclass(frozen=True, kw_only=True)
class Trouble:
    # connect, sign_in_again, address_changed, revoking, off, forbidden, wait, down, misconfigured, unusable, wrong
    kind: str
    icon: str
    heading: str
    text: str
    for_administrator: str = ""
    wait_seconds: int = 0
    is_of_registry: bool = False  # the Application Registry has to be fixed, not the table

    @property
    def asks_to_sign_in(self) -> bool:
        return self.kind in {"connect", "sign_in_again", "revoking"}

    @property
    def can_be_tried_again(self) -> bool:
        return self.kind in {"down", "wait", "unusable", "forbidden"}


def trouble_of(error: Exception, table: RemoteTable, source: Integration | None) -> Trouble:
    """Describe an error of reading the table. `source`: the person's integration that it is read from, if any."""
    names = {"table": isolate_name(table.title), "provider": isolate_name(source.title if source else table.title)}
    if isinstance(error, TurnedOff):
        return turned_off(source, names)
    if isinstance(error, NoUsableToken) and source:
        if error.code == consent.CHANGED:
            return moved_address(names)
        return less_access(source, names) if error.code == "insufficient_scope" else signed_out(source, names)
    if isinstance(error, NotAllowed):
        return Trouble(
            kind="forbidden",
            icon="lock",
            heading=_("You may not see %(table)s at %(provider)s") % names,
            text=_("Your %(provider)s account may not read this. Ask the people who run %(provider)s.") % names,
        )
    if isinstance(error, Unreachable):
        return unreachable_provider(error, names)
    if source and is_of_registry(error, source.registry):
        return misconfigured_registry(names)
    if isinstance(error, ProviderError):
        return provider_error(error, names)
    return unusable_answer(error, names) if isinstance(error, Unusable) else wrong_table(error)


def is_of_registry(error: Exception, registry: ApplicationRegistry) -> bool:
    """Tell whether the provider refuses our registration, to the table itself or to a step of its action.

    A renewal records this, so the row is read again. Anything else is a fault of the table or its connection.
    """
    is_of_table = isinstance(error, TableMisconfigured) and error.code != OF_REGISTRY
    if not isinstance(error, Misconfigured) or is_of_table:
        return False
    registry.refresh_from_db(fields=registry.PROBLEM)
    return registry.cannot_renew


def misconfigured_registry(names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="misconfigured",
        icon="alert",
        heading=_("%(provider)s isn’t set up correctly here") % names,
        text=_("Your sign-in is kept. Only an administrator can fix this."),
        is_of_registry=True,
    )


def turned_off(source: Integration | None, names: dict[str, str]) -> Trouble:
    text = _("%(provider)s was turned off by an administrator.") % names
    if source and source.alias.inactive_reason:
        text += " " + _("They say: “%(reason)s”") % {"reason": isolate_name(source.alias.inactive_reason)}
    return Trouble(kind="off", icon="lock", heading=_("%(provider)s is turned off") % names, text=text)


def signed_out(source: Integration, names: dict[str, str]) -> Trouble:
    if source.row.is_blocked:
        return Trouble(
            kind="revoking",
            icon="spin",
            heading=_("%(provider)s is being told to cancel your token") % names,
            text=_("You can authenticate again when that has finished. It takes a few seconds."),
        )
    if source.has_token:
        return Trouble(
            kind="sign_in_again",
            icon="key",
            heading=_("%(provider)s no longer accepts your sign-in") % names,
            text=_("Authenticate again to see %(table)s. Your search is kept.") % names,
        )
    message = _(
        "This table is read from %(provider)s with your own account, so it shows what you may see there."
        " Connecting takes about a minute."
    )
    heading = _("Connect %(provider)s to see %(table)s") % names
    return Trouble(kind="connect", icon="key", heading=heading, text=message % names)


def moved_address(names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="address_changed",
        icon="moved",
        heading=_("%(provider)s was moved to another address") % names,
        text=_("Nothing of yours is sent there until you confirm the new address. Then you’ll see %(table)s again.")
        % names,
    )


def less_access(source: Integration, names: dict[str, str]) -> Trouble:
    """The token lacks scopes. Which ones, the third party may have said a moment ago: they are read anew."""
    if source.token:
        source.token.refresh_from_db(fields=["lacking_scopes"])
    lacking = sorted(source.lacking_scopes)
    unknown = sorted(set(lacking) - set(source.grantable_scopes))
    add_first = _("Add these scopes to the Application Registry, so that people can grant them: %(scopes)s")
    return Trouble(
        kind="sign_in_again",
        icon="key",
        heading=_("%(provider)s gave less access than %(table)s needs") % names,
        text=sentence_separator().join(
            [
                *([_("It says that this is missing: %(scopes)s.") % {"scopes": ", ".join(lacking)}] if lacking else []),
                _("Authenticate again and allow everything that is asked for."),
            ]
        ),
        for_administrator=add_first % {"scopes": ", ".join(unknown)} if unknown else "",
    )


def unreachable_provider(error: Unreachable, names: dict[str, str]) -> Trouble:
    if error.code == LIMITED:
        return Trouble(
            kind="wait",
            icon="clock",
            heading=_("%(provider)s asks us to wait") % names,
            text=_("We’ve asked it too often. Your sign-in is fine."),
            wait_seconds=int(error.retry_after or 0),
        )
    return Trouble(
        kind="down",
        icon="cloudoff",
        heading=_("%(provider)s doesn’t answer") % names,
        text=_("Your connection is kept. Try again in a few minutes."),
        for_administrator=_("Code: %(code)s") % {"code": error.code},
    )


def unusable_answer(error: Unusable, names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="unusable",
        icon="alert",
        heading=_("%(provider)s answered in a way that Keyrack can’t read") % names,
        text=_("Try again. If that doesn’t help, tell your administrator."),
        for_administrator=error_sentence(error),
    )


def provider_error(error: ProviderError, names: dict[str, str]) -> Trouble:
    return Trouble(
        kind="unusable",
        icon="alert",
        heading=_("%(provider)s answered with an error") % names,
        text=_("Your sign-in is kept. Try again. If that doesn’t help, tell your administrator."),
        for_administrator=error_sentence(error),
    )


def wrong_table(error: Any) -> Trouble:
    return Trouble(
        kind="wrong",
        icon="alert",
        heading=_("This table isn’t set up correctly"),
        text=_("Only an administrator can fix this."),
        for_administrator=error_sentence(error),
    )


def error_sentence(error: Any) -> str:
    description = error.describe(_) if isinstance(error, Misconfigured | Unusable) and error.description else ""
    return description or _("Code: %(code)s") % {"code": getattr(error, "code", type(error).__name__)}
