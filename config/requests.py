"""Request classes that decode texts as UTF-8, whatever character set the Content-Type names.

Django decodes query and form with any Python codec that the caller names, before middleware runs: `zlib` and
`undefined` raise an exception that no middleware sees, `unicode_escape` and `utf-7` produce lone surrogates.
`config.middleware` refuses forms in another character set; the proxy passes bodies on as they are.
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
        """Parse the Content-Type as Django does, without setting `encoding`. An invalid one counts as none."""
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
