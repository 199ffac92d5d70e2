"""Requests whose texts are UTF-8, whatever character set their Content-Type names.

Django decodes query and form with any codec of Python's that the caller names, while it builds the request: `zlib` and
`undefined` end in an exception that no middleware sees, `unicode_escape` and `utf-7` in halves of surrogate pairs.
Forms in another character set are refused by `config.characters`; what the proxy passes on is the third party's to
read.
"""

from collections.abc import Mapping
from typing import Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters


class Utf8:
    content_type: str | None
    content_params: dict[str, str] | None

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        """Django's, without setting `encoding` by it. What cannot be parsed is no type that we read."""
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (LookupError, ValueError):
            self.content_type, self.content_params = "", {}


class Utf8WSGIRequest(Utf8, WSGIRequest):
    pass


class Utf8ASGIRequest(Utf8, ASGIRequest):
    pass


class WSGIApplication(WSGIHandler):
    request_class = Utf8WSGIRequest


class ASGIApplication(ASGIHandler):
    request_class = Utf8ASGIRequest
