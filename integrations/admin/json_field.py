"""A field that takes JSON, and refuses what cannot be read or stored beside itself."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from integrations.models.stored_json import check_kept


class Decoder(json.JSONDecoder):
    def decode(self, text: str, *arguments: Any) -> Any:
        """Besides what is no JSON, refuses what is nested too deeply, or has a number or a text that nothing holds.

        Django decodes a second time to show the form again, so the field shows what was typed.
        """
        try:
            found = super().decode(text, *arguments)
            check_kept(found)
        except (RecursionError, ValueError, ValidationError):
            raise json.JSONDecodeError("cannot be read or stored", "", 0) from None
        return found


class JsonField(forms.JSONField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "decoder": Decoder})
