"""Whether a person proves more than a password when signing in, and what is stored for it.

That is an app's codes, a passkey or a security key; recovery codes are only a spare key to these.
"""

from collections import Counter
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from foundation.secrets_at_rest import Unreadable, first_key_id, sealed_text
from foundation.secrets_at_rest.rotation import OtherColumn

KINDS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
SEALED = ("secret", "seed")  # in the data of an authenticator, if it has them
LAST_STEP = "last_step"
PURPOSE = "accounts:second-factor"


class SecretUnreadable(ValidationError):
    """The key of the secret is not set here. An error of the form that needed it, and nothing in a template."""

    silent_variable_failure = True

    def __init__(self) -> None:
        super().__init__(_("Your second step can’t be checked: its key is gone here. Ask your administrator."))


@sensitive_variables()
def seal(text: str) -> str:
    return sealed_text.seal(text, purpose=PURPOSE)


def unseal(sealed: str) -> str:
    """Raises `SecretUnreadable`."""
    try:
        return sealed_text.unseal(sealed, purpose=PURPOSE)
    except Unreadable:
        raise SecretUnreadable from None


def is_on(user: User) -> bool:
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=KINDS).exists())


@sensitive_variables("code", "secret")
def is_first_use(authenticator: Authenticator, code: str) -> bool:
    """Whether this right code opens: once, in whichever process, and not after a later one (RFC 6238 §5.2)."""
    secret = unseal(authenticator.data["secret"])
    given = totp.normalize_user_code(code)
    steps = [step for step in totp.yield_hotp_counters_from_time() if given == code_at(secret, step)]
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


# For the rotation of keys ---------------------------------------------------------------------------------------------


def sealed_values(data: dict[str, Any]) -> dict[str, str]:
    return {name: data[name] for name in SEALED if name in data}


def census() -> tuple[Counter[str], list[tuple[str, int]]]:
    """How many values lie under which key id; of those that don't open, the key id and the id of the authenticator."""
    under: Counter[str] = Counter()
    closed = []
    for authenticator in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk").iterator():
        for value in sealed_values(authenticator.data).values():
            under[sealed_text.key_id_of(value)] += 1
            if not opens(value):
                closed.append((sealed_text.key_id_of(value), authenticator.pk))
    return under, closed


def opens(value: str) -> bool:
    try:
        unseal(value)
    except SecretUnreadable:
        return False
    return True


def seal_anew() -> int:
    """Bring every value that opens under the first key; how many were brought. Safe to repeat."""
    ids = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).values_list("pk", flat=True)
    return sum(move(authenticator_id) for authenticator_id in list(ids))


def move(authenticator_id: int) -> int:
    first = first_key_id()
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=authenticator_id).first()
        values = sealed_values(row.data) if row else {}
        old = {name: held for name, held in values.items() if sealed_text.key_id_of(held) != first and opens(held)}
        if row and old:
            row.data |= {name: seal(unseal(held)) for name, held in old.items()}
            row.save(update_fields=["data"])
    return len(old)


SEALED_COLUMN = OtherColumn(name="mfa_authenticator.data", census=census, seal_anew=seal_anew)
