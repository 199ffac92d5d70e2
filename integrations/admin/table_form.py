"""Forms of remote tables and their columns. What only an answer can show is checked by the preview."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from integrations import calls, remote_tables
from integrations.admin.base import RowForm, RowFormSet
from integrations.admin.json_field import JsonField
from integrations.flows import actions
from integrations.models.flows import Action
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn, name_from

ANYWHERE = "https://api.example"  # a path that leaves one origin leaves any


class TableForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = RemoteTable
        fields = [
            "name", "label", "alias", "path", "query", "action", "inputs", "rows_path", "cache_seconds", "row_limit",
            "groups", "active",
        ]  # fmt: skip
        field_classes = {"inputs": JsonField}
        widgets = {"inputs": forms.Textarea(attrs={"rows": 2, "cols": 60})}

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or self.cleaned_data
        if action := fields.get("action"):
            self.check_action(action, fields.get("inputs") or {})
        return fields

    def check_action(self, action: Action, inputs: Any) -> None:
        """Check that the action only reads and accepts its inputs: each view of the table runs it."""
        for step in action.steps.all():
            if step.method not in remote_tables.READS:
                message = _("Its step “%(step)s” changes something (%(method)s). Viewing a table must not.")
                self.add_error("action", message % {"step": step.name, "method": step.method})
        try:
            actions.validate_inputs(action.inputs, inputs if isinstance(inputs, dict) else {})
        except actions.BadInputs as error:
            self.add_error("inputs", str(error))

    def clean_inputs(self) -> Any:
        return self.cleaned_data["inputs"] or {}

    def clean_path(self) -> str:
        path = str(self.cleaned_data["path"])
        if "?" in path:
            raise forms.ValidationError(_("What follows the question mark belongs in Query."))
        try:
            calls.target_url(ANYWHERE, path)
        except calls.BadPath as error:
            raise forms.ValidationError(str(error)) from None
        return path

    def clean_query(self) -> str:
        query = str(self.cleaned_data["query"]).strip().removeprefix("?")
        if query and not all(re.fullmatch(r"[^=&#\s]+(=[^&#\s]*)?", pair) for pair in query.split("&")):
            raise forms.ValidationError(_("Write name=value, separated by &. Write spaces as %20."))
        return query


class ColumnForm(RowForm):
    class Meta:
        model = RemoteTableColumn
        fields = ["label", "name", "path", "type", "order"]
        widgets = {
            **{name: forms.TextInput(attrs={"size": 14}) for name in ("label", "path", "name")},
        }

    def clean_name(self) -> str:
        """Derive the name here, so that the formset can find duplicates."""
        return str(self.cleaned_data["name"] or name_from(self.cleaned_data.get("label", "")))


class ColumnFormSet(RowFormSet):
    def clean(self) -> None:
        super().clean()
        if not any(form.has_changed() or form.instance.pk for form in self.remaining_forms()):
            raise forms.ValidationError(_("A table needs at least one column."))

    def remaining_forms(self) -> list[Any]:
        return [form for form in self.forms if not (self.can_delete and self._should_delete_form(form))]  # type: ignore[attr-defined]  # Django's own
