"""Form field for JSON that refuses what the database can't store."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

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
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "decoder": Decoder})
