"""Device authorizations (RFC 8628): making codes, a person's answer, polling, and the one redemption.

The device code is a long random secret. The user code is short, since people type it: it is worth guessing only for
`LIFETIME`, wrong guesses are limited (`device_views`), and its hash is keyed. Knows no requests.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Least
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.oauth_server import application_changes
from accounts.oauth_server.application_changes import approved_version
from accounts.oauth_server.models import Application, DeviceAuthorization
from accounts.oauth_server.replays import hash_secret

Status = DeviceAuthorization.Status
LIFETIME = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)  # after the end, so that a late device is told "expired_token"
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; 20 letters (RFC 8628 §6.1)
CODE_LENGTH = 8  # 34 bits
INTERVAL = SLOWER = 5  # seconds; each poll that comes too early adds `SLOWER` (RFC 8628 §3.5)
SLOWEST = 60
EARLY = timedelta(seconds=1)  # tolerated, for networks that are slow once and fast the next time
TRIES = 5


@dataclass(frozen=True, kw_only=True)
class NewCodes:
    """The codes of a new device authorization, which are stored nowhere else."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)  # as people see it: "BCDF-GHJK"


@sensitive_variables("codes")
def issue_codes(application: Application, *, scopes: list[str], resources: list[str], address: str) -> NewCodes:
    """Store a device authorization that waits for a person."""
    for _attempt in range(TRIES):
        letters = "".join(secrets.choice(LETTERS) for _letter in range(CODE_LENGTH))
        codes = NewCodes(device_code=secrets.token_urlsafe(32), user_code=in_groups(letters))
        try:
            with transaction.atomic():
                DeviceAuthorization.objects.create(
                    application=application,
                    device_code_hash=hash_secret(codes.device_code),
                    user_code_hash=user_code_hash(codes.user_code),
                    scopes=scopes,
                    resources=resources,
                    address=address[:45],
                    expires_at=timezone.now() + LIFETIME,
                    interval=INTERVAL,
                )
        except IntegrityError:  # another device has this code now
            continue
        return codes
    raise RuntimeError("No free user code.")


def in_groups(letters: str) -> str:
    return f"{letters[: CODE_LENGTH // 2]}-{letters[CODE_LENGTH // 2 :]}"


def normalize_user_code(text: str) -> str:
    """The code as the device shows it, however it was typed; "" if it cannot be one."""
    letters = re.sub(r"[^A-Z]", "", text.upper()) if len(text) <= 40 else ""
    return in_groups(letters) if len(letters) == CODE_LENGTH and set(letters) <= set(LETTERS) else ""


def user_code_hash(user_code: str) -> str:
    """A keyed hash: anyone could find a plain hash's code by trying them all."""
    return salted_hmac("keyrack.user-code", user_code, algorithm="sha256").hexdigest()


def find_pending(user_code: str) -> DeviceAuthorization | None:
    """The device that shows this code and still waits."""
    code = normalize_user_code(user_code)
    if not code:
        return None
    rows = DeviceAuthorization.objects.filter(
        user_code_hash=user_code_hash(code), status=Status.PENDING, expires_at__gt=timezone.now()
    )
    device = rows.select_related("application").first()
    return device if device and device.application.may_be_used else None


def store_answer(device: DeviceAuthorization, user: User, granted: list[str], *, version: str = "") -> bool:
    """Store the person's answer: the granted scopes, or none to refuse. Only the first answer counts.

    `version` is that of the application that the person saw. Returns whether the answer was stored.
    """
    with transaction.atomic():
        application = application_changes.lock_application(pk=device.application_id)
        if application is None or not application.may_be_used:
            return False
        if granted and approved_version(application) != version:
            return False
        waiting = DeviceAuthorization.objects.filter(pk=device.pk, status=Status.PENDING, expires_at__gt=timezone.now())
        status = Status.APPROVED if granted else Status.DENIED
        return bool(waiting.update(status=status, user=user, scopes=granted, approved_version=version))


# The device -----------------------------------------------------------------------------------------------------------


def find_by_device_code(device_code: str, application: Application) -> DeviceAuthorization | None:
    rows = DeviceAuthorization.objects.filter(device_code_hash=hash_secret(device_code), application=application)
    return rows.select_related("user").first()


def is_too_early(device: DeviceAuthorization) -> bool:
    """Record a poll. Returns whether it came before the interval was over, which makes the interval longer."""
    now = timezone.now()
    rows = DeviceAuthorization.objects.filter(pk=device.pk)
    due = now - timedelta(seconds=device.interval) + EARLY
    if rows.filter(Q(last_polled_at=None) | Q(last_polled_at__lte=due)).update(last_polled_at=now):
        return False
    rows.update(last_polled_at=now, interval=Least(F("interval") + SLOWER, SLOWEST))
    return True


def redeem(device: DeviceAuthorization) -> bool:
    """Delete an approved device authorization. Of parallel calls, one alone returns True. Call it in a transaction."""
    approved = DeviceAuthorization.objects.filter(
        pk=device.pk, status=Status.APPROVED, expires_at__gt=timezone.now(), user=device.user
    )
    return bool(approved.delete()[0])


def forgotten_authorizations() -> models.QuerySet[DeviceAuthorization]:
    return DeviceAuthorization.objects.filter(expires_at__lt=timezone.now() - REMEMBERED)
