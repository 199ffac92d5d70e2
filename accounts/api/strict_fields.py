"""JSON parser and serializer fields without implicit conversion: a number is not accepted as text."""

import json
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import exceptions, parsers, serializers

WITHOUT_NULL = RegexValidator(r"^[^\x00]+\Z", "Null characters are not allowed.")


class Json(parsers.JSONParser):
    def parse(self, *arguments: Any, **options: Any) -> Any:
        """Answer 400, not 500, to nesting beyond Python's recursion limit and to lone surrogates."""
        try:
            data = super().parse(*arguments, **options)
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise exceptions.ParseError("JSON parse error - nested too deeply.") from None
        except UnicodeEncodeError:
            raise exceptions.ParseError("JSON parse error - half of a surrogate pair is no character.") from None
        return data


class KnownMembers(serializers.Serializer[Any]):
    """Base of serializers that refuse unknown members: a misspelt one would be ignored. Accepts read-only ones."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            expected = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            message = f"Not known: {names}. There are: {expected}." if expected else f"Not known: {names}."
            raise serializers.ValidationError({"non_field_errors": [message]})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    default_validators = [WITHOUT_NULL]  # CharField refuses it too, but this one shows in the OpenAPI description

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class YesOrNo(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
