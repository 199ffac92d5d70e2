"""Forms of actions, their steps and subflows: expressions may only name what is defined before them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import calls
from integrations.admin.line_fields import HeadersField, InputsField, LinesField, OutputsField
from integrations.models.flows import Action, RestStep, Subflow, SubflowAction
from integrations.models.flows.declared import check_inputs, check_output_paths, check_outputs

INPUTS = gettext_lazy(
    "One per line: name: type = default. Types: text, integer, number, boolean, json. An input without a default is"
    " required."
)
OUTPUTS_OF_ACTION = gettext_lazy(
    "One per line: name = path (JMESPath), such as incidents = steps.list.body.result[*].number. Each step has status,"
    " headers and body."
)
OUTPUTS_OF_SUBFLOW = gettext_lazy("One per line: name = path (JMESPath), such as numbers = actions.list.incidents.")
PAIRS = gettext_lazy(
    "One per line: name = value. A value may contain expressions, such as {{ inputs.limit }} or"
    " {{ steps.first.body.id }}. A value that evaluates to null is left out."
)
HEADERS = gettext_lazy("One per line: Name: value. Keyrack adds the Authorization header itself.")
BODY = gettext_lazy(
    'JSON whose texts may contain expressions: {"limit": "{{ inputs.limit }}"}. A single expression keeps its type.'
)
PATH = gettext_lazy(
    "Relative to the Connection URL, such as table/incident/{{ inputs.id }}. A value stays within its segment."
)
RETRIES = gettext_lazy(
    "How often GET, HEAD, OPTIONS, PUT and DELETE are repeated, at most 5 times, if there is no answer or the server"
    " asks to wait (429, 502, 503, 504)."
)
SCOPES = gettext_lazy("Separated by spaces. Checked before the call is made.")
ACTION_INPUTS = gettext_lazy(
    "Inputs of the action. One per line: name = value, such as limit = {{ inputs.limit }} or"
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
            "name": gettext_lazy("Later steps refer to it by this name."),
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
        """Refuse headers that the header policy would drop from the call."""
        headers = self.cleaned_data["headers"]
        for row in headers if isinstance(headers, list) else []:
            if isinstance(row, list) and row and isinstance(row[0], str) and not calls.may_set_header(row[0]):
                raise ValidationError(_("Steps can’t set the header “%(name)s”.") % {"name": row[0]})
        return headers


class SubflowForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Subflow
        fields = ["name", "label", "description", "run_as", "inputs", "outputs", "groups", "active"]
        field_classes = {"inputs": InputsField, "outputs": OutputsField}
        help_texts = {
            "inputs": INPUTS,
            "outputs": OUTPUTS_OF_SUBFLOW,
            "run_as": gettext_lazy("As System User, steps with a Personal credential fail with 401."),
        }
        widgets = {"description": forms.Textarea(attrs={"class": "vLargeTextField", "rows": 3})}


class PlacedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Form of an action within a subflow. Its name defaults to the action's."""

    class Meta:
        model = SubflowAction
        fields = ["order", "name", "action", "inputs"]
        field_classes = {"inputs": LinesField}
        help_texts = {"inputs": ACTION_INPUTS, "name": gettext_lazy("Empty: the action’s own name.")}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "name" in self.fields:
            self.fields["name"].required = False

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if not fields.get("name") and fields.get("action"):
            fields["name"] = fields["action"].name.replace(".", "_")
        return fields


class OrderedFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Formset of rows whose expressions may name earlier rows."""

    root: str
    _should_delete_form: Any

    def clean(self) -> None:
        super().clean()
        if any(self.errors) or not self.has_valid_parent():
            return
        rows = [
            form for form in self.forms if form.has_changed() or (form.instance.pk and not form.instance._state.adding)
        ]
        remaining_forms = [form for form in rows if form not in self.deleted_forms]
        earlier_names: set[str] = set()
        for form in sorted(remaining_forms, key=lambda form: form.instance.order):
            self.check(form, earlier_names)
            if form.instance.name in earlier_names:
                form.add_error("name", _("“%(name)s” is there twice.") % {"name": form.instance.name})
            earlier_names.add(form.instance.name)
        self.check_outputs(earlier_names)

    def has_valid_parent(self) -> bool:
        """Tell whether inputs and outputs are valid. If not, their own fields show it, and rows can't be checked."""
        try:
            check_inputs(self.instance.inputs)
            check_outputs(self.instance.outputs)
        except ValidationError:
            return False
        return True

    def check(self, form: Any, earlier: set[str]) -> None:
        defined_names = {"inputs": self.instance.input_names, self.root: set(earlier)}
        try:
            form.instance.check_references(**defined_names)
        except ValidationError as error:
            form.add_error(None, error)

    def check_outputs(self, names: set[str]) -> None:
        check_output_paths(self.instance.outputs, {"inputs": self.instance.input_names, self.root: names})


class StepFormSet(OrderedFormSet):
    root = "steps"


class PlacedFormSet(OrderedFormSet):
    root = "actions"
