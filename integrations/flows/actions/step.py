"""One step of an action: the connection and token it uses, its request, and its result or failure.

Results hold no request and no response.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from requests import Response

from accounts.models import User
from foundation.oauth_client import announced_waits
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.stored_texts import in_reader_language
from integrations import calls, expressions
from integrations.calls import for_callers
from integrations.connections import renewal
from integrations.connections.renewal import NoUsableToken
from integrations.expressions import BadExpression
from integrations.models import admission, failures
from integrations.models.addresses import initiator_url
from integrations.models.flows import Action, BodyType, RestStep, failure_sentences
from integrations.models.registry import Alias, HttpConnection, OAuth2Credential
from integrations.models.tokens import Token


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run stopped, as a sentence for the person who runs it. Holds no value that went through the step."""

    code: str
    sentence: str
    http_status: int | None = None  # of the third party; 401 also if there was no token to call it with
    initiator_url: str = ""  # path of this site where the person gets a token
    is_limited: bool = False  # the third party limits the rate of calls
    retry_after: float | None = None  # seconds, if the third party says so


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One call. `http_status` is None if no call was made or no response came."""

    step: str
    alias: str
    method: str
    http_status: int | None = None
    milliseconds: int = 0
    reason: str = ""  # what a good answer says of the token or the limits (`calls.reason_of`)
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """`outputs` by name; empty if there is a `failure`."""

    outputs: dict[str, Any] = field(default_factory=dict, repr=False)
    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None

    @property
    def is_ok(self) -> bool:
        return self.failure is None


class StepFailed(Exception):
    """A step cannot be completed; `failure` says why."""

    def __init__(self, code: str, sentence: str, **details: Any) -> None:
        super().__init__(code)
        self.failure = Failure(code=code, sentence=sentence, **details)


LIMITED = "http_429"  # of a token endpoint
Names = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, repr=False)
class Target:
    """What a step calls: a path below the connection's URL, and query parameters."""

    path: str
    parameters: Mapping[str, list[str]]


def find_connection(step: RestStep, user: User | None) -> HttpConnection:
    """Return the connection that a step calls, read anew for each call. Raises `StepFailed`.

    A person needs admission to the alias. For the system, it is enough that the alias is turned on.
    """
    rows = Alias.objects.filter(pk=step.alias_id)
    alias = (admission.filter_turned_on(rows) if user is None else admission.filter_admitted(user.pk, rows)).first()
    connection = alias.connection if alias else None
    if connection is None or connection.credential is None:
        raise step_failure("integration_not_available", step)
    return connection


def token_owner(connection: HttpConnection, user: User | None, step: RestStep) -> User | None:
    """Return the owner of the token to use: the person if the credential is Personal, else None for the system."""
    if not credential_of(connection).is_personal:
        return None
    if user is None:
        sentence = in_reader_language(failure_sentences.PERSONAL_AS_SYSTEM)
        raise StepFailed(failures.NOT_AUTHENTICATED.code, sentence % {"alias": step.alias.name}, http_status=401)
    return user


def credential_of(connection: HttpConnection) -> OAuth2Credential:
    assert connection.credential is not None  # noqa: S101 - find_connection checks it
    return connection.credential


@sensitive_variables()
def find_target(step: RestStep, names: Names) -> Target:
    """Evaluate what the step calls. Raises `BadExpression`."""
    with expressions.spending():
        return Target(path=expressions.render_path(step.path, names), parameters=build_params(step, names))


@sensitive_variables()
def make_call(
    step: RestStep, names: Names, *, user: User | None, ends_at: float, used_by: str, target: Target | None = None
) -> Response:
    """Make the call. Raises only `StepFailed`. `ends_at`: deadline by `time.monotonic()`.

    `target`: another page of the list that the step reads.
    """
    call = renewal.ready_call(user, step.alias_id.hex) if user else None
    if call and call.connection_url:
        send = partial(calls.send_ready, call)
    else:
        connection = find_connection(step, user)
        send = partial(calls.send, token_owner(connection, user, step), connection)
    try:
        with expressions.spending():
            target = target or find_target(step, names)
            request_parts = {"headers": build_headers(step, names), **build_body(step, names)}
        timeout = min(float(step.timeout), ends_at - monotonic())
        if timeout <= 0:
            raise step_failure("timeout", step)
        return send(
            step.method,
            target.path,
            params=target.parameters,
            timeout=timeout,
            used_by=used_by,
            retries=step.retries,
            **request_parts,
        )
    except BadExpression as error:
        raise StepFailed("bad_template", str(error)) from None
    except calls.BadPath as error:
        raise StepFailed("bad_path", str(error)) from None
    except NoUsableToken as error:
        raise no_token_failure(step, user, error.code) from None
    except OAuthError as error:
        raise unreachable_failure(step, error) from error


def step_failure(code: str, step: RestStep) -> StepFailed:
    return StepFailed(code, str(failures.ANSWERS[code].in_run) % {"alias": step.alias.name})


def build_params(step: RestStep, names: Names) -> dict[str, list[str]]:
    """Evaluate the query parameters. A null is left out; a list repeats the parameter."""
    params: dict[str, list[str]] = {}
    for name, source in step.query:
        value = expressions.evaluate_template(source, names)
        texts = [
            expressions.as_text(each) for each in (value if isinstance(value, list) else [value]) if each is not None
        ]
        params.setdefault(name, []).extend(texts)
    return params


