"""Revokes the secrets of ours that a reported text contains, and notifies their owners.

Knows neither how the report came in nor who may learn its outcome.
"""

from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts import tasks
from accounts.access_tokens import operations, token_formats
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.audit import log
from accounts.models import User
from accounts.oauth_server import validator
from foundation import secrets_at_rest

LONGEST = 64_000  # characters of a report
PIECES = 1_000  # candidates that are looked up in one report
LEAKED = LongLivedModel.Ending.LEAKED


@sensitive_variables()
def report(text: str, *, who: User | None = None, address: str = "") -> int:
    """Revoke every permanent token, application password, access token and refresh token of ours in the text.

    Returns how many were alive. Show that to operators only: the sender of a report could test tokens with it.
    Safe to repeat.
    """
    text = text[:LONGEST]
    rows: list[PermanentToken | ApplicationPassword] = [*permanent_tokens_in(text), *application_passwords_in(text)]
    ended = [operations.end(row, who=who, because=LEAKED, address=address) for row in rows]
    grants = validator.end_leaked_grants(token_candidates_in(text))
    for owner, application in grants:
        record_leaked_grant(owner, application.name, who=who, address=address)
    return sum(ended) + len(grants)


@sensitive_variables()
def permanent_tokens_in(text: str) -> list[PermanentToken]:
    tokens = {token_formats.public_part(token): token for token in token_formats.tokens_in(text)[:PIECES]}
    rows = PermanentToken.objects.alive().filter(public_id__in=tokens).select_related("user")
    return [row for row in rows if operations.matches_secret(row, tokens[row.public_id])]


@sensitive_variables()
def application_passwords_in(text: str) -> list[ApplicationPassword]:
    """Application passwords that fill a whole line, or the whole text."""
    candidates = {token_formats.normalize(line) for line in [text, *text.splitlines()[:PIECES]]} - {""}
    purpose = operations.PURPOSES[ApplicationPassword]
    hashes = [keyed_hash for secret in candidates for keyed_hash in secrets_at_rest.all_hashes(secret, purpose=purpose)]
    return list(ApplicationPassword.objects.alive().filter(keyed_hash__in=hashes).select_related("user"))


@sensitive_variables()
def token_candidates_in(text: str) -> list[str]:
    """Substrings that could be access or refresh tokens, out of headers, JSON or URLs."""
    separated = "".join(letter if letter.isalnum() or letter in "-._~" else " " for letter in text)
    return list(dict.fromkeys(piece for piece in separated.split() if len(piece) >= 20))[:PIECES]


def record_leaked_grant(owner: User | None, application: str, *, who: User | None, address: str) -> None:
    if owner is None:
        return  # a token of the client itself has no owner to notify
    detail = _("reported as leaked")
    log.write(log.Kind.GRANT_ENDED, whose=owner, who=who, detail=detail, address=address, subject=application)
    transaction.on_commit(lambda: tasks.queue_leaked_grant_mail(owner.pk, application), robust=True)
