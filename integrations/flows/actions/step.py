"""One step, one call: through which alias, with whose token, and what is said when it cannot be made."""

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any, Protocol

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations import calls, expressions
from integrations.calls import rate_limits
from integrations.connections.renewal import NoUsableToken
from integrations.expressions import BadExpression, is_encodable
from integrations.flows.actions.results import Failure, StepFailed
from integrations.models import admission
from integrations.models.flows import Action, BodyType, RestStep
from integrations.models.registry import Alias, HttpConnection, OAuth2Credential
from integrations.models.sign_in_urls import initiator_url
from integrations.models.tokens import Token, consent

NOT_AUTHENTICATED = "integration_not_authenticated"
LIMITED = "http_429"  # of a token endpoint
Names = Mapping[str, Any]


class Answered(Protocol):
    """What the third party said."""

    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> Any: ...
    @property
    def headers(self) -> Any: ...


def connection_for(step: RestStep, user: User | None) -> HttpConnection:
    """Read anew for each call. A person must be allowed the alias; for the system, who set it up has chosen it."""
    rows = Alias.objects.filter(pk=step.alias_id)
    alias = (admission.turned_on(rows) if user is None else admission.admitted(user.pk, rows)).first()
    connection = alias.connection if alias else None
    if connection is None or connection.credential is None:
        told = _("The integration “%(alias)s” is not there for this run: not active, not complete, or not allowed.")
        raise StepFailed("integration_not_available", told % {"alias": step.alias.name})
    return connection


def owner_of(credential: OAuth2Credential, user: User | None, step: RestStep) -> User | None:
    """Whose token: the person's own where the credential is Personal, else the system's. Never anybody else's."""
    if not credential.is_personal:
        return None
    if user is None:
        told = _(
            "401 Unauthorized: the credential of “%(alias)s” is marked for personal integration, and this runs as "
            "System User. No person’s token is used for it."
        )
        raise StepFailed(NOT_AUTHENTICATED, told % {"alias": step.alias.name}, http_status=401)
    return user


@sensitive_variables()
def call(step: RestStep, names: Names, *, user: User | None, ends_at: float, used_by: str) -> Answered:
    """Make the call. Raises `StepFailed` with a sentence, whatever it was. `ends_at`: by `time.monotonic()`."""
    connection = connection_for(step, user)
    credential = connection.credential
    assert credential is not None  # noqa: S101 - connection_for has seen to it
    owner = owner_of(credential, user, step)
    try:
        with expressions.spending():
            path = expressions.path(step.path, names)
            said = {"params": params(step, names), "headers": headers(step, names), **body(step, names)}
        timeout = min(float(step.timeout), ends_at - monotonic())
        if timeout <= 0:
            raise StepFailed("timeout", _("The time for the whole run is over."))
        return calls.send(
            owner, connection, step.method, path, timeout=timeout, used_by=used_by, retries=step.retries, **said
        )
    except BadExpression as error:
        raise StepFailed("bad_template", str(error)) from None
    except calls.BadPath as error:
        raise StepFailed("bad_path", str(error)) from None
    except NoUsableToken as error:
        raise (moved if error.code == consent.CHANGED else no_token)(step, credential, owner) from None
    except OAuthError as error:
        raise unreachable(step, error) from error


def params(step: RestStep, names: Names) -> list[tuple[str, str]]:
    """A parameter that comes out as null is left out; a list repeats it."""
    found = [(name, expressions.value(source, names)) for name, source in step.query]
    pairs = [(name, each) for name, value in found for each in (value if isinstance(value, list) else [value])]
    return [(name, expressions.as_text(value)) for name, value in pairs if value is not None]


def headers(step: RestStep, names: Names) -> dict[str, str]:
    said = {name: expressions.text(source, names).strip(" \t") for name, source in step.headers}  # RFC 9110 §5.5
    for name, value in said.items():
        if not value.isprintable() or not value.isascii():
            told = _("The header “%(name)s” would hold line breaks or letters that no header holds.")
            raise BadExpression(told % {"name": name})
    return said if not step.body or has_content_type(said) else {"Content-Type": content_type(step), **said}


