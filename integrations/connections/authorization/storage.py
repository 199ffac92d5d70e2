"""The result of a sign-in: stored tokens, a choice between two accounts, or a failure.

Who may sign in is checked at the start and again when the response arrives.
"""

from collections.abc import Callable
from copy import copy
from functools import partial

from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.audit.details import register_detail
from accounts.models import User
from foundation.database import insist
from foundation.error_boundary import error_boundary
from foundation.exceptions import Explained
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError
from foundation.secrets_at_rest import value_or_blank
from integrations import circuit_breaker, registration_health
from integrations.connections import tasks
from integrations.connections.authorization import failures, provider_values
from integrations.connections.authorization.account import account_of, is_other_account, is_same_account
from integrations.connections.authorization.connect_links import maker_of_link, may_be_used, use_link
from integrations.models import admission, events, revocation_reach
from integrations.models.card import Integration, build_integrations
from integrations.models.events import EventKind
from integrations.models.registry import (
    Alias,
    AliasQuerySet,
    IntegrationType,
    OAuth2Credential,
    OtherAccount,
    RevocationReach,
    Use,
)
from integrations.models.system_integration import build_system_integration
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
    TokenState,
    consent,
)

FOR_SYSTEM = register_detail(gettext_noop("for the system"))
FOR_SYSTEM_AS = register_detail(gettext_noop("for the system as %(account)s"))
BY_LINK = register_detail(gettext_noop("by the connect link of %(maker)s"))
BY_LINK_AS = register_detail(gettext_noop("%(account)s (by the connect link of %(maker)s)"))


class NotAvailable(Explained):
    """This person may not use it. Does not say whether it is missing, inactive or forbidden."""

    message = "There is no such integration that this person may sign in to."


def require_available(user: User, credential: OAuth2Credential) -> None:
    """Raise `NotAvailable` unless this person may sign in with the credential: for themselves, or for the system."""
    if not admission.may_sign_in(user, credential):
        raise NotAvailable


def agreement_at_start(user: User, credential: OAuth2Credential) -> consent.Agreement:
    """The addresses that a sign-in agrees to which begins now. Raises `NotAvailable` as `require_available` does.

    Of a person these are the connections of the integrations that admission lets them sign in to: one statement says
    whether there are any, and where they lead.
    """
    if not credential.is_personal:
        require_available(user, credential)
        return consent.current_agreement(credential, None)
    columns = ("active_connection__credential", "active_connection__connection_url")
    rows = list(admitted_aliases(user, credential).values_list(*columns))
    if not rows:
        raise NotAvailable
    return consent.build_agreement(credential.registry, [url for pk, url in rows if pk == credential.pk])


def admitted_aliases(user: User, credential: OAuth2Credential) -> AliasQuerySet:
    return admission.filter_admitted(user.pk, Alias.objects.personal_using(credential))


def integration_for(user: User, credential: OAuth2Credential) -> Integration:
    """The integration that this person may sign in to with the credential: their own, or the system's."""
    if not credential.is_personal:
        require_available(user, credential)
        return build_system_integration(credential)
    for integration in build_integrations(user, admitted_aliases(user, credential)):
        return integration
    raise NotAvailable


def integration_behind(attempt: AuthorizationAttempt) -> Integration:
    """The integration of this attempt, whether the person may still use it or not."""
    if attempt.is_shared:
        return build_system_integration(attempt.credential)
    for integration in build_integrations(attempt.user, Alias.objects.complete().naming(attempt.credential)):
        return integration
    raise NotAvailable


def is_still_available(attempt: AuthorizationAttempt) -> bool:
    """Whether person, role, alias and credential type still allow this sign-in. Reads all of them again."""
    if attempt.link and not may_be_used(attempt.link):
        return False
    if not attempt.is_shared:
        return admitted_aliases(attempt.user, attempt.credential).exists()  # none if the type has changed
    user = User.objects.filter(pk=attempt.user_id, is_active=True).first()  # without cached permissions
    credentials = OAuth2Credential.objects.filter(pk=attempt.credential_id, integration_type=IntegrationType.SYSTEM)
    credential = credentials.first()
    return user is not None and credential is not None and admission.may_sign_in(user, credential)


