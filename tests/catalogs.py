"""Makes the catalogs of translations in `locale/`. `make messages` runs it; `tests/test_languages.py` compares.

    python3 -m tests.catalogs [--check]

Reads every text that code and templates mark for translation, as `makemessages` would, but without the GNU gettext
tools. Writes `django.po` with the new texts untranslated and without those that are gone, and compiles `django.mo`.
Entries are sorted by msgid and name files without line numbers, so that unrelated changes leave no trace.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
LANGUAGES = ("ja", "de")
PACKAGES = ("accounts", "config", "demo", "foundation", "integrations")
NO_PART = ("migrations", "provider")  # demo/provider is a site of its own, without translations
TAG = "Translators:"
FIXED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN, PLURAL, IN_CONTEXT = (1,), (1, 2), ((1, "c"), 2)
# Errors below the screens speak English. Screens translate their sentences, so these are marked by being raised.
ERRORS: dict[str, dict[str, Any]] = {
    "foundation/oauth_client/": dict.fromkeys(("Misconfigured", "Refused", "Unreachable", "Unusable"), (2,)),
    "integrations/calls/": {"BadPath": PLAIN},
}
PLURAL_IN_CONTEXT = ((1, "c"), 2, 3)
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), PLAIN),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), PLURAL),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), IN_CONTEXT),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), PLURAL_IN_CONTEXT),
}


def sources() -> Iterator[tuple[str, str]]:
    """Python sources and templates, the latter turned into Python: relative path and text."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not {*path.relative_to(ROOT).parts} & {*NO_PART}:
                yield str(path.relative_to(ROOT)), path.read_text()
    for folder in (ROOT / "templates", ROOT / "demo/templates"):
        for path in sorted((*folder.rglob("*.html"), *folder.rglob("*.txt"))):
            lines = templatize(path.read_text(), origin=str(path)).splitlines()
            yield str(path.relative_to(ROOT)), "\n".join(line.strip() for line in lines)


TEMPLATES = ROOT / "integrations/provider_setup/providers"


def texts_of_templates() -> Iterator[tuple[str, str, str]]:
    """Descriptions, names of scopes and questions of the shipped configuration templates: text, context and path."""
    for path in sorted(TEMPLATES.glob("*.yaml")):
        for row in yaml.safe_load(path.read_text()):
            texts = [(row["description"], "an integration")]
            texts += [(scope["name"], "a scope") for scope in row.get("scopes", [])]
            questions = row.get("questions", [])
            texts += [(each[name], "a question") for each in questions for name in ("label", "help") if each.get(name)]
            yield from ((text, context, str(path.relative_to(ROOT))) for text, context in texts)


def marked_texts() -> Catalog:
    """Every text that is marked for translation, with the files that have it."""
    catalog = Catalog()
    for path, source in sources():
        options = {"encoding": "utf-8"}
        raised: dict[str, Any] = next((names for folder, names in ERRORS.items() if path.startswith(folder)), {})
        for line, texts, comments, context in extract(
            "python", io.BytesIO(source.encode()), KEYWORDS | raised, (TAG,), options, strip_comment_tags=False
        ):
            catalog.add(texts, None, [(path, line)], auto_comments=comments, context=context)
    for text, context, path in texts_of_templates():
        catalog.add(text, None, [(path, 0)], context=context)
    return catalog


def po_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


def translations(language: str) -> Catalog:
    """The catalog of the repository."""
    path = po_path(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def merged(language: str, marked: Catalog) -> Catalog:
    """The texts that are marked now, with the translations that there are for them."""
    known = translations(language) if po_path(language).exists() else Catalog(locale=language)
    catalog = Catalog(locale=language, project="Keyrack", copyright_holder="", fuzzy=False)
    for message in marked:
        if message.id:
            old = known.get(key_of(message), message.context)
            text = old.string if old and old.id == message.id and not old.fuzzy else ""
            comments = old.user_comments if old else []
            catalog.add(
                message.id,
                text,
                message.locations,
                message.flags - {"fuzzy"},
                message.auto_comments,
                comments,
                context=message.context,
            )
    return catalog


def key_of(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, (list, tuple)) else message.id)


def is_translated(message: Message) -> bool:
    forms = message.string if isinstance(message.string, (list, tuple)) else [message.string]
    return all(forms)


def po_text(catalog: Catalog) -> bytes:
    """The catalog as a file. Its header has no dates: two branches would always conflict in them."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=100, sort_output=True, include_lineno=False, omit_header=True)
    header = (
        f'msgid ""\nmsgstr ""\n"Language: {catalog.locale_identifier}\\n"\n"MIME-Version: 1.0\\n"\n'
        f'"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    )
    return header.encode() + buffer.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    """The compiled catalog. Its header has a fixed date, so that equal texts are equal files."""
    catalog.creation_date = catalog.revision_date = FIXED_DATE
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def write(language: str, catalog: Catalog) -> None:
    po_path(language).parent.mkdir(parents=True, exist_ok=True)
    po_path(language).write_bytes(po_text(catalog))
    mo_path(language).write_bytes(mo_bytes(translations(language)))


def main() -> None:
    marked, is_check = marked_texts(), "--check" in sys.argv[1:]
    faults = 0
    for language in LANGUAGES:
        catalog = merged(language, marked)
        missing = [message for message in catalog if message.id and not is_translated(message)]
        if is_check:
            faults += len(missing) or po_text(catalog) != po_path(language).read_bytes()
        else:
            write(language, catalog)
        print(f"{language}: {len(catalog)} texts, {len(missing)} to translate")
        for message in missing[:20]:
            print(f"  {message.locations[0][0]}: {key_of(message)!r}")
    if faults:
        sys.exit("Catalogs are not up to date. `make messages` writes them; then translate what is missing.")


if __name__ == "__main__":
    main()
