"""Names within sentences, lists of names, and sentences of one paragraph. Languages separate them differently."""

import unicodedata
from collections.abc import Iterable

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext

WITHOUT_BLANKS = {"ja"}  # languages whose sentences follow each other immediately
LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "NSM", "BN", "B", "S", "WS", "ON", ""})


def isolate_name(name: object) -> str:
    """A name for a sentence, isolated if it has right-to-left text, so that it can't reorder the sentence (UAX #9)."""
    text = str(name)
    if text.isascii():
        return text
    isolate = any(unicodedata.bidirectional(letter) not in LEFT_TO_RIGHT for letter in text)
    return f"\u2068{text}\u2069" if isolate else text


def without_isolation(text: str) -> str:
    """The text without isolation characters, for storage, search and copying."""
    return text.replace("\u2068", "").replace("\u2069", "")


def join_names(names: Iterable[object]) -> str:
    """The names in one line: "Jira, Miro". Lists that programs read, such as scopes, have a separator of their own."""
    # Translators: stands between two names; with its blank. Japanese has "、"
    return pgettext("between names", ", ").join(map(isolate_name, names))


def sentence_separator() -> str:
    return "" if get_language() in WITHOUT_BLANKS else " "


def join_sentences(sentences: Iterable[object]) -> SafeString:
    """One paragraph. Sentences that aren't marked as safe are escaped."""
    return format_html_join(sentence_separator(), "{}", ((sentence,) for sentence in sentences))
