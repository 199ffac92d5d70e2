"""Create, verify and end permanent tokens and application passwords.

A secret is returned once, by the function that creates it. What it allows is computed at each use, from the rights of
the people behind it. Knows no requests: `address` is the network address of the client, as text.

    krk_pt_ 8 public characters, 28 secret ones _ 6 of a checksum      permanent token: 166 secret bits
    abcd efgh ijkl mnop qrst uvwx                                      application password: 120 bits

Secret scanners can recognise a token by its prefix; its checksum reveals a typing error without a query.
"""

import hmac
import re
import secrets
import string
import zlib
from collections import Counter
from collections.abc import Iterable, Set
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import privileges, scopes, token_families
from accounts.access_tokens import usage
from accounts.access_tokens.models import WHY_ENDED, ApplicationPassword, LongLivedModel, PermanentToken
from accounts.audit import log
from accounts.models import User
from accounts.scopes import ADMINISTRATION
from accounts.sign_in import mfa
from foundation import secrets_at_rest
from foundation.secrets_at_rest import first_key_id

# Formats --------------------------------------------------------------------------------------------------------------
TOKEN_PREFIX = "krk_pt_"  # noqa: S105 - public
PUBLIC, SECRET, CHECKSUM = 8, 28, 6
DIGITS = string.digits + string.ascii_letters
TOKEN_PATTERN = re.compile(
    rf"{TOKEN_PREFIX}([0-9A-Za-z]{{{PUBLIC}}})([0-9A-Za-z]{{{SECRET}}})_([0-9A-Za-z]{{{CHECKSUM}}})"
)
LETTERS = string.ascii_lowercase + "234567"  # 5 bits each; no 0 and 1, which look like letters
PASSWORD, GROUP = 24, 4
APPLICATION_PASSWORD = re.compile(rf"[{LETTERS}]{{{PASSWORD}}}")


def new_token() -> str:
    body = TOKEN_PREFIX + "".join(secrets.choice(DIGITS) for _ in range(PUBLIC + SECRET))
    return f"{body}_{token_checksum(body)}"


def public_part(token: str) -> str:
    """The part that a token is looked up by; "" if the token is malformed."""
    match = TOKEN_PATTERN.fullmatch(token)
    if match is None or token_checksum(token.rpartition("_")[0]) != match[3]:
        return ""
    return match[1]


def tokens_in(text: str) -> list[str]:
    """The well-formed tokens in a text, without duplicates."""
    matches = dict.fromkeys(match[0] for match in TOKEN_PATTERN.finditer(text))
    return [token for token in matches if public_part(token)]


