"""Lists of names, and sentences of one paragraph. Languages separate them differently."""

from collections.abc import Iterable

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, pgettext

WITHOUT_BLANKS = {"ja"}  # languages whose sentences follow each other immediately


def join_names(names: Iterable[object]) -> str:
    """The names in one line: "Jira, Miro". Lists that programs read, such as scopes, have a separator of their own."""
    # Translators: stands between two names; with its blank. Japanese has "、"
    return pgettext("between names", ", ").join(map(str, names))


def sentence_separator() -> str:
    return "" if get_language() in WITHOUT_BLANKS else " "


def join_sentences(sentences: Iterable[object]) -> SafeString:
    """One paragraph. Sentences that aren't marked as safe are escaped."""
    return format_html_join(sentence_separator(), "{}", ((sentence,) for sentence in sentences))
