"""Long lists in pages. The body stays a plain list; where the other pages are, the Link header says (RFC 8288)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param

from integrations.api.serializers import PageSerializer


def paged(request: Request, rows: Sequence[Any], serializer: type[Serializer[Any]]) -> Response:
    """The page that the address asks for. One beyond the last is empty: rows may have gone since the last was read."""
    asked = PageSerializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    number, size = asked.validated_data["page"], asked.validated_data["page_size"]
    start = (number - 1) * size
    shown = serializer(rows[start : start + size], many=True).data
    return Response(shown, headers={"Link": links(request, number, Paginator(rows, size).num_pages)})


def links(request: Request, number: int, last: int) -> str:
    """From the public address of the site, never from what the Host header says."""
    wanted = {"first": 1, "prev": min(number - 1, last), "next": number + 1, "last": last}
    here = f"{settings.SITE_URL}{request.get_full_path()}"
    known = {rel: page for rel, page in wanted.items() if 1 <= page <= last}
    return ", ".join(f'<{replace_query_param(here, "page", page)}>; rel="{rel}"' for rel, page in known.items())
