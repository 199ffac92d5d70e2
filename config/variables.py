"""Reads environment variables. One that cannot be used ends the process, of any kind, with one sentence.

The sentence names the variable. It shows no value that may hold a password. An empty variable counts as not set.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from environ import Env

Parsed = TypeVar("Parsed")

EXIT_CODE = 3  # gunicorn does not start a worker again that ends with it
TRUE = ("true", "on", "yes", "y", "ok", "1")
FALSE = ("false", "off", "no", "n", "0")
MOST_DAYS = 36_500  # dates before the year 1 cannot be computed
DATABASES = ("sqlite", "postgres", "postgresql", "psql", "pgsql")
BROKERS = ("filesystem", "memory", "redis", "redis+socket", "rediss", "sentinel", "amqp", "amqps", "pyamqp")
ENCODED = "In a password, characters such as / # @ : must be percent-encoded."
ORIGIN = re.compile(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")
HAS_MORE_THAN_HOST = re.compile(r"[/@\s]|^[^\[]*:\d*$")


def refuse_variable(name: str, fault: str) -> NoReturn:
    """End the process. Each kind of process would show an exception with its traceback, and some start again."""
    sys.stderr.write(f"Keyrack cannot start: {name} {fault}\n")
    sys.stderr.flush()
    sys.exit(EXIT_CODE)


class Variables:
    """Environment variables by type. NAME_FILE=/path wins over NAME: the value is then the content of that file."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.names: set[str] = set()  # that were read

    def text(self, name: str, default: str = "", *, strip: bool = True) -> str:
        self.names.add(name)
        value = self.variables.get(name, "")
        if path := self.variables.get(f"{name}_FILE"):
            try:
                value = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                fault = error.strerror if isinstance(error, OSError) else "it is not text"
                refuse_variable(f"{name}_FILE", f"names {path}, which cannot be read: {fault}.")
        return (value.strip() if strip else value) or default

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """Return one of these words. Upper and lower case are the same."""
        value = self.text(name, default)
        for each in choices:
            if each.lower() == value.lower():
                return each
        refuse_variable(name, f"is {value!r}; it must be one of {', '.join(choices)}.")

    def language(self, name: str, languages: Sequence[str], default: str) -> str:
        """Return one of these languages. A region is left out: de-AT is de."""
        code = self.text(name, default).partition("-")[0].lower()
        return code if code in languages else self.choice(name, languages, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        return self.choice(name, (*TRUE, *FALSE), "true" if default else "false") in TRUE

    def number(self, name: str, *, default: int, at_least: int = 0, at_most: int | None = None) -> int:
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            refuse_variable(name, f"is {value!r}; it must be a whole number.")
        if number < at_least:
            refuse_variable(name, f"is {number}; it must be at least {at_least}.")
        if at_most is not None and number > at_most:
            refuse_variable(name, f"is {number}; it must be at most {at_most}.")
        return number

    def days(self, name: str, *, default: int, at_least: int = 0) -> int:
        return self.number(name, default=default, at_least=at_least, at_most=MOST_DAYS)

    def share(self, name: str, *, default: float) -> float:
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = -1
        return number if 0 <= number <= 1 else refuse_variable(name, f"is {value!r}; it must be between 0 and 1.")

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            refuse_variable(name, f"is {value!r}; it must be a time zone such as Europe/Berlin.")

    def words(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return values that commas separate. The default only if the variable does not exist: an empty list is one."""
        self.names.add(name)
        if name not in self.variables and f"{name}_FILE" not in self.variables:
            return [*default]
        return [value.strip() for value in self.text(name).split(",") if value.strip()]

    # Addresses --------------------------------------------------------------------------------------------------------

    def origin(self, name: str, default: str) -> str:
        """Return scheme, host and port, in lower case."""
        value = self.text(name, default).rstrip("/").lower()
        if not ORIGIN.fullmatch(value):
            refuse_variable(name, "must be an address without user, path and query, such as https://hub.example.")
        return value

    def hosts(self, name: str, default: Sequence[str] = ()) -> list[str]:
        values = self.words(name) or [*default]
        for value in values:
            if HAS_MORE_THAN_HOST.search(value):
                refuse_variable(name, f"has {value!r}; write hosts without scheme, port and path: hub.example.")
        return values

    def networks(self, name: str) -> list[str]:
        """Return networks as CIDR."""
        try:
            return [str(ip_network(value)) for value in self.words(name)]
        except ValueError as error:
            refuse_variable(name, f"must be networks such as 10.20.0.0/16, separated by commas: {error}.")

    def endpoint(self, name: str) -> str:
        """Return an http address, or ""."""
        value = self.text(name)
        if value and not value.startswith(("http://", "https://")):
            refuse_variable(name, "must begin with http:// or https://.")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        shape = f"must be sqlite:///path or postgres://user:password@host:5432/name. {ENCODED}"
        config: dict[str, Any] = self._parsed(name, default, Env.db_url_config, shape, DATABASES)
        return config if config["NAME"] else refuse_variable(name, shape)

    def cache(self, name: str, default: str) -> dict[str, Any]:
        shape = f"must be like redis://host:6379/1. {ENCODED}"
        config: dict[str, Any] = self._parsed(name, default, Env.cache_url_config, shape, tuple(Env.CACHE_SCHEMES))
        try:
            import_string(config["BACKEND"])
        except ImportError:
            refuse_variable(name, shape)
        return config

    def mail_server(self, name: str, default: str) -> dict[str, Any]:
        shape = f"must be like smtp+tls://user:password@host:587. {ENCODED}"
        config: dict[str, Any] = self._parsed(name, default, Env.email_url_config, shape, tuple(Env.EMAIL_SCHEMES))
        if config["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
            config["EMAIL_BACKEND"] = "foundation.smtp_delivery.SMTPBackend"
        return config

    def broker(self, name: str, default: str) -> str:
        """Return the URL of a broker, or several that semicolons separate."""
        shape = f"must be like redis://host:6379/0 or amqp://user:password@host//. {ENCODED}"
        return self._parsed(name, default, str, shape, BROKERS)

    def _parsed(
        self, name: str, default: str, parse: Callable[[str], Parsed], shape: str, schemes: tuple[str, ...]
    ) -> Parsed:
        value = self.text(name, default)
        try:
            urls = [urlsplit(url) for url in value.split(";")]
            if all(url.scheme in schemes and (url.scheme == "sqlite" or has_ports(url.netloc)) for url in urls):
                return parse(value)
        except (ValueError, ImproperlyConfigured):
            pass
        refuse_variable(name, shape)


def has_ports(netloc: str) -> bool:
    """Tell whether all hosts, which commas separate, have a number as port, or none."""
    return all(HOST_AND_PORT.fullmatch(host) for host in netloc.rpartition("@")[2].split(","))