def fetch_and_store(attempt: AuthorizationAttempt, fetch: Callable[[], TokenAnswer], *, account_name: str = "") -> None:
    """Fetch and store the tokens, or record the failure. Raises `NotAvailable` if the attempt is gone meanwhile.

    `account_name`: what the person calls the account, in case the provider names none.
    """
    answer = None
    try:
        with error_boundary(f"Sign-in {attempt.hex}", expected=(OAuthError, NotAvailable)):
            answer = fetch()
    except OAuthError as error:
        circuit_breaker.record_result(attempt.registry, attempt.registry.token_url, error)
        failures.fail_with_error(attempt, error)
        return
    if answer is None:
        failures.fail_attempt(attempt, "internal_error")
        return
    if not insist(partial(attempt.hold, answer)):
        insist(partial(revoke_unheld, attempt))
        raise NotAvailable
    registration_health.note_accepted(attempt.registry, use=Use.SIGN_IN)
    circuit_breaker.record_result(attempt.registry, attempt.registry.token_url)
    with error_boundary(
        f"Sign-in {attempt.hex}",
        on_error=lambda _error: failures.revoke_and_fail(attempt, "internal_error"),  # no card would show the grant
        expected=(DatabaseError, NotAvailable),
    ):
        account = account_of(attempt.registry, answer, agreed=attempt.agreed)
        attempt.account_id, attempt.account_label = account.id, account.label or account_name
        attempt.has_userinfo = account.has_userinfo
        if provider_values.complete_values(attempt, answer):
            settle_attempt(attempt)


@transaction.atomic
def revoke_unheld(attempt: AuthorizationAttempt) -> None:
    """Revoke tokens that came for a sign-in that was deleted meanwhile."""
    copied = copy(attempt)  # keeps its answer, in case the transaction fails and is tried again
    tasks.deliver_soon(copied.revoke_answer(reason="no_longer_available", may_be_gone=True))


def choose_value(user: User, attempt: AuthorizationAttempt, value: str) -> None:
    """Apply the person's choice among the values that the provider offers, and go on with the sign-in. Only once."""
    answer = provider_values.take_choice(user, attempt, value)
    if answer and provider_values.complete_values(attempt, answer):
        settle_attempt(attempt)


def settle_attempt(attempt: AuthorizationAttempt) -> None:
    """Store the tokens, ask about another account, or revoke them if the person has lost access."""
    try:
        settle_once(attempt)
    except IntegrityError:  # two first sign-ins at once: now the row of the other one exists
        settle_once(attempt)


def settle_once(attempt: AuthorizationAttempt) -> None:
    with transaction.atomic():
        if failures.end_if_cancelled(attempt):
            return
        answer = attempt.stored_answer()
        stored = Token.objects.select_for_update().of(attempt.owner, attempt.credential).first()
        if answer is None:
            failures.fail_attempt(attempt, "unreadable")
        elif attempt.link and attempt.link.was_used():
            revoke_unwanted(attempt, reason="no_longer_available")  # not the grant of the tokens that it stored
            failures.fail_attempt(attempt, "no_longer_available")
        elif not is_still_available(attempt):
            failures.revoke_and_fail(attempt, "no_longer_available")
        elif stored and is_other_account(stored, attempt):
            handle_other_account(attempt)
        elif not use_link(attempt):
            failures.revoke_and_fail(attempt, "no_longer_available")
        else:
            store_tokens(attempt, answer, stored)


def handle_other_account(attempt: AuthorizationAttempt) -> None:
    """Leave the stored tokens as they are: the person chooses, unless the credential refuses other accounts."""
    if attempt.credential.other_account == OtherAccount.ASK:
        attempt.finish(AttemptStatus.OTHER_ACCOUNT)
        return
    revoke_unwanted(attempt, reason="other_account_refused")
    failures.fail_attempt(attempt, "other_account_refused")


def revoke_unwanted(attempt: AuthorizationAttempt, *, reason: str) -> None:
    """Revoke tokens of an account that is not wanted. They are left to expire if that could end another sign-in."""
    if shares_grant_with_another(attempt):
        attempt.answer = ""
    else:
        tasks.deliver_soon(attempt.revoke_answer(reason=reason))


def shares_grant_with_another(attempt: AuthorizationAttempt) -> bool:
    """Whether another sign-in uses this account, and revoking the new tokens might end that one too."""
    if attempt.registry.revocation_reach == RevocationReach.TOKEN:
        return False
    tokens = Token.objects.filter(credential__profile__registry=attempt.registry, account_id=attempt.account_id)
    return tokens.exists()


