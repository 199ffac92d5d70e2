"""English, Japanese and German: complete catalogs, and the language of whoever reads."""

import ast
import gettext
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from allauth.account.adapter import get_adapter
from allauth.core import context as allauth_context
from babel.messages.catalog import Catalog, Message
from django.conf import settings
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone, translation
from django.utils.safestring import mark_safe

from accounts.audit import log
from accounts.models import User
from accounts.sign_in.adapters import send_password_link
from foundation.name_lists import join_names, join_sentences
from integrations.admin.tokens import BY
from integrations.connections import authorization, notices
from integrations.models import Alias, Event, Token
from tests import cast, catalogs
from tests.conftest import client_of

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DASHBOARD, LOGIN, SECURITY = "/integrations/", "/accounts/login/", "/accounts/security/"
TITLES = {"en": "Personal authentication", "ja": "個人認証", "de": "Persönliche Authentifizierung"}
NAMES_AND_CODES = re.compile("Keyrack|BCDF-GHJK")  # the product, and an example of a device's code
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{[\w.!:]*\}|</?\w+[^>]*>")


@pytest.fixture(scope="module")
def marked() -> Catalog:
    return catalogs.marked_texts()


@pytest.fixture(params=catalogs.LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def forms_of(texts: Any) -> list[str]:
    return list(texts) if isinstance(texts, (list, tuple)) else [texts]


def messages_of(language: str) -> list[Message]:
    return [message for message in catalogs.translations(language) if message.id]


# Catalogs -------------------------------------------------------------------------------------------------------------


def test_every_language_of_the_site_has_a_catalog() -> None:
    assert {code for code, _name in settings.LANGUAGES} == {"en", *catalogs.LANGUAGES}


@pytest.mark.slow
def test_the_catalog_has_every_text_of_code_and_templates_and_no_other(marked: Catalog, language: str) -> None:
    fresh = catalogs.po_text(catalogs.merged(language, marked))
    assert fresh == catalogs.po_path(language).read_bytes(), "run `make messages`, and translate what is missing"


@pytest.mark.slow
def test_every_text_is_translated_in_all_plural_forms_and_none_is_fuzzy(language: str) -> None:
    number = catalogs.translations(language).num_plurals
    assert [m.id for m in messages_of(language) if not catalogs.is_translated(m) or m.fuzzy] == []
    assert [m.id for m in messages_of(language) if m.pluralizable and len(forms_of(m.string)) != number] == []


@pytest.mark.slow
def test_a_translation_has_the_placeholders_and_tags_of_its_text(language: str) -> None:
    assert list(differing(language)) == []


def differing(language: str) -> Iterator[str]:
    for message in messages_of(language):
        originals = forms_of(message.id)
        for index, text in enumerate(forms_of(message.string)):
            original = originals[-1 if language == "ja" else index]
            if sorted(PLACEHOLDER.findall(original)) != sorted(PLACEHOLDER.findall(text)):
                yield f"{original} → {text}"
            if message.context != "between names" and [text[:1], text[-1:]].count("\n") != [
                original[:1],
                original[-1:],
            ].count("\n"):
                yield f"line breaks: {original} → {text}"


def test_the_compiled_catalog_is_made_from_the_other(language: str) -> None:
    with catalogs.mo_path(language).open("rb") as file:
        compiled = dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]
    compiled.pop("")
    assert compiled == dict(entries(language)), "run `make messages`"


def entries(language: str) -> Iterator[tuple[Any, str]]:
    for message in messages_of(language):
        context = f"{message.context}\x04" if message.context else ""
        name = f"{context}{catalogs.key_of(message)}"
        if message.pluralizable:
            yield from (((name, index), text) for index, text in enumerate(forms_of(message.string)))
        else:
            yield name, str(message.string)


def test_a_text_is_not_mixed_of_two_scripts_or_two_forms_of_address() -> None:
    texts = {code: [text for m in messages_of(code) for text in forms_of(m.string)] for code in catalogs.LANGUAGES}
    assert [text for text in texts["de"] if re.search(r"\b([Dd]u|[Dd]ir|[Dd]ein\w*)\b", text)] == []
    assert [text for text in texts["ja"] if re.search("あなた|[０-９Ａ-Ｚａ-ｚ（）：？]", text)] == []


# Django and allauth have these as well, with other words. Ours win, also in the admin.
OURS = {
    "Remove": ("解除", "Entfernen"),
    "Order": ("順序", "Reihenfolge"),
    "Recovery codes": ("リカバリーコード", "Wiederherstellungscodes"),
}


