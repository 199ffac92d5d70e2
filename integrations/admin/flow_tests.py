"""The Test page of actions and subflows: a form of inputs, a foreground run, and its steps. Shows no bodies."""

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
from integrations.models.flows.failure_sentences import in_words

LABELS = dict(InputType.choices)


def field_of(declared: dict[str, Any]) -> forms.Field:
    """Return the form field of an input. It is never required: an empty field leaves the input out."""
    kind, default = declared["type"], declared.get("default")
    requirement = _("Required.") if "default" not in declared else ""
    options: dict[str, Any] = {
        "label": declared["name"],
        "required": False,
        "help_text": f"{LABELS[kind]}. {requirement}",
    }
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

    def inputs(self) -> dict[str, Any]:
        """Return the typed inputs. Raises `BadInputs`."""
        texts = {name: value for name, value in self.cleaned_data.items() if value != ""}
        kinds = {row["name"]: row["type"] for row in self.declared}
        ticked = {name: value for name, value in texts.items() if kinds[name] == InputType.BOOLEAN}
        typed = {name: value for name, value in texts.items() if name not in ticked}
        return {**ticked, **actions.parse_inputs(self.declared, typed)}


class Tester:
    """The page. GET shows the form; POST runs it and shows the result below."""

    def __init__(self, page: Any) -> None:
        self.page = page

    @method_decorator(sensitive_post_parameters())
    def view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        record = self.page.get_object(request, unquote(object_id))
        if record is None:
            raise Http404
        if not self.page.has_change_permission(request, record):
            raise PermissionDenied
        form = InputsForm(record.inputs, request.POST if request.method == "POST" else None)
        result = self.try_run(request, record, form) if request.method == "POST" else None
        context = {
            **self.page.admin_site.each_context(request),
            "title": _("Test %(name)s") % {"name": record.title},
            "opts": self.page.opts,
            "original": record,
            "form": form,
            "note": self.note_for(record),
            "result": result,
        }
        return TemplateResponse(request, "admin/integrations/action/test.html", context)

    def try_run(self, request: HttpRequest, record: Any, form: InputsForm) -> dict[str, Any] | None:
        if not form.is_valid():
            return None
        try:
            return self.run(cast(User, request.user), record, form.inputs())
        except actions.BadInputs as error:
            form.add_error(None, str(error))
            return None

    def note_for(self, record: Any) -> str:
        raise NotImplementedError

    def run(self, user: User, record: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class ActionTester(Tester):
    def note_for(self, action: Action) -> str:
        return _(
            "On its own, an action runs as System User, and a step with a Personal credential fails with 401. Add it to"
            " a subflow that runs as User who initiates session, and test that."
        )

    def run(self, user: User, action: Action, inputs: dict[str, Any]) -> dict[str, Any]:
        result = actions.run_action(action, user=None, inputs=inputs, used_by="Test")
        steps = [
            {
                "step": step.step, "alias": step.alias, "method": step.method, "http_status": step.http_status,
                "milliseconds": step.milliseconds, "error": step.failure.sentence if step.failure else "",
            }
            for step in result.steps
        ]  # fmt: skip
        status = RunState.SUCCEEDED if result.is_ok else RunState.FAILED
        error = result.failure.sentence if result.failure else ""
        return result_context(status, error, steps, result.outputs)


class SubflowTester(Tester):
    def note_for(self, subflow: Subflow) -> str:
        if subflow.runs_as_person:
            return _("It runs as you, with your own tokens.")
        return _("It runs as System User, so a step with a Personal credential fails with 401.")

    def run(self, user: User, subflow: Subflow, inputs: dict[str, Any]) -> dict[str, Any]:
        run = flows.run_test(subflow, user=user, inputs=inputs)
        steps = list(run.steps.all())
        for step in steps:
            step.error = in_words(step.error)  # shown, not saved
        result = result_context(RunState(run.status), in_words(run.error), steps, run.outputs)
        return {**result, "initiator_url": run.initiator_url}


def result_context(status: RunState, error: str, steps: list[Any], outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "is_ok": status == RunState.SUCCEEDED,
        "status": status.label,
        "error": error,
        "steps": steps,
        "outputs": json.dumps(outputs, indent=2, ensure_ascii=False) if outputs else "",
    }
