"""Leaked tokens: revokes the secrets of ours that a reported text contains, and notifies their owners.

The REST API for reports is open to everyone, without authentication, and never tells the outcome.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import tasks
from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.api import strict_fields
from accounts.api.permissions import Limit
from accounts.audit import log
from accounts.audit.details import register_detail
from accounts.models import User
from accounts.oauth_server import validator
from accounts.sign_in.middleware import client_address, counted_address
from foundation import secrets_at_rest

LONGEST_REPORT = 64_000  # characters of a report
PIECES = 1_000  # candidates that are looked up for one report
REPORTED = register_detail(gettext_noop("reported as leaked"))
LEAKED = LongLivedModel.Ending.LEAKED


@sensitive_variables()
def report_leak(text: str, *, address: str = "") -> int:
    """Revoke every permanent token, application password, access token and refresh token of ours in the text.

    Returns how many were alive or held. Show that to operators only: anyone who may send reports could test tokens with
    it. Safe to repeat.
    """
    text = text[:LONGEST_REPORT]
    rows: list[PermanentToken | ApplicationPassword] = [*permanent_tokens_in(text), *application_passwords_in(text)]
    ended = [operations.end_secret(row, who=None, because=LEAKED, address=address) for row in rows]
    grants = validator.end_leaked_grants(token_candidates_in(text))
    for owner, application in grants:
        record_leaked_grant(owner, application.name, address=address)
    return sum(ended) + len(grants)


@sensitive_variables()
def permanent_tokens_in(text: str) -> list[PermanentToken]:
    """Permanent tokens of ours in the text, with the right secret, that have not ended yet."""
    tokens = {operations.public_part(token): token for token in operations.tokens_in(text)[:PIECES]}
    rows = PermanentToken.objects.endable().filter(public_id__in=tokens).select_related("user")
    return [row for row in rows if operations.matches_secret(row, tokens[row.public_id])]


@sensitive_variables()
def application_passwords_in(text: str) -> list[ApplicationPassword]:
    """Application passwords that fill a whole line, or the whole text."""
    candidates = {operations.normalize_password(line) for line in [text, *text.splitlines()[:PIECES]]} - {""}
    purpose = operations.PURPOSES[ApplicationPassword]
    hashes = [keyed_hash for secret in candidates for keyed_hash in secrets_at_rest.all_hashes(secret, purpose=purpose)]
    return list(ApplicationPassword.objects.endable().filter(keyed_hash__in=hashes).select_related("user"))


@sensitive_variables()
def token_candidates_in(text: str) -> list[str]:
    """Substrings that could be access or refresh tokens, from headers, JSON or URLs. Each once."""
    separated = "".join(letter if letter.isalnum() or letter in "-._~" else " " for letter in text)
    return list(dict.fromkeys(piece for piece in separated.split() if len(piece) >= 20))[:PIECES]


def record_leaked_grant(owner: User | None, application: str, *, address: str) -> None:
    if owner is None:
        return  # a token of the client itself has no owner to notify
    log.write(log.Kind.GRANT_ENDED, whose=owner, detail=REPORTED, address=address, subject=application)
    transaction.on_commit(lambda: tasks.queue_leaked_grant_mail(owner.pk, application), robust=True)


# REST API -------------------------------------------------------------------------------------------------------------


REPORTS = Limit(name="leak-reports", times=60, seconds=600)


class LeakSerializer(serializers.Serializer[Any]):
    token = strict_fields.Text(
        max_length=LONGEST_REPORT,
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
            raise Throttled(wait=REPORTS.wait())
        serializer = LeakSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        report_leak(serializer.validated_data["token"], address=client_address(request._request))
        return Response({"status": "received"}, status=202)
