"""Form fields for JSON that refuse what the database can't store."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.models.stored_json import check_storable


class Decoder(json.JSONDecoder):
    def decode(self, text: str, *arguments: Any) -> Any:
        """Decode JSON. Also refuses deep nesting, and numbers and texts that the database can't store.

        Django decodes again to show an invalid form, and shows the typed text if this raises.
        """
        try:
            value = super().decode(text, *arguments)
            check_storable(value)
        except (RecursionError, ValueError, ValidationError):
            raise json.JSONDecodeError("cannot be read or stored", "", 0) from None
        return value


class JsonField(forms.JSONField):
    """A field for JSON: shows it indented, and names the line of a mistake."""

    rows = 3

    def __init__(self, **options: Any) -> None:
        attributes = {
            "rows": self.rows,
            "class": "vLargeTextField lines",
            "spellcheck": "false",
            "autocapitalize": "none",
        }
        super().__init__(**{"widget": forms.Textarea(attrs=attributes), **options, "decoder": Decoder})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, InvalidJSONInput) else indent_json(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show what was typed as it was typed."""
        return InvalidJSONInput(data) if isinstance(data, str) else super().bound_data(data, initial)

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except ValidationError:
            if place := place_of_mistake(value):
                message = _("This isn’t valid JSON: line %(line)d, column %(column)d.")
                raise ValidationError(message % place, code="invalid") from None
            raise


class ProviderProfileField(JsonField):
    """A field for a provider profile, which has many lines."""

    rows = 16

    def __init__(self, **options: Any) -> None:
        help_text = gettext_lazy(
            "How this provider departs from the standards, as JSON: what its errors mean, names and parameters of its "
            "own, lifetimes, values that calls need. {} departs in nothing. The members are in "
            "docs/provider-profiles.md. Enter no secrets: staff who may only view see them."
        )
        super().__init__(**{**options, "help_text": help_text})


def indent_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def place_of_mistake(text: Any) -> dict[str, int]:
    """Return line and column where the text ceases to be JSON; {} if it is JSON that can't be stored."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return {"line": error.lineno, "column": error.colno}
    except (RecursionError, ValueError, TypeError):
        return {}
    return {}
