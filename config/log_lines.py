"""What a line of the log looks like: text or JSON, by LOG_FORMAT. Also for the own lines of Granian and gunicorn.

Some addresses have a secret in their path. No line and no mail shows it.
"""

import json
import logging
import os
import re
from datetime import UTC, datetime

from foundation.request_ids import current_request_id

FORMATS = ("text", "json")
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
SECRET_PATH = re.compile(r"(/integrations/(?:calendar|connect)/)(?!revoke/)[^/\s\"'<>?#]+")


def mask_secret_paths(text: str) -> str:
    """The text without the secrets of connect links and calendar addresses."""
    return SECRET_PATH.sub(r"\1***", text)


class TextLines(logging.Formatter):
    """Django's usual text, without secrets in paths. Line breaks in a message become spaces."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        record.message = " ".join(record.message.split("\n")).strip()
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return mask_secret_paths(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object for each record, on one line. Of what records carry besides the message, only these fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id(),
            "process": record.process,
        }
        if isinstance(status := getattr(record, "status_code", None), int):
            line["status"] = status
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps({name: value for name, value in line.items() if value}, ensure_ascii=True)
        return mask_secret_paths(text)


def make_server_formatter() -> logging.Formatter:
    """The formatter of a web server's main process, which has no settings. `config/server_logging.json` names it."""
    from config.variables import Variables

    is_json = Variables(os.environ).choice("LOG_FORMAT", FORMATS, default="text") == "json"
    return JsonLines() if is_json else TextLines(TEXT)