@pytest.mark.parametrize("text", OURS)
def test_a_text_that_libraries_have_too_is_in_our_words(text: str) -> None:
    for code, words in zip(catalogs.LANGUAGES, OURS[text], strict=True):
        with translation.override(code):
            assert translation.gettext(text) == words


# Sources --------------------------------------------------------------------------------------------------------------
FUNCTIONS = {
    name: max(place[0] if isinstance(place, tuple) else place for place in places)
    for name, places in catalogs.KEYWORDS.items()
}
# They read texts that are in the catalog by other ways: registered, or of configuration templates.
READS_OTHER_TEXTS = {"foundation/stored_texts.py", "integrations/models/template_texts.py"}


@pytest.mark.slow
def test_texts_are_literals_or_they_would_not_be_in_the_catalog() -> None:
    assert list(texts_in_variables()) == []


def texts_in_variables() -> Iterator[str]:
    for path, source in catalogs.sources():
        if not path.endswith(".py") or path in READS_OTHER_TEXTS:
            continue
        tree = ast.parse(source)
        imported = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                number = FUNCTIONS.get(imported.get(node.func.id, ""), 0)
                if not all(isinstance(argument, ast.Constant) for argument in node.args[:number]):
                    yield f"{path}:{node.lineno}"


UNSEEN = re.compile(
    r"{#.*?#}|{% comment %}.*?{% endcomment %}|{% blocktranslate\b.*?{% endblocktranslate %}|<!--.*?-->|<!doctype[^>]*>"
    r"|<(?P<element>script|style|svg|code|kbd|pre)\b.*?</(?P=element)>|&\w+;",
    re.DOTALL,
)
TAG_OR_VALUE, ELEMENT = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL), re.compile(r"<[^>]*>")
SPOKEN_ATTRIBUTE = re.compile(r'\b(?:title|alt|aria-label|placeholder|label|data-say|data-words|data-found)="([^"]*)"')
WORD = re.compile(r"[A-Za-z]{2,}")
NOT_FOR_READERS = {
    "_card_data.html",  # attributes alone
    "_answer.html",  # GET
}
BLOCKS_OF_CLASSES = re.compile(r"{% block \w*(?:class|bodyclass)\w* %}.*?{% endblock[^%]*%}", re.DOTALL)


def test_no_template_has_a_visible_text_that_is_not_marked() -> None:
    assert list(unmarked_texts()) == []


def unmarked_texts() -> Iterator[str]:
    for path in sorted((catalogs.ROOT / "templates").rglob("*")):
        if path.suffix in {".html", ".txt"} and path.name not in NOT_FOR_READERS:
            yield from (f"{path.name}: {text}" for text in visible_texts(path))


def visible_texts(path: Path) -> Iterator[str]:
    source = TAG_OR_VALUE.sub(" ", UNSEEN.sub(" ", BLOCKS_OF_CLASSES.sub(" ", path.read_text())))
    for text in [*SPOKEN_ATTRIBUTE.findall(source), *ELEMENT.sub("\n", source).splitlines()]:
        if WORD.search(NAMES_AND_CODES.sub("", text)):
            yield text.strip()


# Who chooses ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def alias(db: None) -> Alias:
    return cast.integration_at(cast.registry_at("https://northwind.example"))


def page(client: Client, path: str, accepts: str = "") -> str:
    return client.get(path, headers={"accept-language": accepts} if accepts else {}).content.decode()


@pytest.mark.parametrize(
    ("accepts", "code"),
    [
        ("ja", "ja"),
        ("de-AT,de;q=0.8,en;q=0.5", "de"),
        ("fr,ja;q=0.4", "ja"),
        ("fr", "en"),
        ("", "en"),
        ("*;q=x,,", "en"),
    ],
)
def test_a_page_is_in_the_language_of_the_browser(as_amira: Client, alias: Alias, accepts: str, code: str) -> None:
    html = page(as_amira, DASHBOARD, accepts)
    assert f'<html lang="{code}"' in html
    assert TITLES[code] in html


def test_the_profile_comes_before_link_and_browser(as_amira: Client, amira: User, alias: Alias) -> None:
    User.objects.update(language="de")
    assert TITLES["de"] in page(as_amira, f"{DASHBOARD}?language=ja", "ja")
    User.objects.update(language="")
    assert TITLES["ja"] in page(as_amira, DASHBOARD, "en")


