"""OpenAPI description of the API: adds scopes and refusals to every operation.

Scopes come from the view. Refusals follow from the operation: a path parameter means 404, a query or body 400, a call
to a provider 502 and 504.
"""

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema

from integrations.api.error_responses import ERRORS, HEADERS, PASSED_ON, REFUSALS, passed_on_response, reference

ALWAYS = ("405", "406", "429", "500")
OF_AUTHENTICATION = ("401", "403")
ASKS_A_PROVIDER = ("502", "504")


class ApiSchema(AutoSchema):
    """Schema of a view, from its attributes.

    `asks_a_provider`, `is_paged`, `needs_sign_in` (to the integration), and `passes_on`: the response is the third
    party's, so any status may have any body.
    """

    def get_operation(self, *arguments: Any, **options: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        self.add_scopes(operation)
        self.describe_success(operation)
        if getattr(self.view, "passes_on", False):
            operation["responses"] = dict.fromkeys(("200", "default"), reference("responses", PASSED_ON))
            return operation
        for status in self.refusals(operation):
            operation["responses"].setdefault(status, reference("responses", REFUSALS[status].name))
        if getattr(self.view, "needs_sign_in", False):
            operation["responses"]["401"] = reference("responses", REFUSALS["401 there"].name)
            operation["responses"]["409"] = reference("responses", REFUSALS["409"].name)
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
                answer["headers"] = {"Link": reference("headers", "Link")}

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        parameter_kinds = {parameter["in"] for parameter in operation.get("parameters", [])}
        statuses = [*ALWAYS, *(OF_AUTHENTICATION if self.view.get_authenticators() else ())]
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
    components["responses"][PASSED_ON] = passed_on_response()
    return result
