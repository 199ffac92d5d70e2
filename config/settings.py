"""Settings of the site, read from the environment and safe by default. docs/operations.md has the table.

Settings of Celery, logging and the API are in modules of their own.
"""

import sys
from datetime import timedelta
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from whitenoise.compress import Compressor

from config.api_settings import *  # noqa: F403
from config.celery import app as celery_app  # noqa: F401 - every process that has settings has its Celery application
from config.celery_settings import *  # noqa: F403
from config.environment import BASE_DIR, DATA_DIR, env, make_private_database, public_folder, required_text
from config.environment import OUTDATED_VARIABLES as OUTDATED_VARIABLES  # for a check
from config.logging_settings import *  # noqa: F403
from config.oauth_settings import *  # noqa: F403
from config.oauth_settings import oauth_provider
from config.variables import MOST_DAYS

DEBUG = env.flag("DEBUG", default=False)
DEMO = env.flag("KEYRACK_DEMO", default=False)  # adds the page that signs the demo user in; `manage.py demo` sets it
OWN_VARIABLES = env.names  # grows below; none is a secret for another server
SECRET_KEY = required_text("SECRET_KEY", "50 random characters that sign sessions")
TOKEN_ENCRYPTION_KEYS = env.words("TOKEN_ENCRYPTION_KEYS")
SITE_URL = env.origin("SITE_URL", default="http://127.0.0.1:8000")
SITE_IS_SECURE = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", default=[urlsplit(SITE_URL).hostname or "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SECURITY_CONTACT = env.words("SECURITY_CONTACT")
START_HELD = env.flag("START_HELD", default=False)  # as after a restore, until an operator has decided
PROXY_TIMEOUT_MAX_SECONDS = env.number("PROXY_TIMEOUT_MAX_SECONDS", default=60, at_least=1)  # that callers may ask for
OUTBOUND_ALLOW = env.networks("OUTBOUND_ALLOW")

INSTALLED_APPS = [
    "integrations",  # before the admin, whose base template it overrides
    "oauth2_provider",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",  # all these before accounts, which unregisters most of their admin pages
    "accounts",
    "demo",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "config.static.StaticFiles",
    "django_htmx",
    "template_partials",
    "csp",
    "rest_framework",
    "drf_spectacular",
]

MIDDLEWARE = [
    "config.request_ids.identify_and_measure",
    "config.metrics.answer_metrics_first",
    "django.middleware.security.SecurityMiddleware",
    "integrations.api.fast_path.fast_path_middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.page_headers",
    "config.middleware.RefuseNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.preferences.apply_preferences",
    "accounts.sign_in.middleware.attribute_admin_changes",
    "accounts.sign_in.middleware.set_current_user",
    "accounts.sign_in.two_step_requirement.RequireSecondStep",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.sign_in.middleware.set_device_cookie",
    "accounts.sign_in.middleware.mark_redirects",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.sign_in.middleware.LockedOutMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Web and worker write concurrently: WAL doesn't block readers, IMMEDIATE makes a writer wait instead of failing midway.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}
# Repeated statements are planned once per connection, unless a pooler gives each transaction another one.
DATABASE_PREPARED_STATEMENTS = env.flag("DATABASE_PREPARED_STATEMENTS", default=True)
POSTGRES_OPTIONS = {"server_side_binding": True, "prepare_threshold": 5 if DATABASE_PREPARED_STATEMENTS else None}
POSTGRES_OPTIONS |= {"connect_timeout": 2}
# Give up an unresponsive server, e.g. behind a firewall, after ten seconds. Linux would wait for 15 minutes.
POSTGRES_OPTIONS |= {"tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2}
DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'keyrack.sqlite3'}")}
# The many threads of a web process share a pool of connections. Workers fork, and have no pool. A failed attempt to
# connect is given up after two seconds, and the next request begins one: else its delays double for five minutes.
POSTGRES_POOL = {"min_size": 1, "timeout": 2, "reconnect_timeout": 2}
SERVES_WEB = "config.wsgi" in sys.modules
DATABASE_POOL = env.number("DATABASE_POOL", default=16)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    if not DATABASES["default"]["NAME"].startswith((":", "file:")):
        make_private_database(BASE_DIR / DATABASES["default"]["NAME"])
else:
    DATABASES["default"]["ENGINE"] = "foundation.postgresql"
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = not DATABASE_PREPARED_STATEMENTS
    DATABASES["default"]["OPTIONS"] = {**POSTGRES_OPTIONS, **DATABASES["default"].get("OPTIONS", {})}
    if DATABASE_POOL and SERVES_WEB:
        DATABASES["default"]["OPTIONS"]["pool"] = {**POSTGRES_POOL, "max_size": DATABASE_POOL}
        DATABASES["default"]["CONN_MAX_AGE"] = 0  # required by Django with a pool: each request returns its connection
DATABASES["default"].setdefault("CONN_MAX_AGE", 600)
DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}
CACHES["default"].setdefault("KEY_PREFIX", SITE_URL)  # two sites with one Redis don't share counters of limits
if CACHES["default"]["BACKEND"] == "django.core.cache.backends.redis.RedisCache":
    CACHES["default"]["BACKEND"] = "foundation.counters.RedisCache"
    CACHES["default"].setdefault("OPTIONS", {}).update(socket_connect_timeout=2, socket_timeout=2)

