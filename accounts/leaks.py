"""What somebody found where it should not be: whichever of our secrets stand in it are dead, and their owners told.

Knows nothing of how it came in, nor who may learn what it was.
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
from foundation.secrets_at_rest import keyed_hashes

LONGEST = 64_000  # characters of a report
PIECES = 1_000  # of it that are looked up
LEAKED = LongLivedModel.Ending.LEAKED


@sensitive_variables()
def report(text: str, *, who: User | None = None, address: str = "") -> int:
    """Ends every permanent token, application password, access token and refresh token of ours in the text.

    Safe to repeat. How many were alive: for whoever runs the site, not for whoever sent the report.
    """
    text = text[:LONGEST]
    rows: list[PermanentToken | ApplicationPassword] = [*permanent_tokens_in(text), *application_passwords_in(text)]
    ended = [operations.end(row, who=who, because=LEAKED, address=address) for row in rows]
    grants = validator.end_leaked(pieces_of(text))
    for owner, application in grants:
        note_leaked_grant(owner, application.name, who=who, address=address)
    return sum(ended) + len(grants)


@sensitive_variables()
def permanent_tokens_in(text: str) -> list[PermanentToken]:
    shown = {token_formats.public_part(token): token for token in token_formats.tokens_in(text)[:PIECES]}
    rows = PermanentToken.objects.alive().filter(public_id__in=shown).select_related("user")
    return [row for row in rows if operations.reads_so(row, shown[row.public_id])]


@sensitive_variables()
def application_passwords_in(text: str) -> list[ApplicationPassword]:
    """One line each, as they are shown; or the whole text."""
    bare = {token_formats.bare(line) for line in [text, *text.splitlines()[:PIECES]]} - {""}
    purpose = operations.PURPOSES[ApplicationPassword]
    hashes = [keyed for secret in bare for keyed in keyed_hashes.all_hashes(secret, purpose=purpose)]
    return list(ApplicationPassword.objects.alive().filter(keyed_hash__in=hashes).select_related("user"))


@sensitive_variables()
def pieces_of(text: str) -> list[str]:
    """Whatever could be an access or refresh token: it may stand in a header, in JSON or in an address."""
    spaced = "".join(letter if letter.isalnum() or letter in "-._~" else " " for letter in text)
    return list(dict.fromkeys(piece for piece in spaced.split() if len(piece) >= 20))[:PIECES]


def note_leaked_grant(owner: User | None, application: str, *, who: User | None, address: str) -> None:
    if owner is None:
        return  # a client's own token has no owner to tell
    told = _("reported as leaked")
    log.write(log.Kind.GRANT_ENDED, whose=owner, who=who, detail=told, address=address, subject=application)
    transaction.on_commit(lambda: tasks.hurry_leak_mail(owner.pk, application), robust=True)
