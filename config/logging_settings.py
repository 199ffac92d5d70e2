"""Log format and levels. OAuth libraries never log at DEBUG, where they print tokens."""

from config.environment import env

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {
        "queue is away": {"()": "config.logs.QueueErrorsInOneLine"},
        "they are away": {"()": "config.logs.ProviderErrorsAsWarnings"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "requests_oauthlib": {"level": "INFO"},
        "oauthlib": {"level": "INFO"},
        "urllib3": {"level": "INFO"},
        "celery.beat": {"filters": ["queue is away"]},
        "django.request": {"filters": ["they are away"]},
    },
}