EMAIL_CONFIG = env.mail_server("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
if DEMO:
    EMAIL_BACKEND = "demo.mail.MailFolder"
DELIVERY_BACKEND, EMAIL_BACKEND = globals()["EMAIL_BACKEND"], "foundation.held_mails.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds without a byte; `foundation.smtp_delivery` limits each mail as a whole
EMAIL_SUBJECT_PREFIX = "[Keyrack] "  # of emails to administrators
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default="keyrack@localhost")
ADMINS = [("Administrator", address) for address in env.words("ADMIN_EMAILS")]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    *(f"accounts.sign_in.backends.{name}" for name in ("PBKDF2", "PBKDF2SHA1", "Scrypt")),
    *(f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("Argon2", "BCryptSHA256")),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
] + [{"NAME": "accounts.signal_receivers.EndGrantsOnPasswordChange"}]
AUTHENTICATION_BACKENDS = ["accounts.sign_in.backends.Backend"]

# Sign-in by django-allauth, without sign-up or social accounts. `accounts.sign_in.lockout` counts failed attempts.
ACCOUNT_ADAPTER = "accounts.sign_in.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # administrators create the accounts
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no email to addresses without an account
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Keyrack] "
ACCOUNT_FORMS = {
    "login": "accounts.sign_in.forms.SignInForm",
    "reset_password": "accounts.sign_in.forms.ForgottenPasswordForm",
    "change_password": "accounts.sign_in.forms.PasswordChangeForm",
}
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds, for accounts.sign_in.reauthentication
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "accounts.sign_in.adapters.SecondFactorAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "authenticate": "accounts.sign_in.forms.CodeForm",
    "reauthenticate": "accounts.sign_in.forms.CodeAgainForm",
    "activate_totp": "accounts.sign_in.forms.AppForm",
    "login_webauthn": "accounts.sign_in.forms.PasskeyForm",
    "authenticate_webauthn": "accounts.sign_in.forms.KeyForm",
    "reauthenticate_webauthn": "accounts.sign_in.forms.KeyAgainForm",
    "add_webauthn": "accounts.sign_in.forms.NewKeyForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_REAUTHENTICATION_REQUIRED = False  # accounts.sign_in.reauthentication asks for both steps
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Keyrack"
MFA_TOTP_TOLERANCE = 1  # allows a clock that is half a minute off

