"""What can act as a user besides a session: make, recognise and end permanent tokens and application passwords.

A secret is told once, by the function that makes it. What a secret may do is worked out at each use and stored nowhere.
Knows nothing of requests: an address is where somebody connected from, as text.
"""

import hmac
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import privileges, scopes, token_families
from accounts.access_tokens import token_formats
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.audit import log
from accounts.models import User
from accounts.sign_in import mfa
from foundation.secrets_at_rest import first_key_id, keyed_hashes

USE_WRITTEN_EVERY = timedelta(minutes=1)
PLACE_KNOWN_FOR = timedelta(days=30)

# A hash for one purpose is none for another; and what happens to which kind, in the words of the diary.
PURPOSES: dict[type[LongLivedModel], str] = {
    PermanentToken: "accounts:permanent-token", ApplicationPassword: "accounts:application-password"
}  # fmt: skip
CREATED: dict[type[LongLivedModel], log.Kind] = {
    PermanentToken: log.Kind.TOKEN_CREATED, ApplicationPassword: log.Kind.APPLICATION_PASSWORD_CREATED
}  # fmt: skip
FIRST_USED: dict[type[LongLivedModel], log.Kind] = {
    PermanentToken: log.Kind.TOKEN_FIRST_USED, ApplicationPassword: log.Kind.APPLICATION_PASSWORD_USED
}  # fmt: skip
ENDED: dict[type[LongLivedModel], log.Kind] = {
    PermanentToken: log.Kind.TOKEN_DELETED, ApplicationPassword: log.Kind.APPLICATION_PASSWORD_DELETED
}  # fmt: skip


# Make -----------------------------------------------------------------------------------------------------------------


@sensitive_variables("shown")
def make_token(
    user: User, *, name: str, scopes: Iterable[str], expires_at: datetime | None, by: User, address: str = ""
) -> tuple[PermanentToken, str]:
    """A token of this user's and what it reads, which nobody can be told again. `PermissionDenied` if `by` may not."""
    wanted = sorted(set(scopes))
    if not privileges.may_make_for(user, by) or set(wanted) - giveable(user, by).keys():
        raise PermissionDenied
    shown = token_formats.new_token()
    token = PermanentToken(user=user, name=name, scopes=wanted, expires_at=expires_at, created_by=by)
    token.created_by_name, token.public_id = by.get_username(), token_formats.public_part(shown)
    hash_anew(token, shown)
    with transaction.atomic():
        token.save()
        note(CREATED, token, who=by, address=address)
    return token, shown


@sensitive_variables("shown")
def make_application_password(
    user: User, *, name: str, scopes: Iterable[str], address: str = ""
) -> tuple[ApplicationPassword, str]:
    """The same for one program. `PermissionDenied` without two-step sign-in, which it would be no way round."""
    wanted = sorted(set(scopes))
    if not mfa.is_on(user) or set(wanted) - giveable(user, user).keys():
        raise PermissionDenied
    shown = token_formats.new_application_password()
    row = ApplicationPassword(user=user, name=name, scopes=wanted)
    hash_anew(row, token_formats.bare(shown))
    with transaction.atomic():
        row.save()
        note(CREATED, row, who=user, address=address)
    return row, shown


def giveable(user: User, maker: User) -> dict[str, object]:
    """What a token of `user` may hold if `maker` makes it: what both may do. With its words."""
    theirs = scopes.of(user)
    return theirs if maker.pk == user.pk else {name: theirs[name] for name in theirs if name in scopes.of(maker)}


# Recognise ------------------------------------------------------------------------------------------------------------


@sensitive_variables("shown")
def verify_token(shown: str, address: str = "") -> PermanentToken | None:
    """The living token that reads so. What cannot be one is refused without asking the database."""
    public_id = token_formats.public_part(shown)
    if not public_id:
        return None
    rows = PermanentToken.objects.alive().select_related("user", "created_by")
    token: PermanentToken | None = rows.filter(public_id=public_id).first()
    if token is None or not reads_so(token, shown) or not stands(token):
        return None
    note_use(token, shown, address)
    return token


def stands(token: PermanentToken) -> bool:
    """Whose it is and who made it are both there still."""
    return token.user.is_active and token.created_by is not None and token.created_by.is_active


def rights_of(token: PermanentToken) -> frozenset[str]:
    """Its scopes, of those what its owner may do now, and of those what its maker may do now.

    Nothing while its owner may do anything that its maker may not: what an account gains is not for whoever holds
    a token that somebody weaker made.
    """
    allowed = frozenset(scopes.of(token.user, token.scopes))
    if token.is_own:
        return allowed
    maker = token.created_by
    if maker is None or privileges.exceeds(token.user, maker):
        return frozenset()
    return allowed & scopes.of(maker, token.scopes).keys()


