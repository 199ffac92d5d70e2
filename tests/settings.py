"""The site's own settings, for tests. Keyrack itself is one of the authorization servers that they sign in to."""

from config.api_settings import REST_FRAMEWORK
from config.environment import DATA_DIR
from config.settings import *  # noqa: F403
from config.settings import DATABASES, STORAGES

ROOT_URLCONF = "tests.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": dict.fromkeys(("known", "anonymous"), "100000/min")}
OUTBOUND_ALLOW = ["127.0.0.0/8", "::1/128"]
WHITENOISE_AUTOREFRESH = True  # or every test client would look at every static file before its first request
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # a file: threads and processes share it
DATABASES["default"]["CONN_MAX_AGE"] = 0
