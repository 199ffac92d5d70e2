"""JSON bodies, and fields of them that take what they are described as and nothing that only looks like it: no 1 for a
text.
"""

import json
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import exceptions, parsers, serializers

WITHOUT_NULL = RegexValidator(r"^[^\x00]+\Z", "Null characters are not allowed.")


class Json(parsers.JSONParser):
    def parse(self, *arguments: Any, **options: Any) -> Any:
        """What is nested deeper than Python follows, or names half a character, is the caller's fault and not ours."""
        try:
            found = super().parse(*arguments, **options)
            json.dumps(found, ensure_ascii=False).encode()
        except RecursionError:
            raise exceptions.ParseError("JSON parse error - nested too deeply.") from None
        except UnicodeEncodeError:
            raise exceptions.ParseError("JSON parse error - half of a surrogate pair is no character.") from None
        return found


class Text(serializers.CharField):
    default_validators = [WITHOUT_NULL]  # refused anyway; so the API's description says so

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class YesOrNo(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
