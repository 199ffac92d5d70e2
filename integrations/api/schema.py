"""OpenAPI description of the API: adds scopes and refusals to every operation, and describes authentication.

Scopes come from the view. Refusals follow from the operation: a path parameter means 404, a query or body 400, a call
to a provider 502 and 504 (`documented_refusals`).
"""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import SAFE_METHODS

from accounts.api.authentication import ApplicationPasswordOverBasic, BearerToken, Session
from integrations.api.documented_refusals import ERRORS, HEADERS, PASSED_ON, PASSED_ON_HEADERS, REFUSALS, reference_to

# Authentication -------------------------------------------------------------------------------------------------------


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular is partly untyped
    target_class = BearerToken
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        words = "An access token from `/o/token/`, or a permanent token."
        return {"type": "http", "scheme": "bearer", "description": words}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = Session
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        words = "A session of Keyrack's own pages. Requests that change something also need the header `X-CSRFToken`."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": words}


class ApplicationPasswordScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # as above
    target_class = ApplicationPasswordOverBasic
    name = "application password"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "basic"}


# Operations -----------------------------------------------------------------------------------------------------------


ALWAYS = ("405", "406", "429", "500")
OF_AUTHENTICATION = ("401", "403")
ASKS_A_PROVIDER = ("502", "504")


class ApiSchema(AutoSchema):
    """Schema of a view, from its attributes.

    `asks_a_provider`, `is_paged`, `needs_sign_in` (to the integration), `may_refuse_again`, `may_conflict` (with what
    is stored), and `passes_on`: the
    response is the third party's, so any status may have any body.
    """

    def get_operation(self, *arguments: Any, **options: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        self.add_scopes(operation)
        self.describe_success(operation)
        if getattr(self.view, "passes_on", False):
            operation["responses"] = dict.fromkeys(("200", "default"), reference_to("responses", PASSED_ON))
            return operation
        for status in self.refusals(operation):
            operation["responses"].setdefault(status, reference_to("responses", REFUSALS[status].name))
        if getattr(self.view, "needs_sign_in", False):
            operation["responses"]["401"] = reference_to("responses", REFUSALS["401 there"].name)
            conflict = "409 refused" if getattr(self.view, "may_refuse_again", False) else "409"
            operation["responses"]["409"] = reference_to("responses", REFUSALS[conflict].name)
        if getattr(self.view, "may_conflict", False) and self.method not in SAFE_METHODS:
            operation["responses"]["409"] = reference_to("responses", REFUSALS["409 conflict"].name)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        return operation

    def add_scopes(self, operation: dict[str, Any]) -> None:
        scopes = getattr(self.view, "scopes", {}).get(self.method)
        if scopes:
            words = ", ".join(f"`{scope}`" for scope in scopes)
            operation["description"] = f"{operation.get('description', '')}\n\nScopes: {words}.".strip()
            operation["x-required-scopes"] = list(scopes)

    def describe_success(self, operation: dict[str, Any]) -> None:
        for status, answer in operation["responses"].items():
            answer["description"] = answer.get("description") or HTTPStatus(int(status)).phrase
            if getattr(self.view, "is_paged", False):
                answer["headers"] = {"Link": reference_to("headers", "Link")}

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        parameter_kinds = {parameter["in"] for parameter in operation.get("parameters", [])}
        statuses = [*ALWAYS, *(OF_AUTHENTICATION if self.view.get_authenticators() else ())]
        if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
            statuses.append("412")
        if "path" in parameter_kinds:
            statuses.append("404")
        if "query" in parameter_kinds or "requestBody" in operation:
            statuses.append("400")
        if "requestBody" in operation:
            statuses += ["413", "415"]
        if getattr(self.view, "asks_a_provider", False):
            statuses.extend(ASKS_A_PROVIDER)
        return statuses


def add_components(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: add the components that `ApiSchema` refers to."""
    components = result["components"]
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **ERRORS}.items()))
    components["headers"] = HEADERS
    components["responses"] = {refusal.name: refusal.as_response() for refusal in REFUSALS.values()}
    ours = "401, 403, 404, 405, 409, 429, 502 and 504 may also be Keyrack's own, in its usual error format."
    components["responses"][PASSED_ON] = {
        "description": f"The third party's response, unchanged in status and body. {ours}",
        "headers": PASSED_ON_HEADERS,
        "content": {"*/*": {"schema": {}}},
    }
    return result
