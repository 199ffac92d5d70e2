"""The Test button: the inputs as a form, one run in the foreground, and how each step went. Bodies are not shown."""

import json
from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import User
from integrations import flows
from integrations.flows import actions
from integrations.models.flows import Action, InputType, RunState, Subflow

LABELS = dict(InputType.choices)


def field_of(declared: dict[str, Any]) -> forms.Field:
    """Nothing is required here: an empty field is an input that is not given."""
    kind, default = declared["type"], declared.get("default")
    needed = _("Needed.") if "default" not in declared else ""
    options: dict[str, Any] = {"label": declared["name"], "required": False, "help_text": f"{LABELS[kind]}. {needed}"}
    if kind == InputType.BOOLEAN:
        return forms.BooleanField(**options, initial=bool(default))
    if kind == InputType.JSON:
        area = forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField lines", "spellcheck": "false"})
        return forms.CharField(**options, initial="" if default is None else json.dumps(default), widget=area)
    line = forms.TextInput(attrs={"class": "vTextField"})
    return forms.CharField(**options, initial="" if default is None else str(default), strip=False, widget=line)


class InputsForm(forms.Form):
    def __init__(self, declared: Iterable[dict[str, Any]], typed: Any = None) -> None:
        super().__init__(typed, prefix="input")
        self.declared = list(declared)
        self.fields = {row["name"]: field_of(row) for row in self.declared}

    def given(self) -> dict[str, Any]:
        """Raises `BadInputs`."""
        texts = {name: value for name, value in self.cleaned_data.items() if value != ""}
        kinds = {row["name"]: row["type"] for row in self.declared}
        ticked = {name: value for name, value in texts.items() if kinds[name] == InputType.BOOLEAN}
        typed = {name: value for name, value in texts.items() if name not in ticked}
        return {**ticked, **actions.from_texts(self.declared, typed)}


class Tester:
    """One page: GET shows the form, POST runs and shows how it went below it."""

    def __init__(self, page: Any) -> None:
        self.page = page

    @method_decorator(sensitive_post_parameters())
    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self.page.get_object(request, unquote(object_id))
        if found is None:
            raise Http404
        if not self.page.has_change_permission(request, found):
            raise PermissionDenied
        form = InputsForm(found.inputs, request.POST if request.method == "POST" else None)
        result = self.tried(request, found, form) if request.method == "POST" else None
        context = {
            **self.page.admin_site.each_context(request),
            "title": _("Test %(name)s") % {"name": found.title},
            "opts": self.page.opts,
            "original": found,
            "form": form,
            "note": self.note_for(found),
            "result": result,
        }
        return TemplateResponse(request, "admin/integrations/action/test.html", context)

    def tried(self, request: HttpRequest, found: Any, form: InputsForm) -> dict[str, Any] | None:
        if not form.is_valid():
            return None
        try:
            return self.run(cast(User, request.user), found, form.given())
        except actions.BadInputs as error:
            form.add_error(None, str(error))
            return None

    def note_for(self, found: Any) -> str:
        raise NotImplementedError

    def run(self, user: User, found: Any, given: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class ActionTester(Tester):
    def note_for(self, found: Action) -> str:
        return _(
            "On its own, an action runs as System User: a step whose credential is Personal answers 401. Add it to a"
            " subflow that runs as User who initiates session, and test that."
        )

    def run(self, user: User, found: Action, given: dict[str, Any]) -> dict[str, Any]:
        done = actions.run(found, user=None, inputs=given, used_by="Test")
        steps = [
            {
                "step": each.step, "alias": each.alias, "method": each.method, "http_status": each.http_status,
                "milliseconds": each.milliseconds, "error": each.failure.sentence if each.failure else "",
            }
            for each in done.steps
        ]  # fmt: skip
        status = RunState.SUCCEEDED if done.is_ok else RunState.FAILED
        error = done.failure.sentence if done.failure else ""
        return shown(status, error, steps, done.outputs)


class SubflowTester(Tester):
    def note_for(self, found: Subflow) -> str:
        if found.runs_as_person:
            return _("It runs as you: with your own tokens.")
        return _("It runs as System User: a step whose credential is Personal answers 401.")

    def run(self, user: User, found: Subflow, given: dict[str, Any]) -> dict[str, Any]:
        run = flows.try_out(found, user=user, inputs=given)
        told = shown(RunState(run.status), run.error, list(run.steps.all()), run.outputs)
        return {**told, "initiator_url": run.initiator_url}


def shown(status: RunState, error: str, steps: list[Any], outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "is_ok": status == RunState.SUCCEEDED,
        "status": status.label,
        "error": error,
        "steps": steps,
        "outputs": json.dumps(outputs, indent=2, ensure_ascii=False) if outputs else "",
    }
