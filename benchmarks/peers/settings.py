"""One Django site with all peers installed, on the same database options as Keyrack's own settings."""

import os

import environ

env = environ.Env()
SECRET_KEY = os.environ["SECRET_KEY"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "social_django",
    "esi",
]
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]

DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"]["CONN_MAX_AGE"] = 600
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }

AUTHENTICATION_BACKENDS = ["benchmarks.peers.northwind.Northwind"]
SOCIAL_AUTH_NORTHWIND_KEY = "client"
SOCIAL_AUTH_NORTHWIND_SECRET = "secret"

ESI_SSO_CLIENT_ID = "client"
ESI_SSO_CLIENT_SECRET = "secret"
ESI_SSO_CALLBACK_URL = "https://hub.example/callback"
ESI_USER_CONTACT_EMAIL = "admin@hub.example"
ESI_CODE_EXCHANGE_URL = f"{os.environ['AUTHORITY']}/token"
ESI_TOKEN_VALID_DURATION = 86_400  # so that none ends while a million are read

LOGGING = {"version": 1, "root": {"level": "CRITICAL"}}