def store_tokens(attempt: AuthorizationAttempt, answer: TokenAnswer, stored: Token | None) -> None:
    """Store the tokens as the only ones of this person and credential: the row is replaced in place."""
    token = attempt.token(answer)
    supersede_revocations(attempt)
    if stored:
        if keep_refresh_token(token, stored, attempt):
            pass  # revoking the replaced access token could end the grant that the refresh token belongs to
        elif must_be_revoked(stored, attempt):
            tasks.deliver_soon(stored.create_revocation_of_copy(reason="replaced"))
        token.pk, token.version = stored.pk, stored.version + 1
        token.last_used_at, token.last_used_by = stored.last_used_at, stored.last_used_by
        token._state.adding = False
    token.save()
    attempt.finish(AttemptStatus.CONNECTED)
    account = attempt.account_label
    if stored and is_other_account(stored, attempt) and stored.account_label == account:
        account = f"{account} ({attempt.account_id})".strip()  # two accounts with the same label
    events.log_event(attempt.user, attempt.credential, EventKind.CONNECTED, connected_detail(attempt, account))


def connected_detail(attempt: AuthorizationAttempt, account: str) -> str:
    """The account, and how the sign-in was not one of the person themselves."""
    if attempt.is_shared:
        return FOR_SYSTEM_AS % {"account": account} if account else FOR_SYSTEM
    maker = maker_of_link(attempt)
    if not maker:
        return account
    return BY_LINK_AS % {"account": account, "maker": maker} if account else BY_LINK % {"maker": maker}


def keep_refresh_token(token: Token, stored: Token, attempt: AuthorizationAttempt) -> bool:
    """Keep the stored refresh token if the renewed sign-in of the same account brought none. True if it stays.

    Providers send one at the first consent only. Where neither sign-in names an account, the provider says by this that
    the grant is there already; without its refresh token, each renewed sign-in would end with its access token.
    """
    is_alive = stored.state == TokenState.VALID and not stored.failure_code and not stored.refresh_token_is_over
    if token.has_refresh_token or not is_alive or not is_same_account(stored, attempt) or stored.address_changes():
        return False
    refresh_token = value_or_blank(stored, "refresh_token")
    if refresh_token:
        token.refresh_token = refresh_token
        token.refresh_expires_at, token.refresh_expiry = stored.refresh_expires_at, stored.refresh_expiry
    return bool(refresh_token)


def must_be_revoked(stored: Token, attempt: AuthorizationAttempt) -> bool:
    """Whether to revoke the replaced tokens at the provider.

    Not if one revocation ends everything that the person granted, because it would end the new tokens too. If that is
    not known, only if the old ones belong to another account, or to a sign-in that ran at the same time.
    """
    reach = attempt.registry.revocation_reach
    if is_other_account(stored, attempt) or reach == RevocationReach.TOKEN:
        return True
    return reach == RevocationReach.UNKNOWN and stored.signed_in_at > attempt.created_at


def supersede_revocations(attempt: AuthorizationAttempt) -> None:
    """Cancel the revocations that would end the new grant. The others only disappear from the card."""
    for revocation in revocation_reach.conflicting_revocations(attempt):
        revocation.settle(RevocationState.SUPERSEDED)
    revocations = Revocation.objects.of(attempt.owner, attempt.credential).undelivered()
    revocations.filter(dismissed_at__isnull=True).update(dismissed_at=timezone.now())


def choose(user: User, attempt: AuthorizationAttempt, *, switch: bool) -> None:
    """Apply the person's choice between two accounts: switch, or stay and revoke the new tokens. Only once."""
    if attempt.signer_id != user.pk or attempt.status != AttemptStatus.OTHER_ACCOUNT:
        return
    with transaction.atomic():
        if not attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.OTHER_ACCOUNT):
            return
        answer = attempt.stored_answer()
        if switch and answer and is_still_available(attempt) and use_link(attempt):
            stored = Token.objects.select_for_update().of(attempt.owner, attempt.credential).first()
            store_tokens(attempt, answer, stored)
        else:
            revoke_unwanted(attempt, reason="other_account_declined")
            attempt.finish(AttemptStatus.CANCELLED, failure_code="other_account_declined")
