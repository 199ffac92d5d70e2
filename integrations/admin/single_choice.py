"""Rows of which at most one bears a mark: the default profile of a registry, the active connection of an alias."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet


class OneOfFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable at run time
    """The mark may move from one row to another in one go; two at once are refused in words."""

    mark: str
    too_many: Any
    model: Any
    _should_delete_form: Any

    def clean(self) -> None:
        super().clean()
        marked = [form for form in self.forms if self.bears_mark(form)]
        if len(marked) > 1:
            raise ValidationError(self.too_many, code="too_many")

    def bears_mark(self, form: Any) -> bool:
        fields = getattr(form, "cleaned_data", {})
        return bool(fields.get(self.mark)) and not (self.can_delete and self._should_delete_form(form))

    def save(self, commit: bool = True) -> Any:
        """The others let go first: the database holds to "at most one" after each single statement."""
        kept = [form.instance.pk for form in self.initial_forms if self.bears_mark(form)]
        rows = self.model._default_manager.filter(**{self.fk.name: self.instance.pk, self.mark: True})
        for row in rows.exclude(pk__in=kept):
            setattr(row, self.mark, False)
            row.save(update_fields=[self.mark])  # one by one, for the audit log
        return super().save(commit)


class Markable:
    """A row's form: whether another row bears the mark is for the set of rows to say."""

    mark: str

    def _get_validation_exclusions(self) -> set[str]:
        """Django leaves out a constraint whose condition speaks of an excluded field."""
        return {*super()._get_validation_exclusions(), self.mark}  # type: ignore[misc]  # a ModelForm's
