"""REST API for reporting leaked tokens. Open to everyone, without authentication."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import leaks
from accounts.api import strict_fields
from accounts.api.permissions import Limit
from accounts.sign_in.middleware import client_address, counted_address

REPORTS = Limit(name="leak-reports", times=60, seconds=600)


class LeakSerializer(serializers.Serializer[Any]):
    token = strict_fields.Text(
        max_length=leaks.LONGEST,
        allow_blank=True,
        trim_whitespace=False,
        write_only=True,
        help_text="The token, or a text that contains it.",
    )


class ReceivedSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Always “received”.")


class LeakedTokens(APIView):
    authentication_classes = []
    permission_classes = []
    throttle_classes = []

    @extend_schema(operation_id="leaked_tokens", request=LeakSerializer, responses={202: ReceivedSerializer})
    def post(self, request: Request) -> Response:
        """Report a token of this site that was found in public. If it is one, it is revoked at once."""
        if REPORTS.count(counted_address(request._request)):
            raise Throttled(wait=REPORTS.seconds)
        serializer = LeakSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        leaks.report(serializer.validated_data["token"], address=client_address(request._request))
        return Response({"status": "received"}, status=202)