@sensitive_variables("password", "letters")
def verify_application_password(user: User, password: str, address: str = "") -> ApplicationPassword | None:
    """The living application password of this user that reads so, with spaces and dashes or without.

    None as well for a deactivated user and without two-step sign-in. Whoever asks counts wrong ones. What it allows:
    `rights_of_application_password`.
    """
    letters = token_formats.bare(password)
    if not letters or not user.is_active:
        return None
    hashes = keyed_hashes.all_hashes(letters, purpose=PURPOSES[ApplicationPassword])
    row: ApplicationPassword | None = user.application_passwords.alive().filter(keyed_hash__in=hashes).first()
    if row is None or not mfa.is_on(user):
        return None
    note_use(row, letters, address)
    return row


def known_place(user: User, address: str) -> str:
    """A network address that an application password of this user was last used from; "" for any other address."""
    since = timezone.now() - PLACE_KNOWN_FOR
    used = user.application_passwords.alive().filter(last_used_from=address[:45], last_used_at__gt=since)
    return f"at {address}" if used.exists() else ""


def rights_of_application_password(row: ApplicationPassword) -> frozenset[str]:
    return frozenset(scopes.of(row.user, row.scopes))


def reads_so(row: LongLivedModel, secret: str) -> bool:
    expected = keyed_hashes.keyed_hash(secret, key_id=row.pepper_id, purpose=PURPOSES[type(row)])
    return bool(expected) and hmac.compare_digest(expected, row.keyed_hash)


def hash_anew(row: LongLivedModel, secret: str) -> None:
    """Under the first key; not saved yet."""
    row.pepper_id = first_key_id()
    row.keyed_hash = keyed_hashes.keyed_hash(secret, key_id=row.pepper_id, purpose=PURPOSES[type(row)])


def note_use(row: PermanentToken | ApplicationPassword, secret: str, address: str) -> None:
    """At most once a minute. What is used moves to the first key, so that an old one can be taken away some day."""
    now, before = timezone.now(), row.last_used_at
    if before and before > now - USE_WRITTEN_EVERY:
        return
    hash_anew(row, secret)
    hashed = {"pepper_id": row.pepper_id, "keyed_hash": row.keyed_hash}
    unchanged = type(row).objects.filter(pk=row.pk, last_used_at=before, ended_at=None)
    if unchanged.update(last_used_at=now, last_used_from=address[:45], **hashed) and before is None:
        note(FIRST_USED, row, who=row.user, address=address)


def living_under_keys() -> Counter[str]:
    """How many stand on which key of TOKEN_ENCRYPTION_KEYS: they die with it."""
    kinds = (PermanentToken, ApplicationPassword)
    return Counter(key_id for kind in kinds for key_id in kind.objects.alive().values_list("pepper_id", flat=True))


# End ------------------------------------------------------------------------------------------------------------------


def end(
    row: PermanentToken | ApplicationPassword,
    *,
    who: User | None,
    because: str = LongLivedModel.Ending.DELETED,
    address: str = "",
) -> bool:
    """Dead when this returns; whether it was alive. Its row stays for a while, without the hash. Safe to repeat."""
    living = type(row).objects.alive().filter(pk=row.pk)
    with transaction.atomic():
        if not living.update(ended_at=timezone.now(), ended_because=because, keyed_hash=""):
            return False
        token_families.end_made_with(row.pk)
        note(ENDED, row, who=who, address=address, because=because)
    return True


def end_application_passwords(user: User) -> None:
    """There is no second factor any more that they would stand beside."""
    for row in user.application_passwords.alive():
        end(row, who=user, because=LongLivedModel.Ending.SECOND_FACTOR)


def note(
    kinds: dict[type[LongLivedModel], log.Kind],
    row: PermanentToken | ApplicationPassword,
    *,
    who: User | None,
    address: str,
    because: str = "",
) -> None:
    kind, detail = kinds[type(row)], ""
    if because == LongLivedModel.Ending.LEAKED and isinstance(row, PermanentToken):
        kind = log.Kind.TOKEN_LEAKED
    elif because not in ("", LongLivedModel.Ending.DELETED):
        detail = str(LongLivedModel.Ending(because).label)
    log.write(kind, whose=row.user, who=who, detail=detail, address=address, subject=row.name, subject_id=row.pk)