@pytest.mark.django_db
def test_a_link_chooses_the_language_of_the_browser_until_another_one_does() -> None:
    client = Client(headers={"accept-language": "ja"})
    assert '<html lang="de"' in page(client, f"{LOGIN}?language=de")
    assert '<html lang="de"' in page(client, LOGIN)
    assert '<html lang="en"' in page(client, f"{LOGIN}?next=/integrations/&language=en")
    for unknown in ("tlh", "../de", "de-AT", ""):
        assert '<html lang="en"' in page(client, f"{LOGIN}?language={unknown}")


@pytest.mark.django_db
def test_the_page_to_sign_in_offers_each_language_in_its_own_words_and_keeps_where_one_was_going() -> None:
    html = page(Client(), f"{LOGIN}?next=/integrations/%3Fq%3Dcrm")
    for code, name in settings.LANGUAGES:
        assert re.search(rf'href="\?next=[^"]*&amp;language={code}"[^>]*lang="{code}"[^>]*>{name}<', html)


def test_one_readers_language_does_not_reach_the_next_request(as_amira: Client, alias: Alias) -> None:
    page(as_amira, DASHBOARD, "ja")
    assert TITLES["en"] in page(as_amira, DASHBOARD)
    assert translation.get_language() == "en"


def test_caches_keep_the_languages_apart(as_amira: Client, alias: Alias) -> None:
    answer = as_amira.get(DASHBOARD, headers={"accept-language": "de"})
    assert answer["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(re.split(r",\s*", answer["Vary"]))


def test_an_unchanged_dashboard_is_sent_again_in_another_language(as_amira: Client, amira: User, alias: Alias) -> None:
    html = page(as_amira, DASHBOARD)
    etag = re.search(r"&quot;[0-9a-f]{16}&quot;|\\u0022([0-9a-f]{16})\\u0022", html)
    assert etag
    headers = {"HX-Request": "true", "If-None-Match": f'"{re.sub(r"[^0-9a-f]", "", etag[1] or etag[0])}"'}
    assert as_amira.get(DASHBOARD, headers=headers).status_code == 304
    User.objects.update(language="ja")
    assert as_amira.get(DASHBOARD, headers=headers).status_code == 200


def test_error_pages_are_in_the_readers_language(
    as_amira: Client, alias: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_amira.raise_request_exception = False
    missing = as_amira.get("/nothing-here/", headers={"accept-language": "ja"})
    assert missing.status_code == 404
    assert '<html lang="ja"' in missing.content.decode()
    monkeypatch.setattr("integrations.views.dashboard.build_listing", None)
    broken = as_amira.get(DASHBOARD, headers={"accept-language": "de"})
    assert broken.status_code == 500
    assert '<html lang="de"' in broken.content.decode()


def test_the_admin_is_in_the_readers_language(admin: User) -> None:
    assert "Applikationsregistrierung" in page(client_of(admin), "/admin/integrations/applicationregistry/add/", "de")


# Programs -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("site", ["en", "ja"])
def test_programs_are_answered_in_english(as_amira: Client, alias: Alias, site: str) -> None:
    User.objects.update(language="de")
    with translation.override(site):
        headers = {"accept-language": "ja"}
        for path in ("/api/v1/integrations/nothing/", "/api/v1/integrations/?page=x", "/api/v1/admin/users/", "/api/x"):
            answer = as_amira.get(path, headers=headers)
            assert answer.status_code >= 400
            assert answer.content.isascii(), answer.content.decode()
        answer = as_amira.post("/o/token/", {"grant_type": "nothing"}, headers=headers)
        assert answer.status_code >= 400
        assert answer.content.isascii()
        assert as_amira.post("/mcp", "{", content_type="application/json", headers=headers).content.isascii()


# Mails and what is stored ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "subject", "moment"),
    [
        ("ja", "northwindがまもなく期限切れになります", "2026年11月29日 18:00 Asia/Tokyo (UTC+09:00)"),
        ("de", "northwind läuft bald ab", "29.11.2026, 18:00 Asia/Tokyo (UTC+09:00)"),
    ],
)
def test_a_mail_is_in_the_language_of_its_reader_with_their_dates_and_a_link_in_it(
    amira: User, alias: Alias, code: str, subject: str, moment: str
) -> None:
    User.objects.update(language=code, time_zone="Asia/Tokyo")
    alias.label = "northwind"
    alias.save()
    with time_machine.travel(NOON, tick=False), translation.override("de" if code == "ja" else "ja"):
        token = cast.signed_in(amira, alias, refresh_token="", expires_in=21 * 3600)
        Token.objects.filter(pk=token.pk).update(signed_in_at=timezone.now() - timedelta(days=9))
        notices.send_due()
    assert subject in mail.outbox[0].subject
    assert moment in mail.outbox[0].body
    assert f"?language={code}" in mail.outbox[0].body


def test_a_mail_to_someone_without_a_choice_is_in_the_sites_language(amira: User, alias: Alias) -> None:
    with time_machine.travel(NOON, tick=False), translation.override("ja"):
        token = cast.signed_in(amira, alias, refresh_token="", expires_in=21 * 3600)
        Token.objects.filter(pk=token.pk).update(signed_in_at=timezone.now() - timedelta(days=9))
        notices.send_due()
    assert "expires soon" in mail.outbox[0].subject
    assert "language=" not in mail.outbox[0].body


ACCOUNT_MAILS = [
    ("account/email/password_changed", "Ihr Passwort wurde geändert"),
    ("account/email/password_reset", "Ihr Passwort wurde geändert"),
    ("account/email/password_set", "Ihr Konto hat jetzt ein Passwort"),
    ("account/email/email_confirm", "E-Mail-Adresse bestätigt"),
    ("account/email/email_changed", "E-Mail-Adresse geändert"),
    ("account/email/email_deleted", "E-Mail-Adresse entfernt"),
    ("mfa/email/totp_activated", "Authenticator-App eingerichtet"),
    ("mfa/email/totp_deactivated", "Authenticator-App ausgeschaltet"),
    ("mfa/email/recovery_codes_generated", "Neue Wiederherstellungscodes"),
    ("mfa/email/webauthn_added", "Passkey oder Sicherheitsschlüssel hinzugefügt"),
    ("mfa/email/webauthn_removed", "Passkey oder Sicherheitsschlüssel entfernt"),
]


@pytest.mark.parametrize(("template", "subject"), ACCOUNT_MAILS)
def test_a_notice_about_an_account_is_in_its_owners_language(amira: User, template: str, subject: str) -> None:
    User.objects.update(language="de", time_zone="Europe/Berlin")
    amira.refresh_from_db()
    request = RequestFactory().get("/", headers={"user-agent": "Browser"})
    with time_machine.travel(NOON, tick=False), translation.override("ja"), allauth_context.request_context(request):
        get_adapter().send_notification_mail(template, amira, {"deleted_email": "a@b.example"}, amira.email)
    assert mail.outbox[0].subject == f"[Keyrack] {subject}"
    body = str(mail.outbox[0].body)
    assert "Zeitpunkt: 28.11.2026, 13:00 Europe/Berlin (UTC+01:00)" in body
    assert "Wenn Sie das nicht waren" in body


def test_the_mail_to_choose_a_password_leads_to_a_page_in_its_language(amira: User) -> None:
    User.objects.update(language="ja")
    send_password_link(amira.pk, 0)
    assert mail.outbox[0].subject == "[Keyrack] パスワードの設定"
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[0].body))[0]
    client = Client()
    assert '<html lang="ja"' in client.get(link, follow=True).content.decode()
    assert "新しいパスワード" in client.get(link, follow=True).content.decode()


