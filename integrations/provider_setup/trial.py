"""The trial of a new provider: one administrator signs in as anybody would, and makes one real call.

Until it has worked, or is turned on without trying, nobody else sees it (`models.admission`).
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from foundation.oauth_client import client
from foundation.oauth_client.errors import Fault, OAuthError
from integrations import calls
from integrations.calls.meanings import FAULTS
from integrations.models.card import Integration, integration_of
from integrations.models.failures import explanation_of, field_behind
from integrations.models.registry import Alias, ApplicationRegistry, OAuth2Credential
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI

BODY_SHOWN, LONGEST_MOMENT = 2_000, 20  # characters
REFUSED_BY_FAULT = frozenset({Fault.PERSON, Fault.SET_UP})  # of the reasons that calls tell
SHOWN_HEADERS = ("Content-Type", "WWW-Authenticate")


@dataclass(frozen=True, kw_only=True)
class CallResult:
    """Result of the real call. `status` 0: no answer came; `error` says why. `reason`: of `calls.reason_of`."""

    url: str
    status: int = 0
    reason: str = ""
    milliseconds: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    error: str = ""
    account_was_read: bool = False  # from the Userinfo URL, with the same token

    @property
    def verdict(self) -> str:
        """ "works", "refused", or "unclear" if the answer doesn't show whether the token was accepted."""
        if is_refused(self.status, self.reason):
            return "refused"
        is_good = 200 <= self.status < 300 and not self.reason
        return "works" if is_good or (self.account_was_read and self.status) else "unclear"


def is_refused(status: int, reason: str) -> bool:
    """Whether an answer refuses the token. A 403 may mean something else, such as a rate limit.

    A redirect to a sign-in page may mean that the Connection URL is that of a website.
    """
    if 300 <= status < 400:
        return False
    return FAULTS.get(reason) in REFUSED_BY_FAULT or (status in {401, 403} and not reason)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The state of a trial: the alias, the administrator's card, and the latest sign-in since it was saved."""

    alias: Alias
    user: User
    integration: Integration | None  # None if the administrator may not use it, or another one tries it
    attempt: AuthorizationAttempt | None
    token: Token | None

    @property
    def state(self) -> str:
        if not self.alias.awaits_trial:
            return "shown"
        if self.alias.tester_id != self.user.pk:
            return "taken"
        if self.integration is None:
            return "forbidden"
        if self.token and self.integration.is_token_valid:
            return "signed_in"
        if self.attempt is None or self.attempt.status == AttemptStatus.CONNECTED:
            return "start"
        return "failed" if self.attempt.status in ENDED else "waiting"

    def began_after(self, moment: str) -> bool:
        """Whether the latest sign-in began after a Unix time in milliseconds; True if it is none."""
        if not (moment.isdecimal() and len(moment) <= LONGEST_MOMENT) or self.attempt is None:
            return True
        return self.attempt.created_at.timestamp() * 1000 >= int(moment)

    @property
    def name(self) -> str:
        return self.alias.title

    @property
    def registry(self) -> Any:
        credential = self.alias.effective_credential
        return credential.registry if credential else None

    @property
    def field(self) -> str:
        """The field of the registration that the failed sign-in points to; "" if it points to none."""
        return field_behind(self.attempt.failure_code) if self.attempt else ""

    @property
    def words(self) -> str:
        """The code of the failed sign-in and the provider's own words."""
        if self.attempt is None:
            return ""
        return ": ".join(filter(None, (self.attempt.failure_code, self.attempt.failure_reason)))

    @property
    def explanation(self) -> str:
        return explanation_of(self.attempt.failure_code) if self.attempt else ""


ENDED = (AttemptStatus.FAILED, AttemptStatus.CANCELLED)


def find_trial(registry_id: UUID, user: User) -> Trial | None:
    """Return the trial of the first alias that uses this registry; None if there is none."""
    aliases = Alias.objects.personal().order_by("-awaits_trial", "name")
    for alias in aliases:
        credential = alias.effective_credential
        if credential and credential.profile.registry_id == registry_id:
            attempts = AuthorizationAttempt.objects.filter(user=user, credential=credential)
            return Trial(
                alias=alias,
                user=user,
                integration=integration_of(user, alias.pk),
                attempt=attempts.order_by("-created_at").first(),
                token=Token.objects.of(user, credential).first(),
            )
    return None


def find_shown_alias(registry: ApplicationRegistry) -> Alias | None:
    """Return an alias that uses this registry and is shown to people, if there is one."""
    credentials = OAuth2Credential.objects.filter(profile__registry=registry)
    return Alias.objects.using_any(credentials).filter(awaits_trial=False).order_by("name").first()


def take_over(alias: Alias, user: User) -> None:
    """Let this administrator try it."""
    alias.tester = user
    alias.save(update_fields=["tester"])


def default_path(alias: Alias) -> str:
    """Return the path of the userinfo endpoint if it is below the Connection URL, else ""."""
    connection, credential = alias.connection, alias.effective_credential
    if connection is None or credential is None:
        return ""
    base, userinfo = connection.connection_url.rstrip("/") + "/", credential.registry.userinfo_url
    return userinfo.removeprefix(base) if userinfo.startswith(base) else ""


def make_call(trial: Trial, path: str) -> CallResult:
    """Make one GET request with the administrator's token, and show the alias to people if it worked."""
    api, alias = PersonalAuthAPI(trial.user), trial.alias
    connection = alias.connection
    url = f"{connection.connection_url.rstrip('/')}/{path.lstrip('/')}" if connection else ""
    started = time.monotonic()
    try:
        access_token = api.get_token(alias.name).access_token
        response = api.request(alias.name, "GET", path, headers={"Accept": "application/json"})
    except NotAuthenticated as error:
        return CallResult(url=url, error=_("There is no usable token: %(code)s.") % {"code": error.code})
    except (OAuthError, calls.BadPath) as error:
        return CallResult(url=url, error=error.describe(_))
    status, reason = response.status_code, calls.reason_of(response)
    result = CallResult(
        url=url,
        status=status,
        reason=reason,
        milliseconds=round((time.monotonic() - started) * 1000),
        headers=tuple((name, response.headers[name]) for name in SHOWN_HEADERS if name in response.headers),
        body=response.text[:BODY_SHOWN].replace(access_token, "…"),
        account_was_read=not is_refused(status, reason) and reads_account(trial, access_token),
    )
    if result.verdict == "works":
        alias.show_to_people()
    return result


def reads_account(trial: Trial, access_token: str) -> bool:
    """Whether the Userinfo URL accepts the token."""
    if not trial.registry.userinfo_url:
        return False
    try:
        client.userinfo(trial.registry.registration(), access_token)
    except OAuthError:
        return False
    return True