def token_checksum(body: str) -> str:
    """CRC-32 in base 62, as in GitHub's tokens."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM):
        rest, digit = divmod(rest, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def new_application_password() -> str:
    letters = "".join(secrets.choice(LETTERS) for _ in range(PASSWORD))
    return " ".join(letters[at : at + GROUP] for at in range(0, PASSWORD, GROUP))


def normalize_password(application_password: str) -> str:
    """The password without spaces and dashes, in lower case; "" if it is malformed."""
    letters = re.sub(r"[\s-]", "", application_password).lower()
    return letters if APPLICATION_PASSWORD.fullmatch(letters) else ""


# A hash made for one purpose matches no other. The other tables name the events of each model in the audit log.
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
@sensitive_variables("secret")
def make_token(
    user: User,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    by: User,
    address: str = "",
    detail: str = "",
) -> tuple[PermanentToken, str]:
    """Create a permanent token of `user`; returns the row and the secret. Raises `PermissionDenied` if `by` may not."""
    scope_names = sorted(set(scopes))
    if not privileges.may_make_token_for(user, by) or set(scope_names) - grantable_scopes(user, by).keys():
        raise PermissionDenied
    secret = new_token()
    token = PermanentToken(user=user, name=name, scopes=scope_names, expires_at=expires_at, created_by=by)
    token.created_by_name, token.public_id = by.get_username(), public_part(secret)
    set_hash(token, secret)
    with transaction.atomic():
        token.save()
        log_event(CREATED, token, who=by, address=address, detail=detail)
    return token, secret


@sensitive_variables("secret")
def make_application_password(
    user: User, *, name: str, scopes: Iterable[str], address: str = ""
) -> tuple[ApplicationPassword, str]:
    """Create an application password; returns the row and the secret.

    Raises `PermissionDenied` if the user lacks a scope or two-step sign-in: such a password is for programs that
    cannot ask for a second step.
    """
    scope_names = sorted(set(scopes))
    if not mfa.is_on(user) or set(scope_names) - (grantable_scopes(user, user).keys() - ADMINISTRATION.keys()):
        raise PermissionDenied
    secret = new_application_password()
    row = ApplicationPassword(user=user, name=name, scopes=scope_names)
    set_hash(row, normalize_password(secret))
    with transaction.atomic():
        row.save()
        log_event(CREATED, row, who=user, address=address)
    return row, secret


def grantable_scopes(user: User, maker: User) -> dict[str, object]:
    """The scopes that `maker` may give a token of `user`: those that both have. With descriptions."""
    owner_scopes = scopes.scopes_of(user)
    maker_scopes = owner_scopes if maker.pk == user.pk else scopes.scopes_of(maker)
    return {name: words for name, words in owner_scopes.items() if name in maker_scopes}


# Recognise ------------------------------------------------------------------------------------------------------------
@sensitive_variables("secret")
def verify_token(secret: str, address: str = "") -> PermanentToken | None:
    """The permanent token with this secret, if it works. A malformed one is refused without a query."""
    public_id = public_part(secret)
    if not public_id:
        return None
    rows = PermanentToken.objects.alive().select_related("user", "created_by")
    token: PermanentToken | None = rows.filter(public_id=public_id).first()
    if token is None or not matches_secret(token, secret) or not has_active_people(token):
        return None
    record_use(token, secret, address)
    return token


def has_active_people(token: PermanentToken) -> bool:
    """Whether its owner and its creator are both active."""
    return token.user.is_active and token.created_by is not None and token.created_by.is_active


def effective_scopes(token: PermanentToken) -> Set[str]:
    """The scopes of a token that its owner and its creator both have now.

    None while its owner has more rights than its creator: rights that an account gains later must not reach a token
    that a weaker account created. `service:*` stands for the integrations that both may use now. A second step that the
    creator of a bot's token still has to set up concerns their own sign-in, and not the bot.
    """
    allowed = frozenset(scopes.scopes_of(token.user, token.scopes))
    if token.is_own:
        return allowed
    maker = token.created_by
    if maker is None or privileges.exceeds_rights(token.user, maker):
        return frozenset()
    shared = allowed & scopes.scopes_of(maker, token.scopes).keys()
    if shared != allowed and token.user.is_bot and mfa.is_missing(maker):
        return frozenset(scopes.within_rank(maker, allowed))
    if scopes.EVERY_SERVICE not in shared:
        return shared
    return scopes.SharedScopes(shared - {scopes.EVERY_SERVICE}, (token.user, maker))


@sensitive_variables("password", "letters")
def verify_application_password(user: User, password: str, address: str = "") -> ApplicationPassword | None:
    """The application password of this user with this secret, typed with or without spaces and dashes.

    None too if the user is deactivated or has no two-step sign-in. The caller counts failures.
    """
    letters = normalize_password(password)
    if not letters or not user.is_active:
        return None
    hashes = secrets_at_rest.all_hashes(letters, purpose=PURPOSES[ApplicationPassword])
    row: ApplicationPassword | None = user.application_passwords.alive().filter(keyed_hash__in=hashes).first()
    if row is None or not mfa.is_on(user):
        return None
    record_use(row, letters, address)
    return row


def application_password_scopes(row: ApplicationPassword) -> frozenset[str]:
    """The scopes of an application password that its owner has now."""
    return frozenset(scopes.scopes_of(row.user, row.scopes)) - ADMINISTRATION.keys()


def matches_secret(row: LongLivedModel, secret: str) -> bool:
    """Compare in constant time. False if the key of the hash is no longer set."""
    expected = secrets_at_rest.keyed_hash(secret, key_id=row.pepper_id, purpose=PURPOSES[type(row)])
    return bool(expected) and hmac.compare_digest(expected, row.keyed_hash)


def set_hash(row: LongLivedModel, secret: str) -> None:
    """Hash the secret with the first key. Does not save the row."""
    row.pepper_id = first_key_id()
    row.keyed_hash = secrets_at_rest.keyed_hash(secret, key_id=row.pepper_id, purpose=PURPOSES[type(row)])


def record_use(row: PermanentToken | ApplicationPassword, secret: str, address: str) -> None:
    """Store when and from where it was used, at most once a minute; a web process stores it a bit later (`usage`).

    At once are stored the first use, with its event, and a hash with a new first key, so that the old key can be
    removed once everything has been used.
    """
    now, before = timezone.now(), row.last_used_at
    if row.was_used_lately(now):
        return
    if before and row.pepper_id == first_key_id():
        usage.store_use(row, now, address)
        return
    set_hash(row, secret)
    hashed = {"pepper_id": row.pepper_id, "keyed_hash": row.keyed_hash}
    unchanged = type(row).objects.filter(pk=row.pk, last_used_at=before, ended_at=None)
    if unchanged.update(last_used_at=now, last_used_from=address[:45], **hashed) and before is None:
        log_event(FIRST_USED, row, who=row.user, address=address)


def count_by_key() -> Counter[str]:
    """Count the living and held tokens and passwords by the key of their hash. Without that key they stop working."""
    models = (PermanentToken, ApplicationPassword)
    return Counter(key_id for model in models for key_id in model.objects.endable().values_list("pepper_id", flat=True))


# End ------------------------------------------------------------------------------------------------------------------
def end_secret(
    row: PermanentToken | ApplicationPassword,
    *,
    who: User | None,
    because: str = LongLivedModel.Ending.DELETED,
    address: str = "",
) -> bool:
    """End a token or password, at once; returns whether it was alive or held. The row stays listed. Safe to repeat."""
    endable = type(row).objects.endable().filter(pk=row.pk)
    with transaction.atomic():
        if not endable.update(ended_at=timezone.now(), ended_because=because, keyed_hash=""):
            return False
        token_families.end_families_made_with(row.pk)
        log_event(ENDED, row, who=who, address=address, because=because)
    return True


def end_application_passwords(user: User) -> None:
    """End all application passwords of a user, because two-step sign-in was turned off."""
    for row in user.application_passwords.endable():
        end_secret(row, who=user, because=LongLivedModel.Ending.SECOND_FACTOR)


def log_event(
    kinds: dict[type[LongLivedModel], log.Kind],
    row: PermanentToken | ApplicationPassword,
    *,
    who: User | None,
    address: str,
    because: str = "",
    detail: str = "",
) -> None:
    kind = kinds[type(row)]
    if because == LongLivedModel.Ending.LEAKED and isinstance(row, PermanentToken):
        kind = log.Kind.TOKEN_LEAKED
    elif because not in ("", LongLivedModel.Ending.DELETED):
        detail = WHY_ENDED[because]
    log.write(kind, whose=row.user, who=who, detail=detail, address=address, subject=row.name, subject_id=row.pk)
