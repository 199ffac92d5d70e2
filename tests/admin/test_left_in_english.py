"""Every page of the admin in Japanese and German: no text of ours, of Django or of a library is left in English."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, reverse

from accounts.models import User
from integrations.models import ConfigurationTemplate
from tests.admin.test_single_permissions import MODELS, addresses_of, rows  # noqa: F401 - a fixture
from tests.browser.readers import ENGLISH, NAMES, WORD

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]

SILENT = {"script", "style", "code", "pre", "kbd", "svg"}
SPOKEN = ("aria-label", "placeholder", "title", "alt")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# The same in German; names of the trade; and what Django gives no translator: alternative texts of yes and no, names
# of permissions and of passwords' algorithms, and two sentences that it joins before there is a reader
SAME = re.compile(
    r"Alias|Body|Bot|Integration(en)?|JSON|Link|Logo|Problem|Status|Subflows?|Test|Text|Username|Bearer|plain|Python|md5"
    r"|True|False|GET|HEAD|OPTIONS|PATCH|POST|PUT|DELETE|Looked at\.|deleted|\d\d:\d\d UTC|.* \| .*|.*_scopes object .*"
    r"|Oauthentityprofile-oauthentityscope relationships?|.*\*{6}.*|list|limit|.* = .*|GET \w+|ログエントリー: .*"
    r"|Logeintrag: .*|Whether the user will be able to authenticate .*"
    r"|If disabled, the current password for this user will be lost\."
)


class Texts(HTMLParser):
    """Texts that are read or spoken, but for codes, and for parts that say that they are in another language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[tuple[str, bool]] = []  # tag, and whether its texts are left out
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        is_foreign = attributes.get("translate") == "no" or ("lang" in attributes and tag != "html")
        is_silent = self.is_silent or tag in SILENT or is_foreign
        if not is_silent:
            self.texts += [attributes.get(name) or "" for name in SPOKEN]
            self.texts += [attributes.get("value") or ""] if attributes.get("type") in {"submit", "button"} else []
        if tag not in VOID:
            self.open.append((tag, is_silent))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self.is_silent:
            self.texts.append(data)

    @property
    def is_silent(self) -> bool:
        return bool(self.open) and self.open[-1][1]

    def all(self) -> set[str]:
        return {" ".join(text.split()) for text in self.texts} - {""}


def texts_of(client: Client, address: str, language: str) -> set[str]:
    response = client.get(address, headers={"accept-language": language})
    is_page = response.status_code == 200 and response["Content-Type"].startswith("text/html")
    return Texts(response.content.decode()).all() if is_page else set()


def pages() -> Iterator[str]:
    for model in {*MODELS} - {ConfigurationTemplate}:  # whose questions and notes are English
        yield from addresses_of(model)
    for pattern in admin.site.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name and "<" not in str(pattern.pattern):
            yield reverse(f"admin:{pattern.name}")


def stored_texts() -> set[str]:
    """What the rows of the test are called and contain."""
    everything = [row for model in apps.get_models() for row in model._default_manager.all()]
    values = [value for row in everything for name, value in vars(row).items() if not name.startswith("_")]
    lists = [each for value in values if isinstance(value, list) for each in value]
    names = [user.get_full_name() for user in User.objects.all()]
    texts = [str(each) for each in (*everything, *values, *lists, *names)]
    return {" ".join(line.split()) for text in texts for line in text.splitlines()}


def is_left(text: str, english: set[str], stored: set[str]) -> bool:
    bare = re.sub(r"^[›·] | ·$|: \d+$|:$|^\d+ ", "", text)
    if bare in stored or SAME.fullmatch(bare):
        return False
    rest = NAMES.sub("", bare)
    return bool((text in english and WORD.search(rest)) or ENGLISH.search(rest))


@pytest.mark.usefixtures("rows")
def test_no_page_of_the_admin_has_a_text_left_in_english(as_admin: Client, admin: User) -> None:
    left: dict[str, set[str]] = {}
    stored = stored_texts()
    for address in sorted(each for each in {*pages()} if "/logout/" not in each and "/admin/r/" not in each):
        english = texts_of(as_admin, address, "en")
        for language in ("ja", "de"):
            for text in texts_of(as_admin, address, language):
                if is_left(text, english, stored):
                    left.setdefault(f"{language}: {text}", set()).add(address)
    lines = [f"{text}  ({min(addresses)})" for text, addresses in sorted(left.items())]
    assert not left, "\n".join(lines)
