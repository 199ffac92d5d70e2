"""Views that read a token: one without authentication, and one of django-rest-framework with it."""

import hashlib
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from oauth2_provider.models import get_access_token_model
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.models import Token

AccessToken = get_access_token_model()


def plain(request: HttpRequest, user_id: int) -> JsonResponse:
    token = Token.objects.get(user_id=user_id)
    return JsonResponse({"access_token": token.access_token, "token_type": token.token_type})


class TokenAuthentication(BaseAuthentication):
    """One statement, as `rest_framework.authtoken` does it; the key is hashed."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        checksum = hashlib.sha256(get_authorization_header(request)[7:]).hexdigest()
        access_token = AccessToken.objects.select_related("user").filter(token_checksum=checksum).first()
        if access_token is None or access_token.is_expired() or not access_token.user.is_active:
            raise AuthenticationFailed
        return access_token.user, access_token


class TokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField()


class WithAuthentication(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(TokenSerializer(Token.objects.get(user_id=int(request.user.pk or 0))).data)


urlpatterns = [
    path("plain/<int:user_id>/", plain),
    path("with-authentication/", WithAuthentication.as_view()),
]
