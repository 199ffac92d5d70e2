"""Two-step sign-in: whether a user has it, one-time codes, and the sealing of their secrets.

Second steps are authenticator apps, passkeys and security keys. Recovery codes only stand in for these.
"""

from collections import Counter
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import BooleanField, Case, Exists, ExpressionWrapper, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.sign_in.models import TwoStepRequirement
from foundation import secrets_at_rest
from foundation.secrets_at_rest import Unreadable, first_key_id
from foundation.secrets_at_rest.rotation import OtherColumn

KINDS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
SEALED = ("secret", "seed")  # keys in the data of an authenticator
LAST_STEP = "last_step"
PURPOSE = "accounts:second-factor"


class SecretUnreadable(ValidationError):
    """The key of a sealed secret is not set. Shows as a form error, and as nothing in a template."""

    silent_variable_failure = True

    def __init__(self) -> None:
        super().__init__(
            _("Your second step can’t be checked: the key it was stored with is missing. Ask your administrator.")
        )


@sensitive_variables()
def seal_secret(text: str) -> str:
    return secrets_at_rest.seal_text(text, purpose=PURPOSE)


def unseal_secret(sealed: str) -> str:
    """Unseal a secret. Raises `SecretUnreadable`."""
    try:
        return secrets_at_rest.unseal_text(sealed, purpose=PURPOSE)
    except Unreadable:
        raise SecretUnreadable from None


def is_on(user: User) -> bool:
    """Whether the user has two-step sign-in."""
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=KINDS).exists())


def has_step() -> Q:
    """Condition on users: they have two-step sign-in."""
    return Q(Exists(Authenticator.objects.filter(user_id=OuterRef("pk"), type__in=KINDS)))


def is_satisfied() -> Q:
    """Condition on users: they have two-step sign-in, or need none. Bots can't sign in, so they need none."""
    group_ids = User.groups.through.objects.filter(user_id=OuterRef(OuterRef("pk"))).values("group_id")
    requirements = TwoStepRequirement.objects.filter(
        Q(group__in=group_ids) | Q(ExpressionWrapper(OuterRef("is_staff"), BooleanField()), group=None)
    )
    return Q(is_bot=True) | has_step() | ~Q(Exists(requirements))


def two_steps() -> Case:
    """What to annotate users with: "on", "off", or "missing" if it is required and not set up."""
    return Case(When(~is_satisfied(), then=Value("missing")), When(has_step(), then=Value("on")), default=Value("off"))


def is_missing(user: User) -> bool:
    """Whether the user must set up two-step sign-in before using anything else.

    No query for the user of a session: the statement that loads them tells it.
    """
    if user.lacks_second_step is not None:
        return user.lacks_second_step
    return User.objects.filter(~is_satisfied(), pk=user.pk).exists()


def is_required_of_staff() -> bool:
    """Whether everybody with staff status must use it."""
    return bool(TwoStepRequirement.objects.filter(group=None).exists())


def require_of_staff(*, required: bool) -> bool:
    """Require it of everybody with staff status, or no longer. Returns whether that changed anything."""
    requirement = TwoStepRequirement.objects.filter(group=None).first()
    if required == (requirement is not None):
        return False
    if requirement is None:
        TwoStepRequirement.objects.create(group=None)
    else:
        requirement.delete()
    return True


@sensitive_variables("code", "secret")
def is_first_use(authenticator: Authenticator, code: str) -> bool:
    """Whether this valid code was not used before, in any process, nor a later one (RFC 6238 §5.2). Marks it used."""
    secret = unseal_secret(authenticator.data["secret"])
    user_code = totp.normalize_user_code(code)
    steps = [step for step in totp.yield_hotp_counters_from_time() if user_code == code_at(secret, step)]
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        if not steps or max(steps) <= row.data.get(LAST_STEP, 0):
            return False
        row.data[LAST_STEP] = max(steps)
        row.save(update_fields=["data"])
        return True


@sensitive_variables("secret")
def code_at(secret: str, step: int) -> str:
    return str(totp.hotp_value(secret, step)).zfill(app_settings.TOTP_DIGITS)


# Key rotation ---------------------------------------------------------------------------------------------------------


def sealed_values(data: dict[str, Any]) -> dict[str, str]:
    return {name: data[name] for name in SEALED if name in data}


def take_census() -> tuple[Counter[str], list[tuple[str, int]]]:
    """Count values by key id, and list key id and authenticator id of those that can't be unsealed."""
    counts: Counter[str] = Counter()
    unreadable = []
    for authenticator in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk").iterator():
        for value in sealed_values(authenticator.data).values():
            counts[secrets_at_rest.key_id_of_text(value)] += 1
            if not can_unseal(value):
                unreadable.append((secrets_at_rest.key_id_of_text(value), authenticator.pk))
    return counts, unreadable


def can_unseal(value: str) -> bool:
    try:
        unseal_secret(value)
    except SecretUnreadable:
        return False
    return True


def seal_anew() -> int:
    """Reseal every readable value with the first key. Returns how many. Safe to repeat."""
    ids = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).values_list("pk", flat=True)
    return sum(reseal_secrets(authenticator_id) for authenticator_id in list(ids))


def reseal_secrets(authenticator_id: int) -> int:
    first = first_key_id()
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=authenticator_id).first()
        values = sealed_values(row.data) if row else {}
        old = {
            name: value
            for name, value in values.items()
            if secrets_at_rest.key_id_of_text(value) != first and can_unseal(value)
        }
        if row and old:
            row.data |= {name: seal_secret(unseal_secret(value)) for name, value in old.items()}
            row.save(update_fields=["data"])
    return len(old)


SEALED_COLUMN = OtherColumn(name="mfa_authenticator.data", census=take_census, seal_anew=seal_anew)
