"""Settings of the demo authorization server. Read from the environment; it must not know the hub's settings.

Its cookies have names of their own because browsers keep cookies per host and ignore the port.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from demo.provider.keys import signing_key
from demo.provider.lifetimes import access_token_seconds

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = BASE_DIR / os.environ.get("DATA_DIR", "var")
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = os.environ.get("PROVIDER_SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured("PROVIDER_SECRET_KEY is not set: the demo provider has no default secret.")

PROVIDER_URL = os.environ.get("PROVIDER_URL", "http://localhost:8001").rstrip("/")
if urlsplit(PROVIDER_URL).scheme not in {"http", "https"} or urlsplit(PROVIDER_URL).path:
    raise ImproperlyConfigured("PROVIDER_URL must be an origin, such as http://localhost:8001.")
DEMO_PASSWORD = os.environ.get("DEMO_PASSWORD", "")

DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "demo.provider.urls"
WSGI_APPLICATION = "demo.provider.wsgi.application"
INSTALLED_APPS = [
    "demo.provider",
    "oauth2_provider",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "demo.provider.middleware.page_headers",
    "demo.provider.middleware.switchboard",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "provider.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "demo.provider.hashers.ClientSecretHasher",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SESSION_COOKIE_NAME = "provider_session"
CSRF_COOKIE_NAME = "provider_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PROVIDER_URL.startswith("https:")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "login"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# Not swapped; migrations of models that point at it ask for the name.
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
OAUTH2_PROVIDER: dict[str, Any] = {
    "OAUTH2_VALIDATOR_CLASS": "demo.provider.validator.Validator",
    "SCOPES_BACKEND_CLASS": "demo.provider.scopes.ClientScopes",
    "SCOPES": {
        "openid": "Know who you are",
        "profile": "See your name",
        "email": "See your email address",
        "notes:read": "Read notes",
        "notes:write": "Write notes",
        "contacts:read": "Read contacts",
    },
    "DEFAULT_SCOPES": ["profile"],
    "CLIENT_SECRET_HASHER": "pbkdf2_sha256_client",
    # The hub of the demo lives on plain HTTP on this machine.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "EXTRA_SERVER_KWARGS": {"token_expires_in": access_token_seconds},
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 30 * 24 * 3600,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "PKCE_REQUIRED": True,
    "OIDC_ENABLED": True,
    # Pinned: a forged Host header must not move the issuer.
    "OIDC_ISS_ENDPOINT": PROVIDER_URL,
    "OIDC_RSA_PRIVATE_KEY": signing_key(DATA_DIR / "provider-key.pem"),
    "ID_TOKEN_EXPIRE_SECONDS": 600,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    # RFC 9700 section 2.4 forbids this grant. Old services still have it, and the demo shows one of them; only a
    # client that is registered for the grant may use it.
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": False,
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "unplanned": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", 0) != 503,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        # A refusal is an answer of the protocol, and 503 one of the switches: beside "Keyrack is running." they would
        # look as if something had failed.
        "django.request": {"level": "ERROR", "filters": ["unplanned"]},
        # Its only warning in daily use says at each password grant that the grant is discouraged: known, see above.
        "oauth2_provider": {"level": "ERROR"},
        # At DEBUG it writes tokens and passwords.
        "oauthlib": {"level": "INFO"},
    },
}