# Wrong passwords are counted per username and per address, wherever one is accepted. Right ones don't reset the count.
PROXY_COUNT = env.number("PROXY_COUNT", default=1 if env.flag("BEHIND_TLS_PROXY", default=False) else 0)
ALLAUTH_TRUSTED_PROXY_COUNT = PROXY_COUNT
SIGN_IN_ATTEMPTS = 20
SIGN_IN_LOCK = timedelta(minutes=15)

CSRF_FAILURE_VIEW = "config.failures.csrf_failure"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "integrations:dashboard"
LOGOUT_REDIRECT_URL = "accounts:login"

# Permanent tokens: their default lifetime, and what users may choose.
PERMANENT_TOKEN_DEFAULT_DAYS = env.days("PERMANENT_TOKEN_DEFAULT_DAYS", default=90, at_least=1)
PERMANENT_TOKEN_MAX_DAYS = env.days("PERMANENT_TOKEN_MAX_DAYS", default=365, at_least=1)
PERMANENT_TOKEN_MAY_NEVER_EXPIRE = env.flag("PERMANENT_TOKEN_MAY_NEVER_EXPIRE", default=False)

OAUTH2_PROVIDER = oauth_provider(SITE_URL, is_secure=SITE_IS_SECURE)

LANGUAGES = [("en", "English"), ("ja", "日本語"), ("de", "Deutsch")]  # each in its own words
LANGUAGE_CODE = env.language("LANGUAGE_CODE", [code for code, _name in LANGUAGES], default="en")
LOCALE_PATHS = [BASE_DIR / "locale"]  # one catalog for all apps: its words win over those of Django and allauth
FORMAT_MODULE_PATH = "config.formats"
LANGUAGE_COOKIE_NAME = "keyrack-language"
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = public_folder("STATIC_ROOT", str(DATA_DIR / "static"))
# Works without collectstatic; once it has run, names carry a hash and files are compressed.
COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() or bool({"collectstatic", "demo_prepare"} & {*sys.argv[1:2]})
WHITENOISE_USE_FINDERS = not COLLECTED
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [*Compressor.SKIP_COMPRESS_EXTENSIONS, "map"]  # large, and for developers only
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Browsers -------------------------------------------------------------------------------------------------------
SESSION_COOKIE_NAME = "__Host-keyrack" if SITE_IS_SECURE else "keyrack"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # the provider's redirect back is a cross-site GET
CSRF_COOKIE_NAME = "__Host-keyrack-csrf" if SITE_IS_SECURE else "keyrack-csrf"
DEVICE_COOKIE_NAME = "__Host-keyrack-device" if SITE_IS_SECURE else "keyrack-device"
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", default=SITE_IS_SECURE)
SECURE_HSTS_SECONDS = 31_536_000 if SITE_IS_SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SITE_IS_SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_TLS_PROXY", default=False) else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}


DEFAULT_EXCEPTION_REPORTER = "config.reporting.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.reporting.NamesOnly"

ATTEMPT_LIFETIME = timedelta(minutes=10)
REVOCATION_THREADS = env.number("REVOCATION_THREADS", default=16, at_least=1)
KEEP_ALIVE_WORKERS = env.number("KEEP_ALIVE_WORKERS", default=4, at_least=1)
REVOCATION_GIVE_UP_DAYS = env.days("REVOCATION_GIVE_UP_DAYS", default=14)
REVOCATION_ROW_DAYS = env.days("REVOCATION_ROW_DAYS", default=180)
REVOCATION_PURGE_DAYS = env.days("REVOCATION_PURGE_DAYS", default=30)
SUBFLOW_OUTPUT_HOURS = env.number("SUBFLOW_OUTPUT_HOURS", default=24, at_most=24 * MOST_DAYS)
AUDIT_LOG_DAYS = env.days("AUDIT_LOG_DAYS", default=730)
SUBFLOW_RUN_DAYS = env.days("SUBFLOW_RUN_DAYS", default=30)
