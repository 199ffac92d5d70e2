"""The authority as social-auth wants a provider described: a backend class."""

import os

from social_core.backends.oauth import BaseOAuth2


class Northwind(BaseOAuth2):
    name = "northwind"
    ACCESS_TOKEN_URL = REFRESH_TOKEN_URL = f"{os.environ['AUTHORITY']}/token"
    EXTRA_DATA = [("refresh_token", "refresh_token", True), ("expires_in", "expires_in")]