def has_content_type(said: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" for name in said)


def content_type(step: RestStep) -> str:
    if step.body_type == BodyType.FORM:
        return "application/x-www-form-urlencoded"
    return "application/json" if step.body_type == BodyType.JSON else "text/plain; charset=utf-8"


def body(step: RestStep, names: Names) -> dict[str, Any]:
    if not step.body:
        return {}
    if step.body_type == BodyType.TEXT:
        return {"data": expressions.text(step.body, names).encode()}
    found = expressions.structure(step.body_as_data, names)
    if step.body_type == BodyType.JSON:
        return {"data": expressions.as_json(found).encode()}
    return {"data": {name: expressions.as_text(value) for name, value in found.items() if value is not None}}


def no_token(step: RestStep, credential: OAuth2Credential, owner: User | None) -> StepFailed:
    if owner is None:
        told = _("401 Unauthorized: the system has no usable token for “%(alias)s”. An administrator must get one.")
        return StepFailed(NOT_AUTHENTICATED, told % {"alias": step.alias.name}, http_status=401)
    told = _("401 Unauthorized: the person has no usable token for “%(alias)s” and must authenticate first.")
    where = initiator_url(credential)
    return StepFailed(NOT_AUTHENTICATED, told % {"alias": step.alias.name}, http_status=401, initiator_url=where)


def moved(step: RestStep, credential: OAuth2Credential, owner: User | None) -> StepFailed:
    """The addresses of the set-up are not those that the token was given for."""
    if owner is None:
        told = _("“%(alias)s” was moved to another address. An administrator must get a token for the system again.")
        return StepFailed(consent.CHANGED, told % {"alias": step.alias.name}, http_status=409)
    told = _("“%(alias)s” was moved to another address. The person must confirm it, or sign in again.")
    where = initiator_url(credential)
    return StepFailed(consent.CHANGED, told % {"alias": step.alias.name}, http_status=409, initiator_url=where)


def unreachable(step: RestStep, error: OAuthError) -> StepFailed:
    names = {"alias": step.alias.name, "code": error.code}
    if isinstance(error, Misconfigured):
        told = _("The integration “%(alias)s” is set up wrongly (%(code)s). An administrator must mend it.")
        return StepFailed("integration_misconfigured", told % names)
    if isinstance(error, Unreachable) and error.code == LIMITED:
        told = _("“%(alias)s” asks to be called less often (%(code)s). Try later.")
        return StepFailed("provider_unreachable", told % names, is_limited=True, retry_after=error.retry_after)
    if isinstance(error, Unreachable):
        return StepFailed("provider_unreachable", _("“%(alias)s” does not answer (%(code)s). Try later.") % names)
    return StepFailed("provider_unusable", _("“%(alias)s” answered in a way that cannot be used (%(code)s).") % names)


def answer_as_names(answer: Answered) -> dict[str, Any]:
    """What later steps and outputs can name: status, headers (by their names in lower case), body."""
    content: bytes = answer.content or b""
    try:
        found = whole_characters(json.loads(content)) if content else None
    except (ValueError, RecursionError):
        found = content.decode(errors="replace")
    return {
        "status": answer.status_code,
        "headers": {name.lower(): value for name, value in answer.headers.items()},
        "body": found,
    }


def whole_characters(found: Any) -> Any:
    """Halves of surrogate pairs, as servers make them that cut texts short, become question marks."""
    written = json.dumps(found, ensure_ascii=False)
    return found if is_encodable(written) else json.loads(written.encode(errors="replace"))


def refused(step: RestStep, answered: Answered, user: User | None) -> Failure:
    status, headers = answered.status_code, answered.headers
    told = _("“%(alias)s” answered %(status)d.")
    if 300 <= status < 400:
        told = _("“%(alias)s” answered %(status)d: redirects are not followed.")
    names = {"alias": step.alias.name, "status": status}
    return Failure(
        code=f"http_{status}",
        sentence=told % names,
        http_status=status,
        initiator_url=where_to_authenticate(step, user) if status == 401 else "",
        is_limited=rate_limits.is_limited(status, headers),
        retry_after=rate_limits.asked_for(headers),
    )


def where_to_authenticate(step: RestStep, user: User | None) -> str:
    credential = step.alias.effective_credential
    return initiator_url(credential) if user and credential and credential.is_personal else ""


def lacking_scopes(action: Action, user: User | None) -> Failure | None:
    """The first step whose token was granted less than it needs. That there is none at all is for the call to say."""
    for step in action.steps.select_related("alias").exclude(scopes=""):
        credential = step.alias.effective_credential
        if credential is None or (credential.is_personal and user is None):
            continue
        token = Token.objects.of(user if credential.is_personal else None, credential).first()
        missing = sorted(set(step.scope_values) - set(token.scopes)) if token else []
        if missing:
            names = {"alias": step.alias.name, "step": step.name, "scopes": ", ".join(missing)}
            told = _("“%(alias)s” was not granted what the step “%(step)s” needs: %(scopes)s. Nothing was called.")
            where = initiator_url(credential) if credential.is_personal else ""
            return Failure(code="insufficient_scope", sentence=told % names, initiator_url=where)
    return None
