"""Checks of the rows themselves: their consistency, and the failures that earlier calls recorded."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from integrations.models.registry import Alias, ApplicationRegistry, Use, validation
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, undecided

NO_REVOCATION_URL = "keyrack.W014"  # some providers have none
REPORTED_ELSEWHERE = {"keyrack.W015", "keyrack.W017"}  # by `find_faults` and by `examine_endpoints`


def check_registry(registry: ApplicationRegistry) -> Iterator[Finding]:
    for name, message in validation.find_faults(registry):
        label = str(ApplicationRegistry._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a column
        yield fault(Whose.ADMINISTRATOR, f"{label}: {message}")
    for message, code in validation.find_shortcomings(registry):
        if code in REPORTED_ELSEWHERE:
            continue
        yield undecided(message) if code == NO_REVOCATION_URL else fault(Whose.ADMINISTRATOR, message)
    if not registry.active:
        yield fault(Whose.ADMINISTRATOR, _("The application registry is not active."))
    if registry.misconfigured_code:
        message = _("The provider refused the last sign-in or renewal because of the set-up: %(code)s.")
        if registry.misconfigured_use == Use.REVOCATION:
            message = _("The provider refused the last revocation because of the set-up: %(code)s.")
        reason = registry.misconfigured_reason
        words = f"{registry.misconfigured_code} ({reason.rstrip('.')})" if reason else registry.misconfigured_code
        explanation = registry.misconfigured_explanation
        if explanation and reason:
            explanation = _("%(explanation)s The provider’s words: %(reason)s") % {
                "explanation": explanation,
                "reason": reason,
            }
        yield fault(Whose.ADMINISTRATOR, explanation or message % {"code": words})
    if registry.down_since:
        yield fault(Whose.PROVIDER, _("The provider isn’t answering. Keyrack tries again once a minute."))


def check_alias(alias: Alias) -> Iterator[Finding]:
    if not alias.active:
        yield fault(Whose.ADMINISTRATOR, _("The alias is not active: %(why)s") % {"why": alias.inactive_reason or "–"})
    credential = alias.effective_credential
    if credential is None:
        message = _("The alias has no active connection with a credential, so nobody can use it.")
        yield fault(Whose.ADMINISTRATOR, message)
    elif not credential.active:
        yield fault(Whose.ADMINISTRATOR, _("The OAuth 2.0 credential is not active."))
    else:
        message = (
            _("Each person signs in with their own account.")
            if credential.is_personal
            else _("One sign-in serves all users.")
        )
        yield good(message)
