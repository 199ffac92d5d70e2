"""What actions, their steps and subflows must look like: each template names only what is there at its place."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import calls
from integrations.admin.line_fields import HeadersField, InputsField, LinesField, OutputsField
from integrations.models.flows import Action, RestStep, Subflow, SubflowAction
from integrations.models.flows.declared import check_beginnings, check_inputs, check_outputs

INPUTS = gettext_lazy(
    "One for each line: name: type = default. Types: text, integer, number, boolean, json. Without a default it must be"
    " given."
)
OUTPUTS_OF_ACTION = gettext_lazy(
    "One for each line: name = path (JMESPath), such as incidents = steps.list.body.result[*].number. Of each step"
    " there are status, headers and body."
)
OUTPUTS_OF_SUBFLOW = gettext_lazy(
    "One for each line: name = path (JMESPath), such as numbers = actions.list.incidents."
)
PAIRS = gettext_lazy(
    "One for each line: name = value. A value may hold templates, such as {{ inputs.limit }} or"
    " {{ steps.first.body.id }}; one that comes out as null is left out."
)
HEADERS = gettext_lazy("One for each line: Name: value. Keyrack adds the Authorization header itself.")
BODY = gettext_lazy(
    'JSON whose texts may hold templates: {"limit": "{{ inputs.limit }}"}. A text that is one template keeps its type.'
)
PATH = gettext_lazy(
    "Below the Connection URL, such as table/incident/{{ inputs.id }}. A value never leaves its segment."
)
RETRIES = gettext_lazy(
    "How often GET, HEAD, OPTIONS, PUT and DELETE are repeated, at most 5 times, while nobody answers or the server"
    " asks for patience (429, 502, 503, 504)."
)
SCOPES = gettext_lazy("Separated by spaces. Looked at before anything is called.")
GIVEN = gettext_lazy(
    "What the action is given. One for each line: name = value, such as limit = {{ inputs.limit }} or"
    " number = {{ actions.first.number }}."
)


class ActionForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Action
        fields = ["name", "label", "description", "inputs", "outputs", "active"]
        field_classes = {"inputs": InputsField, "outputs": OutputsField}
        help_texts = {"inputs": INPUTS, "outputs": OUTPUTS_OF_ACTION}
        widgets = {"description": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3})}


class StepForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = RestStep
        fields = [
            "order", "name", "alias", "method", "path", "query", "headers", "body_type", "body", "scopes", "timeout",
            "retries",
        ]  # fmt: skip
        field_classes = {"query": LinesField, "headers": HeadersField}
        help_texts = {
            "name": gettext_lazy("Later steps call it by this name."),
            "path": PATH, "query": PAIRS, "headers": HEADERS, "body": BODY, "scopes": SCOPES,
            "timeout": gettext_lazy("Seconds, for all tries together."),
            "retries": RETRIES,
        }  # fmt: skip
        widgets = {
            "path": forms.TextInput(attrs={"class": "vLargeTextField", "spellcheck": "false"}),
            "scopes": forms.TextInput(attrs={"class": "vLargeTextField", "spellcheck": "false"}),
            "body": forms.Textarea(attrs={"class": "vLargeTextField lines", "rows": 4, "spellcheck": "false"}),
        }

    def clean_headers(self) -> Any:
        """Others would be dropped when the call is made."""
        given = self.cleaned_data["headers"]
        for row in given if isinstance(given, list) else []:
            if isinstance(row, list) and row and isinstance(row[0], str) and not calls.may_say(row[0]):
                raise ValidationError(_("The header “%(name)s” is not for steps to set.") % {"name": row[0]})
        return given


class SubflowForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Subflow
        fields = ["name", "label", "description", "run_as", "inputs", "outputs", "groups", "active"]
        field_classes = {"inputs": InputsField, "outputs": OutputsField}
        help_texts = {
            "inputs": INPUTS,
            "outputs": OUTPUTS_OF_SUBFLOW,
            "run_as": gettext_lazy("As System User, steps with a personal credential answer 401."),
        }
        widgets = {"description": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3})}


class PlacedForm(forms.ModelForm):  # type: ignore[type-arg]
    """An action of a subflow is called by its own name unless it is given another."""

    class Meta:
        model = SubflowAction
        fields = ["order", "name", "action", "inputs"]
        field_classes = {"inputs": LinesField}
        help_texts = {"inputs": GIVEN, "name": gettext_lazy("Empty: the action’s own name.")}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "name" in self.fields:
            self.fields["name"].required = False

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if not fields.get("name") and fields.get("action"):
            fields["name"] = fields["action"].name.replace(".", "_")
        return fields


class InOrder(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Rows that may name those before them."""

    root: str
    _should_delete_form: Any

    def clean(self) -> None:
        super().clean()
        if any(self.errors) or not self.is_above_sound():
            return
        rows = [
            form for form in self.forms if form.has_changed() or (form.instance.pk and not form.instance._state.adding)
        ]
        kept = [form for form in rows if form not in self.deleted_forms]
        earlier: set[str] = set()
        for form in sorted(kept, key=lambda form: form.instance.order):
            self.check(form, earlier)
            if form.instance.name in earlier:
                form.add_error("name", _("“%(name)s” is there twice.") % {"name": form.instance.name})
            earlier.add(form.instance.name)
        self.check_outputs(earlier)

    def is_above_sound(self) -> bool:
        """What is wrong above is told there; it cannot be compared with."""
        try:
            check_inputs(self.instance.inputs)
            check_outputs(self.instance.outputs)
        except ValidationError:
            return False
        return True

    def check(self, form: Any, earlier: set[str]) -> None:
        known = {"inputs": self.instance.input_names, self.root: set(earlier)}
        try:
            form.instance.check_references(**known)
        except ValidationError as error:
            form.add_error(None, error)

    def check_outputs(self, names: set[str]) -> None:
        check_beginnings(self.instance.outputs, {"inputs": self.instance.input_names, self.root: names})


class StepFormSet(InOrder):
    root = "steps"


class PlacedFormSet(InOrder):
    root = "actions"
