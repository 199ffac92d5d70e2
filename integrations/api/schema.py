"""How the API describes itself: what every call has in common is said here once, and not at each view.

Scopes come from the view's own declaration. Which refusals a call can meet follows from what it is: one with an alias
in its address can meet 404, one that takes something 400, one that asks a provider 502 and 504.
"""

from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema

from integrations.api.error_responses import ERRORS, HEADERS, PASSED_ON, REFUSALS, passed_on, reference

ALWAYS = ("405", "406", "429", "500")
AT_THE_DOOR = ("401", "403")
ASKS_A_PROVIDER = ("502", "504")


class Described(AutoSchema):
    """A view may say of itself: `asks_a_provider`, `is_paged`, `passes_on` (another's answers, so that any status
    may have any body), and `needs_sign_in`, namely to the integration."""

    def get_operation(self, *arguments: Any, **options: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments, **options)
        if operation is None:
            return None
        self.tell_scopes(operation)
        self.tell_success(operation)
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

    def tell_scopes(self, operation: dict[str, Any]) -> None:
        scopes = getattr(self.view, "scopes", {}).get(self.method)
        if scopes:
            words = ", ".join(f"`{scope}`" for scope in scopes)
            operation["description"] = f"{operation.get('description', '')}\n\nScopes: {words}.".strip()
            operation["x-required-scopes"] = list(scopes)

    def tell_success(self, operation: dict[str, Any]) -> None:
        for status, answer in operation["responses"].items():
            answer["description"] = answer.get("description") or HTTPStatus(int(status)).phrase
            if getattr(self.view, "is_paged", False):
                answer["headers"] = {"Link": reference("headers", "Link")}

    def refusals(self, operation: dict[str, Any]) -> list[str]:
        places = {parameter["in"] for parameter in operation.get("parameters", [])}
        found = [*ALWAYS, *(AT_THE_DOOR if self.view.get_authenticators() else ())]
        if "path" in places:
            found.append("404")
        if "query" in places or "requestBody" in operation:
            found.append("400")
        if "requestBody" in operation:
            found += ["413", "415"]
        if getattr(self.view, "asks_a_provider", False):
            found.extend(ASKS_A_PROVIDER)
        return found


def with_refusals(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: what `Described` refers to."""
    components = result["components"]
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **ERRORS}.items()))
    components["headers"] = HEADERS
    components["responses"] = {refusal.name: refusal.described() for refusal in REFUSALS.values()}
    components["responses"][PASSED_ON] = passed_on()
    return result
