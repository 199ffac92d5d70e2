"""Canaille (PyPI), started for a test: an authorization server built on Authlib.

Runs in an environment of its own and imports nothing of Keyrack. Reads one line of JSON settings from standard
input, listens on the file descriptor named there and ends when standard input closes. Clients register themselves
(RFC 7591).
"""

import json
import os
import secrets
import sys
import threading
from urllib.parse import urlsplit

from canaille import create_app  # type: ignore[import-not-found]  # installed in its own environment only
from canaille.app import models  # type: ignore[import-not-found]  # the same
from canaille.backends import Backend  # type: ignore[import-not-found]  # the same
from joserfc.jwk import ECKey, RSAKey  # type: ignore[import-not-found]  # the same
from werkzeug.serving import make_server  # type: ignore[import-not-found]  # the same

GRANTS = ("authorization_code", "password", "client_credentials", "refresh_token")


def configuration(issuer: str, access_ttl: int, directory: str) -> dict[str, object]:
    rsa = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256", "use": "sig"}, private=True)
    ec = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"}, private=True)
    return {
        "SECRET_KEY": secrets.token_hex(16),
        "SERVER_NAME": urlsplit(issuer).netloc,
        "PREFERRED_URL_SCHEME": "http",
        "SESSION_COOKIE_SECURE": False,
        "OAUTH2_TOKEN_EXPIRES_IN": dict.fromkeys(GRANTS, access_ttl),
        # Not its in-memory backend: that one takes any string for a code while another code is outstanding.
        "CANAILLE_SQL": {
            "DATABASE_URI": f"sqlite:///{directory}/canaille.sqlite3",
            "AUTO_MIGRATE": True,
            "PASSWORD_SCHEMES": "pbkdf2_sha512",
            "PASSWORD_HASH_PARAMS": {"pbkdf2_sha512__rounds": 1000},
        },
        "CANAILLE": {
            "DATABASE": "sql",
            "SMTP": None,
            "HTMX": False,
            "JAVASCRIPT": False,
            "TIMEZONE": "UTC",
            "LANGUAGE": "en",
            "MIN_PASSWORD_LENGTH": 0,
            "LOGGING": {"version": 1, "root": {"level": "WARNING"}},
        },
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [rsa.as_dict(private=True), ec.as_dict(private=True)],
            "REQUIRE_NONCE": False,
            "DYNAMIC_CLIENT_REGISTRATION_OPEN": True,
            "TRUSTED_DOMAINS": [],  # so that everyone is asked for consent
        },
    }


def add_user(name: str, password: str) -> None:
    names = dict.fromkeys(("user_name", "formatted_name", "given_name", "family_name", "display_name"), name)
    Backend.instance.save(models.User(**names, emails=[f"{name}@provider.example"], password=password))


def end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    app = create_app(config=configuration(settings["issuer"], settings["access_ttl"], settings["directory"]))
    with app.app_context(), Backend.instance.session():
        for name, password in settings["users"].items():
            add_user(name, password)
    address = urlsplit(settings["issuer"])
    make_server(address.hostname, address.port, app, threaded=True, fd=settings["listens_on"]).serve_forever()


if __name__ == "__main__":
    main()
