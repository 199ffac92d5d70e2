"""How long rows of accounts, of the OAuth server and of Django's own tables are kept."""

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_device_grant_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)

from accounts import token_families
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit.log import Event
from accounts.models import RefreshReplay, TokenFamily, User
from accounts.oauth_server import device_codes, replays, self_registration
from accounts.oauth_server.models import Application, Approval, DeviceAuthorization, RedeemedCode
from accounts.sign_in.middleware import DEVICE_LIFETIME
from accounts.sign_in.models import AttemptCounter, KnownDevice, TwoStepRequirement
from foundation.installation import Installation
from foundation.mail_outbox import FORGOTTEN_AFTER as MAIL_FORGOTTEN_AFTER
from foundation.mail_outbox import DeferredMail
from foundation.retention import declare_rule

Rows = Any  # querysets of models without types
DAY = timedelta(days=1)
CONFIRMATION_DAYS, SESSION_ROW_DAYS = 30, 1


def ended_sessions() -> Rows:
    return Session.objects.filter(expire_date__lt=timezone.now())


def rows_of_ended_sessions() -> Rows:
    sessions = Session.objects.filter(session_key=OuterRef("session_key"))
    return UserSession.objects.filter(~Exists(sessions), created_at__lt=timezone.now() - DAY * SESSION_ROW_DAYS)


def old_admin_entries() -> Rows:
    """Entries past their time, looked for among the oldest only: there is no index of times, but ids grow with them."""
    if not settings.AUDIT_LOG_DAYS:
        return LogEntry.objects.none()
    oldest = list(LogEntry.objects.order_by("pk").values_list("pk", flat=True)[:500])
    return LogEntry.objects.filter(pk__in=oldest, action_time__lt=timezone.now() - DAY * settings.AUDIT_LOG_DAYS)


def old_events() -> Rows:
    before = timezone.now() - DAY * settings.AUDIT_LOG_DAYS
    return Event._base_manager.filter(at__lt=before) if settings.AUDIT_LOG_DAYS else Event._base_manager.none()


def old_counters() -> Rows:
    return AttemptCounter.objects.filter(ends_at__lte=timezone.now())


def unused_devices() -> Rows:
    return KnownDevice.objects.filter(last_used_at__lte=timezone.now() - DEVICE_LIFETIME)


def unused_confirmations() -> Rows:
    return EmailConfirmation.objects.filter(created__lt=timezone.now() - DAY * CONFIRMATION_DAYS)


def forgotten_mails() -> Rows:
    return DeferredMail.objects.filter(next_attempt_at__lt=timezone.now() - MAIL_FORGOTTEN_AFTER)


def old_refresh_tokens() -> Rows:
    """As the toolkit's `cleartokens`: replaced ones stay until they would expire, so that a second use is noticed."""
    expired_at = timezone.now() - timedelta(seconds=settings.OAUTH2_PROVIDER["REFRESH_TOKEN_EXPIRE_SECONDS"])
    is_orphan = Q(revoked__isnull=True, access_token__isnull=True)
    is_idle = Q(revoked__isnull=True, access_token__expires__lte=expired_at)
    return get_refresh_token_model().objects.filter(Q(revoked__lte=expired_at) | is_orphan | is_idle)


def old_access_tokens() -> Rows:
    return get_access_token_model().objects.filter(refresh_token__isnull=True, expires__lt=timezone.now())


def old_id_tokens() -> Rows:
    return get_id_token_model().objects.filter(access_token__isnull=True, expires__lt=timezone.now())


def old_grants() -> Rows:
    return get_grant_model().objects.filter(expires__lt=timezone.now())


def old_device_grants() -> Rows:
    return get_device_grant_model().objects.filter(expires__lt=timezone.now() - DAY)


BY_HAND = "administrators delete them"
WITH_PERSON = "with the person"

declare_rule(Session, "when it expires", ended_sessions, size=1000)
declare_rule(UserSession, "a day after the session has ended", rows_of_ended_sessions)
declare_rule(LogEntry, "after `AUDIT_LOG_DAYS`", old_admin_entries)
declare_rule(Event, "after `AUDIT_LOG_DAYS`", old_events, size=1000)
declare_rule(AttemptCounter, "when its window is over", old_counters)
declare_rule(KnownDevice, "a year after it was last used", unused_devices)
declare_rule(EmailConfirmation, "30 days after it was made", unused_confirmations)
declare_rule(DeferredMail, "when it is sent, or a week after it was due", forgotten_mails)
declare_rule(PermanentToken, "30 days after its end", PermanentToken.objects.long_ended)
declare_rule(ApplicationPassword, "30 days after its end", ApplicationPassword.objects.long_ended)
declare_rule(get_refresh_token_model(), "30 days after it was last used or replaced", old_refresh_tokens)
declare_rule(get_access_token_model(), "when it expires and nothing renews it", old_access_tokens)
declare_rule(get_id_token_model(), "with its access token", old_id_tokens)
declare_rule(get_grant_model(), "when it expires", old_grants)
declare_rule(get_device_grant_model(), "a day after it expires", old_device_grants)
declare_rule(TokenFamily, "with its last refresh token", token_families.unused_families)
declare_rule(RefreshReplay, "after `REFRESH_REPLAY_SECONDS`", replays.expired_successors)
declare_rule(RedeemedCode, "after a day", replays.forgotten_codes)
declare_rule(Approval, "with the person or the application; one for both together")
declare_rule(Application, "unused ones that registered themselves; others by hand", self_registration.unused_programs)
declare_rule(DeviceAuthorization, "a day after it expires", device_codes.forgotten_authorizations)
declare_rule(Installation, "never: one row")
declare_rule(User, BY_HAND)
declare_rule(EmailAddress, WITH_PERSON)
declare_rule(Authenticator, WITH_PERSON)
declare_rule(TwoStepRequirement, "with the group")
declare_rule(Group, BY_HAND)
declare_rule(Permission, "with its model")
declare_rule(ContentType, "with its model")
