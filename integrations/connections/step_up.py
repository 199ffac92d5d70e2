"""Step-up: scopes that a third party finds missing, and the sign-in that asks the person for them.

A third party may name any scope. Only scopes that an administrator has put on the registry are asked for. It may also
demand claims of the next sign-in (OpenID Connect Core §5.5; Microsoft calls it a claims challenge), or a stronger or
more recent one (RFC 9470).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from integrations.models.addresses import initiator_url
from integrations.models.registry import ApplicationRegistry, GrantType, OAuthEntityScope
from integrations.models.tokens import Token

MOST_STORED = 50  # scopes
STRONGER_SIGN_IN = ("acr_values=", "max_age=")
STRONGER_SIGN_IN_PARAMETERS = {
    "acr_values": re.compile(r"\bacr_values=\"?((?<=\")[^\"]+|[^\s,\"]+)"),
    "max_age": re.compile(r"\bmax_age=\"?([0-9]{1,9})\b"),
}


@dataclass(frozen=True, kw_only=True)
class StepUp:
    """`missing`: scopes without which a call was refused. `unknown`: those of them that are not on the registry.

    `initiator_url`: where the person can grant the others; "" if nothing would change there.
    """

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    initiator_url: str = ""


def find_step_up(token_id: UUID, named: Sequence[str]) -> StepUp:
    """The step-up for scopes that a third party has named, if any. Stores those that are missing, for the card."""
    token = Token.objects.with_registry().filter(pk=token_id).first()
    if token is None:
        return StepUp()
    credential, registry = token.credential, token.credential.registry
    names = registry.readable_profile.scopes
    on_registry = OAuthEntityScope.objects.filter(registry=registry).values_list("scope", flat=True)
    ours = list(on_registry) if names.has_spellings and named else []
    scopes = [names.our_name(scope, ours) for scope in named]
    not_granted = token.not_granted(scopes)
    missing = tuple(scope for scope in scopes if scope in not_granted)
    allowed = allowed_scopes(registry, missing)
    if missing:
        note_lacking(token, missing)
    is_asked_again = not named and (token.missing_scopes() or token.claims_challenge)
    can_ask = credential.is_personal and credential.profile.grant_type == GrantType.AUTHORIZATION_CODE
    return StepUp(
        missing=missing,
        unknown=tuple(scope for scope in missing if scope not in allowed),
        initiator_url=initiator_url(credential, scopes=allowed) if can_ask and (allowed or is_asked_again) else "",
    )


def allowed_scopes(registry: ApplicationRegistry, scopes: Iterable[str]) -> list[str]:
    """Those of the scopes that an administrator has put on the registry."""
    rows = OAuthEntityScope.objects.filter(registry=registry, scope__in=list(scopes)[:MOST_STORED])
    return sorted(rows.values_list("scope", flat=True))


def demanded_parameters(challenge: str) -> dict[str, str]:
    """The parameters of an authorization request that a stored challenge demands. {} if it cannot be understood."""
    if challenge.startswith(STRONGER_SIGN_IN):
        matches = {name: pattern.search(challenge) for name, pattern in STRONGER_SIGN_IN_PARAMETERS.items()}
        return {name: match[1] for name, match in matches.items() if match}
    claims = decode_claims(challenge)
    return {"claims": claims} if claims else {}


def decode_claims(challenge: str) -> str:
    """The parameter `claims` of an authorization request, from a claims challenge, which may be in base64.

    "" if the challenge is no JSON object.
    """
    text = challenge.strip()
    if text and not text.startswith("{"):
        try:
            padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
            text = base64.b64decode(padded, altchars=b"-_" if set("-_") & set(text) else None, validate=True).decode()
        except (binascii.Error, ValueError):
            return ""
    try:
        claims = json.loads(text or "null")
    except (ValueError, RecursionError):
        return ""
    return json.dumps(claims, separators=(",", ":")) if isinstance(claims, dict) else ""


def note_lacking(token: Token, missing: Iterable[str]) -> None:
    lacking = sorted({*token.lacking_scopes, *missing})[:MOST_STORED]
    if lacking != token.lacking_scopes:
        Token.objects.filter(pk=token.pk).update(lacking_scopes=lacking)
