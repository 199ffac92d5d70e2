"""A variable that cannot be used ends each kind of process with one sentence, without a traceback or a password."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.variables import EXIT_CODE, Variables

CHECKOUT = Path(__file__).resolve().parents[1]
PASSWORD = "s3cret/word"
ENCODED = "s3cret%2Fword"


def refusal(capsys: pytest.CaptureFixture[str], read: Callable[[Variables], object], **variables: str) -> str:
    with pytest.raises(SystemExit) as ended:
        read(Variables(variables))
    assert ended.value.code == EXIT_CODE
    text = capsys.readouterr().err
    assert text.startswith("Keyrack cannot start: X")
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("many", lambda env: env.number("X", default=1)),
        ("-1", lambda env: env.number("X", default=1)),
        ("0", lambda env: env.number("X", default=1, at_least=1)),
        ("99999999", lambda env: env.days("X", default=1)),
        ("half", lambda env: env.share("X", default=1.0)),
        ("1.5", lambda env: env.share("X", default=1.0)),
        ("ture", lambda env: env.flag("X")),
        ("verbose", lambda env: env.choice("X", ("INFO", "DEBUG"), "INFO")),
        ("fr", lambda env: env.language("X", ("en", "de"), "en")),
        ("Berlin", lambda env: env.time_zone("X", "UTC")),
        ("Europe", lambda env: env.time_zone("X", "UTC")),
        ("hub.example", lambda env: env.origin("X", "")),
        ("https://hub.example/path", lambda env: env.origin("X", "")),
        ("https://hub.example:port", lambda env: env.origin("X", "")),
        ("https://ada@hub.example", lambda env: env.origin("X", "")),
        ("https://[::1", lambda env: env.origin("X", "")),
        ("https://hub.example", lambda env: env.hosts("X")),
        ("hub.example:443", lambda env: env.hosts("X")),
        ("10.0.0.1/8", lambda env: env.networks("X")),
        ("collector:4318", lambda env: env.endpoint("X")),
        ("keyrack", lambda env: env.database("X", "")),
        ("postgre://a:b@h/n", lambda env: env.database("X", "")),
        ("mysql://a:b@h/n", lambda env: env.database("X", "")),
        ("postgres://a:b@h", lambda env: env.database("X", "")),
        ("h:6379", lambda env: env.cache("X", "")),
        ("reddis://h/0", lambda env: env.cache("X", "")),
        ("redis://h:port/0", lambda env: env.cache("X", "")),
        ("memcache://h:11211", lambda env: env.cache("X", "")),
        ("reddis://h/0", lambda env: env.broker("X", "")),
        ("redis://h:port/0", lambda env: env.broker("X", "")),
        ("amqp://a@h//;reddis://h", lambda env: env.broker("X", "")),
        ("mail.hub.example", lambda env: env.mail_server("X", "")),
        ("smtp+tls://a:b@h:port", lambda env: env.mail_server("X", "")),
    ],
)
def test_one_sentence_names_the_variable(
    capsys: pytest.CaptureFixture[str], value: str, read: Callable[[Variables], object]
) -> None:
    refusal(capsys, read, X=value)


@pytest.mark.parametrize("kind", ["database", "cache", "broker", "mail_server"])
@pytest.mark.parametrize("url", ["{0}://a:{1}@h:5432/n", "{0}://a:{1}@h:port/n", "nothing://a:{1}@h/n", "a:{1}@h"])
@pytest.mark.filterwarnings("error")
def test_no_sentence_shows_a_password(capsys: pytest.CaptureFixture[str], kind: str, url: str) -> None:
    """django-environ would warn about an unknown scheme, with the password."""
    scheme = {"database": "postgres", "mail_server": "smtp"}.get(kind, "redis")
    text = refusal(capsys, lambda env: getattr(env, kind)("X", ""), X=url.format(scheme, PASSWORD))
    assert not re.search("s3cret|word[^,s]@", text)


@pytest.mark.parametrize(
    ("variables", "read", "result"),
    [
        ({}, lambda env: env.number("X", default=7), 7),
        ({"X": ""}, lambda env: env.number("X", default=7), 7),
        ({"X": " 8 "}, lambda env: env.number("X", default=7), 8),
        ({"X": "Off"}, lambda env: env.flag("X", default=True), False),
        ({"X": "info"}, lambda env: env.choice("X", ("INFO", "DEBUG"), "DEBUG"), "INFO"),
        ({"X": "de-AT"}, lambda env: env.language("X", ("en", "de"), "en"), "de"),
        ({"X": "HTTPS://Hub.Example/"}, lambda env: env.origin("X", ""), "https://hub.example"),
        ({"X": "https://[::1]:8000"}, lambda env: env.origin("X", ""), "https://[::1]:8000"),
        ({"X": "*, .hub.example ,[::1]"}, lambda env: env.hosts("X"), ["*", ".hub.example", "[::1]"]),
        ({"X": ""}, lambda env: env.hosts("X", ["hub.example"]), ["hub.example"]),
        ({"X": "10.0.0.0/8, ::1/128,"}, lambda env: env.networks("X"), ["10.0.0.0/8", "::1/128"]),
        ({}, lambda env: env.words("X", ["a"]), ["a"]),
        ({"X": ""}, lambda env: env.words("X", ["a"]), []),
        ({"X": f"postgres://a:{ENCODED}@h/n"}, lambda env: env.database("X", "")["PASSWORD"], PASSWORD),
        ({"X": ""}, lambda env: env.database("X", "sqlite:///n")["NAME"], "n"),
        ({"X": "sqlite://:memory:"}, lambda env: env.database("X", "")["NAME"], ":memory:"),
        ({"X": "postgres://a@h:1,i:2/n"}, lambda env: env.database("X", "")["HOST"], "h,i"),
        ({"X": "amqp://a@h:1//;amqp://a@i//"}, lambda env: env.broker("X", ""), "amqp://a@h:1//;amqp://a@i//"),
        ({"X": "redis+socket:///run/redis.sock"}, lambda env: env.broker("X", ""), "redis+socket:///run/redis.sock"),
        ({"X": "postgres:////run/pg/n"}, lambda env: env.database("X", "")["HOST"], "/run/pg"),
        ({"X": "redis:///run/redis.sock?db=1"}, lambda env: env.cache("X", "")["LOCATION"], "unix:///run/redis.sock"),
        ({"X": "$NAME"}, lambda env: env.text("X"), "$NAME"),
    ],
)
def test_a_usable_value_is_read(variables: dict[str, str], read: Callable[[Variables], Any], result: object) -> None:
    assert read(Variables(variables)) == result


def test_the_line_break_at_the_end_of_a_file_is_no_part_of_the_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "value").write_text("redis://h/0\n")
    variables = {"X": "", "X_FILE": str(tmp_path / "value")}
    assert Variables(variables).broker("X", "") == "redis://h/0"
    assert Variables(variables).text("X", strip=False) == "redis://h/0\n"
    assert "X_FILE" in refusal(capsys, lambda env: env.text("X"), X_FILE=str(tmp_path / "missing"))


BIN = Path(sys.executable).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "doctor"],
        [BIN / "celery", "--app", "config", "worker"],
        [BIN / "celery", "--app", "config", "beat"],
        [BIN / "gunicorn", "--bind", "127.0.0.1:0", "config.wsgi"],
        [BIN / "granian", "--interface", "wsgi", "--port", "0", "config.wsgi:application"],
    ],
    ids=["a command", "worker", "beat", "gunicorn", "granian"],
)
def test_each_process_ends_without_a_traceback(command: list[str | Path], tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_POOL": "many", "DATA_DIR": str(tmp_path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    text = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "Keyrack cannot start: DATABASE_POOL is 'many'" in text
    assert "Traceback" not in text
