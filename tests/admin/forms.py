"""Filling in an admin page as a person does: by label, from the page that was shown. Knows HTML, not the models."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from django.test import Client

Typed = Mapping[Any, Any]  # a label, or a row and a label, to what is typed there


class Page(HTMLParser):
    """The fields of the page's form with what is in them, the labels that name them, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}  # id to name
        self.labels: list[tuple[str, str]] = []  # text, id
        self.text = ""
        self._label_for: str | None = None
        self._select: str | None = None
        self._textarea: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        name = attributes.get("name", "")
        if tag == "label":
            self._label_for = attributes.get("for", "")
            self.labels.append(("", self._label_for))
        elif name and tag in {"input", "select", "textarea"}:
            self.names[attributes.get("id", "")] = name
            self.take(tag, name, attributes)
        elif tag == "option" and self._select and "selected" in attributes:
            self.fields[self._select] = [*self.fields[self._select], attributes.get("value", "")]

    def take(self, tag: str, name: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", "text")
        self._select = name if tag == "select" else None
        self._textarea = name if tag == "textarea" else None
        if tag != "input":
            self.fields[name] = []
        elif kind in {"checkbox", "radio"}:
            self.fields.setdefault(name, [])
            self.fields[name] += [attributes.get("value", "on")] if "checked" in attributes else []
        elif kind not in {"submit", "file", "button"}:
            self.fields[name] = [attributes.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._label_for = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._label_for is not None:
            text, field = self.labels[-1]
            self.labels[-1] = (text + data, field)
        if self._textarea:
            self.fields[self._textarea] = ["".join(self.fields[self._textarea]) + data]

    def named(self, label: str, *, under: str = "") -> str:
        """The form field with this label; `under` is the prefix of a row ("profiles-0")."""
        names = [
            self.names[field]
            for text, field in self.labels
            if text.strip().rstrip(":") == label and self.names.get(field, "").startswith(under)
        ]
        assert names, f"no field is labelled {label!r}"
        return names[0]


def opened(client: Client, address: str) -> Page:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)
    return Page(response.content.decode())


def submitted(
    client: Client, address: str, typed: Typed, *, button: str = "_continue", also: Mapping[str, Any] | None = None
) -> Any:
    """Open the page, type over what is in it, press the button. Keys are labels, or (row, label)."""
    page = opened(client, address)
    fields: dict[str, Any] = dict(page.fields)
    for label, value in typed.items():
        row, text = label if isinstance(label, tuple) else ("", label)
        fields[page.named(text, under=row)] = value
    return client.post(address, {**fields, **(also or {}), button: "1"}, follow=True)


def complaints(response: Any) -> list[str]:
    """What the page says is wrong with its form and its rows; nothing where there is no form."""
    context = response.context or {}
    rows = [inline.formset for inline in context.get("inline_admin_formsets", [])]
    forms = [
        *([context["adminform"].form] if "adminform" in context else []),
        *(form for row in rows for form in row.forms),
    ]
    errors = [error for form in forms for texts in form.errors.values() for error in texts]
    return errors + [error for row in rows for error in row.non_form_errors()]
