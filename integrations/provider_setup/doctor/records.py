"""What the rows say among themselves, and what calls have left in them."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from integrations.models.registry import Alias, ApplicationRegistry, Use, validation
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, undecided

NO_REVOCATION_URL = "keyrack.W014"  # some providers have none
TOLD_ALREADY = "keyrack.W015"


def of_registry(registry: ApplicationRegistry) -> Iterator[Finding]:
    wrong = [*validation.faults(registry)]
    for name, told in wrong:
        label = str(ApplicationRegistry._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a column
        yield fault(Whose.ADMINISTRATOR, f"{label}: {told}")
    for told, code in validation.shortcomings(registry):
        if code == TOLD_ALREADY:
            continue
        yield undecided(told) if code == NO_REVOCATION_URL else fault(Whose.ADMINISTRATOR, told)
    if not registry.active:
        yield fault(Whose.ADMINISTRATOR, _("The application registry is not active."))
    if registry.misconfigured_code:
        told = _("The last sign-in or renewal was refused as wrongly set up: %(code)s.")
        if registry.misconfigured_use == Use.REVOCATION:
            told = _("The last revocation was refused as wrongly set up: %(code)s.")
        reason = registry.misconfigured_reason
        words = f"{registry.misconfigured_code} ({reason.rstrip('.')})" if reason else registry.misconfigured_code
        yield fault(Whose.ADMINISTRATOR, registry.misconfigured_explanation or told % {"code": words})
    if registry.down_since:
        yield fault(Whose.PROVIDER, _("It has not been answering for a while; Keyrack asks once a minute."))


def of_alias(alias: Alias) -> Iterator[Finding]:
    if not alias.active:
        yield fault(Whose.ADMINISTRATOR, _("The alias is not active: %(why)s") % {"why": alias.inactive_reason or "–"})
    credential = alias.effective_credential
    if credential is None:
        told = _("It has no active connection with a credential, so nobody can use it.")
        yield fault(Whose.ADMINISTRATOR, told)
    elif not credential.active:
        yield fault(Whose.ADMINISTRATOR, _("The OAuth 2.0 credential is not active."))
    else:
        told = _("Everybody signs in as themselves.") if credential.is_personal else _("One sign-in serves everybody.")
        yield good(told)
