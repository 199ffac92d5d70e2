"""Signs in at the demo provider and allows a client, without a browser: with requests and an HTML parser only.

Uses the same pages as a person, and follows no redirect to another origin.
"""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 30


class NotOfferedError(Exception):
    """The page does not have the expected form. Holds the status, never the page."""


class _Form(HTMLParser):
    """Collects the named fields of one form, found by its id."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.fields: dict[str, str | list[str]] | None = None
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and attributes.get("id") == self.form_id:
            self.inside, self.fields = True, {}
        elif tag == "input" and self.inside and self.fields is not None and attributes.get("type") == "hidden":
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "input" and self.inside and self.fields is not None and attributes.keys() >= {"checked", "name"}:
            self.fields.setdefault(attributes["name"], []).append(attributes.get("value", "on"))  # type: ignore[union-attr]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False


def sign_in(session: requests.Session, provider_url: str, username: str, password: str) -> None:
    """Sign in; the session holds the cookies afterwards. Raises NotOfferedError when the provider refuses."""
    address = f"{provider_url}/login/"
    page = session.get(address, timeout=TIMEOUT)
    form = hidden_fields(page, "sign-in") | {"username": username, "password": password}
    answer = session.post(address, data=form, timeout=TIMEOUT, allow_redirects=False)
    if answer.status_code != 302:
        raise NotOfferedError(f"sign-in answered {answer.status_code}")


def consent(session: requests.Session, authorization_url: str, *, allow: bool = True) -> str:
    """Open an authorization URL and press Allow (or Cancel). Returns the address the browser would be sent to.

    A request that the provider refuses at once returns its redirect with the `error`, as a browser would see it.
    """
    page = session.get(authorization_url, timeout=TIMEOUT, allow_redirects=False)
    if page.status_code == 302:
        return _redirect_target(page)
    form = hidden_fields(page, "consent") | ({"allow": "Allow"} if allow else {})
    return _redirect_target(session.post(authorization_url, data=form, timeout=TIMEOUT, allow_redirects=False))


def hidden_fields(page: requests.Response, form_id: str) -> dict[str, str | list[str]]:
    """Return the hidden fields of a form, its CSRF token among them, and its ticked boxes."""
    form = _Form(form_id)
    form.feed(page.text)
    if form.fields is None:
        raise NotOfferedError(f"no form {form_id!r} (status {page.status_code})")
    return form.fields


def _redirect_target(answer: requests.Response) -> str:
    if answer.status_code != 302:
        raise NotOfferedError(f"no redirect (status {answer.status_code})")
    address = urljoin(answer.url, answer.headers["Location"])
    if "/login/?" in address:
        raise NotOfferedError("not signed in")
    return address
