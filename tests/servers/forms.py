"""Signing in and consenting at an authorization server without a browser.

Knows no server in particular: it reads the forms of a page, fills in the user name and the password wherever they are
asked for, and presses the button that says yes (or no). Stops at the door of the redirect URI, which it never calls.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

USER_NAMES = ("username", "login", "user")
YES = re.compile(r"^\s*(allow|authori[sz]e|accept|yes|sign in|log in|login|continue|next)\b", re.IGNORECASE)
NO = re.compile(r"^\s*(deny|cancel|refuse|decline|no)\b", re.IGNORECASE)
STEPS = 15


@dataclass
class Form:
    """One form of a page: where it goes, what it sends, which buttons it has (name, value, words)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    password_field: str = ""
    buttons: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def user_name_field(self) -> str:
        return next((name for name in USER_NAMES if name in self.fields), "")

    @property
    def asks_who(self) -> bool:
        return bool(self.password_field or self.user_name_field)

    def fill(self, username: str, password: str) -> None:
        if self.user_name_field:
            self.fields[self.user_name_field] = username
        if self.password_field:
            self.fields[self.password_field] = password

    def press(self, words: re.Pattern[str]) -> bool:
        for name, value, label in self.buttons:
            if words.search(label):
                self.fields |= {name: value} if name else {}
                return True
        return False


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._in_button = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
        elif tag == "input" and self.forms:
            self._add_input(self.forms[-1], values)
        elif tag == "button" and self.forms:
            self._in_button = True
            self.forms[-1].buttons.append((values.get("name", ""), values.get("value", ""), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._in_button = False

    def handle_data(self, data: str) -> None:
        if self._in_button:
            name, value, label = self.forms[-1].buttons.pop()
            self.forms[-1].buttons.append((name, value, label + data.strip()))

    def _add_input(self, form: Form, values: dict[str, str]) -> None:
        kind, name, value = values.get("type", "text"), values.get("name", ""), values.get("value", "")
        if kind == "submit":
            form.buttons.append((name, value, value))
        elif name and (kind not in ("checkbox", "radio") or "checked" in values):
            form.fields[name] = value
            if kind == "password":
                form.password_field = name


def consent(authorization_url: str, username: str, password: str, *, allow: bool = True) -> str:
    """Sign in, answer the consent page, and return the redirect URL with its code (or error) and state."""
    redirect_uri = parse_qs(urlsplit(authorization_url).query).get("redirect_uri", [""])[0]
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(authorization_url, allow_redirects=False, timeout=10)
        for _ in range(STEPS):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["Location"])
                if redirect_uri and target.startswith(redirect_uri):
                    return target
                answer = session.get(target, allow_redirects=False, timeout=10)
            else:
                answer = _submit(session, answer, username, password, allow)
    raise AssertionError(f"no way from {_place(answer)} back to the redirect URI")


def _submit(
    session: requests.Session, page: requests.Response, username: str, password: str, allow: bool
) -> requests.Response:
    reader = _Forms()
    reader.feed(page.text)
    for form in reader.forms:
        form.fill(username, password)
        if form.press(YES if allow or form.asks_who else NO):
            target = urljoin(page.url, form.action)
            if form.method == "post":
                return session.post(target, data=form.fields, allow_redirects=False, timeout=10)
            return session.get(target, params=form.fields, allow_redirects=False, timeout=10)
    raise AssertionError(f"{_place(page)} answered {page.status_code} without a form to go on with")


def _place(page: requests.Response) -> str:
    return page.url.partition("?")[0]
