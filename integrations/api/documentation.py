"""The API's documentation as a page: each call in a sentence, with its parameters, one example and its refusals."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from integrations.api.examples import EXAMPLES, Example

ROOT = "/api/v1/"
PROXY = "integrations_proxy"
ADMINISTRATION = "/api/v1/admin/"  # for administrators, who find it in the schema and in docs/api.md
MEANINGS = {
    "alias": "Name or id of the alias.",
    "path": "Path below the Connection URL.",
    "name": "Name of the subflow or the remote table.",
    "run_id": "Id of the run.",
    "page": "From 1.",
    "page_size": "Integrations on one page.",
    "minimum_seconds": "For how long the token has to live at least.",
}
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call. Several methods of one address that say the same are one call."""

    id: str
    path: str
    methods: list[str] = field(default_factory=list)
    sentence: SafeString
    more: SafeString
    scopes: list[str]
    parameters: list[dict[str, Any]]
    refusals: list[tuple[str, str]]
    example: Example | None

    @property
    def request(self) -> str:
        """The example's request for the shell."""
        return curl_command(self.example) if self.example else ""

    @property
    def response(self) -> str:
        return json.dumps(self.example.answer, indent=2, ensure_ascii=False) if self.example else ""


@require_safe
@login_required
def show_documentation(request: HttpRequest) -> HttpResponse:
    """Show the page."""
    context = {"calls": all_calls(), "root": f"{settings.SITE_URL}{ROOT}"}
    return render(request, "integrations/api_documentation.html", context)


@cache
def all_calls() -> list[Call]:
    """Every call of the schema that this process serves, but for administration, in the order of the addresses."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # partly untyped
    responses = schema["components"]["responses"]
    calls: dict[tuple[str, str], Call] = {}
    for path, operations in schema["paths"].items():
        for method in METHODS:
            if method not in operations or path.startswith(ADMINISTRATION):
                continue
            operation = operations[method]
            call = call_of(path, operation, responses)
            calls.setdefault((path, call.sentence), call).methods.append(method.upper())
    return list(calls.values())


def call_of(path: str, operation: dict[str, Any], responses: dict[str, Any]) -> Call:
    paragraphs = [text for text in operation.get("description", "").split("\n\n") if not text.startswith("Scopes:")]
    sentence, *more = paragraphs or [""]
    return Call(
        id=operation["operationId"],
        path=path,
        sentence=as_line(sentence),
        more=as_line(" ".join(more)),
        scopes=operation.get("x-required-scopes", []),
        parameters=[parameter | {"meaning": meaning_of(parameter)} for parameter in operation.get("parameters", [])],
        refusals=list(refusals_of(operation, responses)),
        example=example_of(operation["operationId"]),
    )


def meaning_of(parameter: dict[str, Any]) -> str:
    return str(parameter.get("description") or MEANINGS.get(parameter["name"]) or parameter["schema"]["type"])


def as_line(text: str) -> SafeString:
    """The text in one line, as HTML: what stands in backquotes is code."""
    parts = " ".join(text.split()).split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", p) if at % 2 else p,) for at, p in enumerate(parts))
    )


def example_of(operation_id: str) -> Example | None:
    """The example of an operation. The methods of the proxy share one."""
    return EXAMPLES.get(PROXY if operation_id.startswith(PROXY) else operation_id)


def refusals_of(operation: dict[str, Any], responses: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for status, response in operation["responses"].items():
        name = response.get("$ref", "").rpartition("/")[2]
        if name and status not in ("200", "default"):
            yield status, responses[name]["description"]


def curl_command(example: Example) -> str:
    lines = ['curl -H "Authorization: Bearer $TOKEN"']
    if example.body is not None:
        lines += [f"-H \"Content-Type: application/json\" -d '{json.dumps(example.body)}'"]
    elif example.method != "GET":
        lines += [f"-X {example.method}"]
    return " \\\n  ".join([*lines, f'"{settings.SITE_URL}{ROOT}{example.path}"'])