def test_the_audit_log_is_english_in_the_database_and_translated_for_its_readers(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    with translation.override("ja"):
        authorization.end_all(Token.objects.all(), reason="x", detail=BY % {"username": "管理者"})
        log.write(log.Kind.SET_UP_CHANGED, whose=None, detail="Home")
    event = Event.objects.get(kind="revoked")
    assert event.detail == "by the administrator 管理者"
    with translation.override("de"):
        assert event.words == "Hier widerrufen: durch 管理者 (Administration)"
        assert Event.objects.get(kind="set_up_changed").words.endswith(": Home")


def test_names_are_separated_as_the_language_does() -> None:
    lists = []
    for code in ("en", "ja", "de"):
        with translation.override(code):
            lists.append(join_names(["Jira", "Miro"]))
    assert lists == ["Jira, Miro", "Jira、Miro", "Jira, Miro"]


def test_sentences_follow_each_other_as_the_language_does() -> None:
    paragraphs = []
    for code in ("en", "ja", "de"):
        with translation.override(code):
            paragraphs.append(join_sentences(["A <b>", mark_safe("<i>B</i>")]))
    assert paragraphs == ["A &lt;b&gt; <i>B</i>", "A &lt;b&gt;<i>B</i>", "A &lt;b&gt; <i>B</i>"]
