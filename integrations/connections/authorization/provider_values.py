"""Values of one person that calls need, such as a site or a tenant: asked for after the sign-in, chosen if several."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from django.db import transaction

from accounts.models import User
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.provider_profile.format import Lookup
from foundation.oauth_client.provider_requests import Choice, look_up
from integrations.connections import tasks
from integrations.connections.authorization.account import is_other_account, name_by_kept_values
from integrations.connections.authorization.failures import end_if_cancelled, fail_with_error, revoke_and_fail
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, PendingChoice, Token


def complete_values(attempt: AuthorizationAttempt, answer: TokenAnswer) -> bool:
    """Ask the provider for each value that is missing, and store them with the answer of the attempt.

    False if the sign-in has ended, or waits for the person: if there are several, the person chooses, unless they chose
    one of them at an earlier sign-in.
    """
    registry = attempt.registry
    stored = Token.objects.of(attempt.owner, attempt.credential).first()
    earlier = stored.values if stored and not is_other_account(stored, attempt) else {}
    values = dict(answer.kept)
    for lookup in registry.readable_profile.lookups:
        if lookup.name in values:
            continue
        try:
            choices = look_up(registry.registration(), lookup, answer.access_token, values=values)
        except OAuthError as error:
            tasks.deliver_soon(attempt.revoke_answer(reason="value_missing"))
            fail_with_error(attempt, error)
            return False
        offered = {choice.value: choice for choice in choices}
        if not offered:
            revoke_and_fail(attempt, "nothing_to_choose")
            return False
        if len(offered) > 1 and earlier.get(lookup.name) not in offered:
            attempt.hold(replace(answer, kept=values))
            wait_for_choice(attempt, lookup, offered)
            return False
        chosen = offered[earlier[lookup.name]] if len(offered) > 1 else next(iter(offered.values()))
        values |= {**chosen.also, lookup.name: chosen.value}
    if values != answer.kept:
        answer = replace(answer, kept=values)
        attempt.hold(answer)
    name_by_kept_values(attempt, answer)
    return True


def wait_for_choice(attempt: AuthorizationAttempt, lookup: Lookup, offered: Mapping[str, Choice]) -> None:
    options = [asdict(choice) for choice in offered.values()]
    pending = PendingChoice(name=lookup.name, title=lookup.title, options=options)
    with transaction.atomic():
        if not end_if_cancelled(attempt):
            attempt.choices = json.dumps(asdict(pending))
            attempt.finish(AttemptStatus.CHOICE)


def take_choice(user: User, attempt: AuthorizationAttempt, value: str) -> TokenAnswer | None:
    """The answer with the value that the person chose; None if it is not theirs to choose, or was chosen before."""
    pending = attempt.choice
    if attempt.signer_id != user.pk or pending is None:
        return None
    option = next((option for option in pending.options if option["value"] == value), None)
    answer = attempt.stored_answer()
    if not (option and answer and attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.CHOICE)):
        return None
    chosen = replace(answer, kept={**answer.kept, **option["also"], pending.name: value})
    attempt.hold(chosen)
    return chosen
