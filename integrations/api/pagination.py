"""Pagination. The body is a plain list; the Link header has the other pages (RFC 8288)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param

from integrations.api.serializers import PageSerializer


def page_response(request: Request, rows: Sequence[Any], serializer: type[Serializer[Any]]) -> Response:
    """Return the requested page. One beyond the last is empty: rows may have been deleted meanwhile."""
    parameters = PageSerializer(data=request.query_params)
    parameters.is_valid(raise_exception=True)
    number, size = parameters.validated_data["page"], parameters.validated_data["page_size"]
    start = (number - 1) * size
    data = serializer(rows[start : start + size], many=True).data
    return Response(data, headers={"Link": link_header(request, number, Paginator(rows, size).num_pages)})


def link_header(request: Request, number: int, last: int) -> str:
    """Return the Link header. Its URLs start with SITE_URL, never with the Host header."""
    numbers = {"first": 1, "prev": min(number - 1, last), "next": number + 1, "last": last}
    url = f"{settings.SITE_URL}{request.get_full_path()}"
    pages = {rel: page for rel, page in numbers.items() if 1 <= page <= last}
    return ", ".join(f'<{replace_query_param(url, "page", page)}>; rel="{rel}"' for rel, page in pages.items())
