"""The scopes of an OAuth application, also on sites with more integrations than a page can list."""

from typing import Any, cast

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts import scopes

LISTED = 200  # integrations that have a box without being ticked


class ScopeBoxes(forms.CheckboxSelectMultiple):
    """Boxes for ticked scopes and those of the first integrations; further ones are typed, with spaces between them."""

    has_more = False  # more integrations than boxes
    typed = ""  # scopes that were submitted and do not exist

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return " ".join(super().value_from_datadict(data, files, name) or []).split()

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        boxes = super().render(name, value, attrs, renderer)
        if not self.has_more:
            return boxes
        text = _("Scopes of further integrations, such as service:name, with spaces between them:")
        label_id = f"{(attrs or {}).get('id', name)}_further"
        attributes = {"name": name, "aria-labelledby": label_id, "rows": 2, "cols": 60}
        further = format_html('<div id="{}">{}</div><textarea{}>', label_id, text, flatatt(attributes))
        return format_html("<div>{}{}{}</textarea></div>", boxes, further, self.typed)


def set_choices(field: forms.MultipleChoiceField, stored: list[str], submitted: list[str]) -> None:
    """Offer a box for each scope that is stored, or exists and is submitted, or is of one of the first integrations."""
    of_some = scopes.all_scopes(most=LISTED + 1)
    turned_off = {scope: _("turned off") for scope in stored}
    descriptions = {**turned_off, **scopes.all_scopes({*stored, *submitted}), **of_some}
    field.choices = [(scope, f"{scope} – {words}") for scope, words in descriptions.items()]
    boxes = cast(ScopeBoxes, field.widget)
    boxes.has_more = sum(map(scopes.is_service, of_some)) > LISTED
    boxes.typed = " ".join(scope for scope in submitted if scope not in descriptions)