def build_headers(step: RestStep, names: Names) -> dict[str, str]:
    # A field value has no whitespace around it (RFC 9110 §5.5).
    request_headers = {name: expressions.render_text(source, names).strip(" \t") for name, source in step.headers}
    for name, value in request_headers.items():
        if not value.isprintable() or not value.isascii():
            sentence = _("The header “%(name)s” would contain a line break or a character that headers can’t contain.")
            raise BadExpression(sentence % {"name": name})
    if not step.body or has_content_type(request_headers):
        return request_headers
    return {"Content-Type": default_content_type(step), **request_headers}


def has_content_type(request_headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" for name in request_headers)


def default_content_type(step: RestStep) -> str:
    if step.body_type == BodyType.FORM:
        return "application/x-www-form-urlencoded"
    return "application/json" if step.body_type == BodyType.JSON else "text/plain; charset=utf-8"


def build_body(step: RestStep, names: Names) -> dict[str, Any]:
    if not step.body:
        return {}
    if step.body_type == BodyType.TEXT:
        return {"data": expressions.render_text(step.body, names).encode()}
    data = expressions.evaluate_structure(step.body_as_data, names)
    if step.body_type == BodyType.JSON:
        return {"data": expressions.as_json(data).encode()}
    return {"data": {name: expressions.as_text(value) for name, value in data.items() if value is not None}}


def no_token_failure(step: RestStep, user: User | None, code: str) -> StepFailed:
    """There is no token, or the addresses are not those that its owner agreed to."""
    answer = failures.answer_without_token(code)
    connection = find_connection(step, user)
    credential, owner = credential_of(connection), token_owner(connection, user, step)
    sentence = answer.in_system_run if owner is None else answer.in_run
    sign_in_url = "" if owner is None else initiator_url(credential)
    return StepFailed(
        answer.code,
        str(sentence) % {"alias": step.alias.name},
        http_status=answer.status,
        initiator_url=sign_in_url,
    )


def unreachable_failure(step: RestStep, error: OAuthError) -> StepFailed:
    answer, names = failures.answer_to(error), {"alias": step.alias.name, "code": error.code}
    if isinstance(error, Unreachable) and error.code == LIMITED:
        sentence = in_reader_language(failure_sentences.LIMITED)
        return StepFailed(answer.code, sentence % names, is_limited=True, retry_after=error.retry_after)
    return StepFailed(answer.code, str(answer.in_run) % names)


def error_status_failure(step: RestStep, response: Response, user: User | None) -> Failure:
    status, headers = response.status_code, response.headers
    reason, initiator = headers.get(for_callers.REASON, ""), headers.get(for_callers.INITIATOR_URL, "")
    names: dict[str, str | int] = {"alias": step.alias.name, "status": status}
    if reason == "registration_wrong":  # whatever the status: no sign-in changes it
        answer = failures.MISCONFIGURED
        return Failure(
            code=answer.code, sentence=str(answer.in_run) % {**names, "code": f"http_{status}"}, http_status=status
        )
    sentence = failure_sentences.NOT_FOLLOWED if 300 <= status < 400 else failure_sentences.STATUS
    if reason == "insufficient_scope":
        sentence, names["reason"] = failure_sentences.STATUS_AND_REASON, lacking_scopes_sentence(headers)
    return Failure(
        code=reason if reason in {"insufficient_scope", "person_must_act"} else f"http_{status}",
        sentence=in_reader_language(sentence) % names,
        http_status=status,
        initiator_url=(initiator or sign_in_url_for(step, user)) if status == 401 or initiator else "",
        is_limited=reason == "rate_limited" or announced_waits.is_limited(status, headers),
        retry_after=announced_waits.announced_wait(headers),
    )


def lacking_scopes_sentence(headers: Mapping[str, str]) -> str:
    """What the third party says is missing, and who can add it."""
    missing, unknown = headers.get(for_callers.MISSING_SCOPES, ""), headers.get(for_callers.UNKNOWN_SCOPES, "")
    sentence = in_reader_language(failure_sentences.LACKS_UNKNOWN)
    if missing:
        sentence = in_reader_language(failure_sentences.LACKS) % {"scopes": missing}
    if unknown:
        names = {"missing": sentence, "scopes": unknown}
        sentence = in_reader_language(failure_sentences.ADD_FIRST) % names
    return sentence


def sign_in_url_for(step: RestStep, user: User | None) -> str:
    credential = step.alias.effective_credential
    return initiator_url(credential) if user and credential and credential.is_personal else ""


def lacking_scopes(action: Action, user: User | None) -> Failure | None:
    """Return a failure for the first step whose token lacks scopes. A missing token is left to the call to report."""
    for step in action.steps.all():
        credential = step.alias.effective_credential if step.scopes else None
        if credential is None or (credential.is_personal and user is None):
            continue
        token = Token.objects.of(user if credential.is_personal else None, credential).with_registry().first()
        missing = token.not_granted(step.scope_values) if token else []
        if missing:
            names = {"alias": step.alias.name, "step": step.name, "scopes": ", ".join(missing)}
            sentence = in_reader_language(failure_sentences.STEP_LACKS)
            sign_in_url = initiator_url(credential) if credential.is_personal else ""
            return Failure(code="insufficient_scope", sentence=sentence % names, initiator_url=sign_in_url)
    return None
