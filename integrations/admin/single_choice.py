"""Formsets in which at most one row has a mark: a registry's default profile, an alias's active connection."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet


class OneOfFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable at run time
    """Formset that lets the mark move from row to row in one save, and refuses two marked rows."""

    mark: str
    too_many: Any
    model: Any
    _should_delete_form: Any

    def clean(self) -> None:
        super().clean()
        marked = [form for form in self.forms if self.is_marked(form)]
        if len(marked) > 1:
            raise ValidationError(self.too_many, code="too_many")

    def is_marked(self, form: Any) -> bool:
        fields = getattr(form, "cleaned_data", {})
        return bool(fields.get(self.mark)) and not (self.can_delete and self._should_delete_form(form))

    def save(self, commit: bool = True) -> Any:
        """Clear the mark of other rows first: the database allows one at most after each statement."""
        marked_ids = [form.instance.pk for form in self.initial_forms if self.is_marked(form)]
        rows = self.model._default_manager.filter(**{self.fk.name: self.instance.pk, self.mark: True})
        for row in rows.exclude(pk__in=marked_ids):
            setattr(row, self.mark, False)
            row.save(update_fields=[self.mark])  # one by one, for the audit log
        return super().save(commit)


class Markable:
    """Form of a row. The formset, not the row's constraints, checks that one row at most is marked."""

    mark: str

    def _get_validation_exclusions(self) -> set[str]:
        """Exclude the mark: Django then skips the constraint whose condition names it."""
        return {*super()._get_validation_exclusions(), self.mark}  # type: ignore[misc]  # a ModelForm's
