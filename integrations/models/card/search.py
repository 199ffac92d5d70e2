"""Search in a person's integrations, and the letters that they are grouped by. Works on rows that were read already.

Every word of the query must occur: in the name, the description, the account, the scopes, or as the state. Neither
accents nor case matter. "connected" means the state, not a part of "not connected".
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from django.utils.translation import get_language

from integrations.models.card.integration import Integration
from integrations.models.card.states import STATES, State

MINE = "my"
OTHER = "#"
# The first letter of each row of the Japanese syllabary, with the voiced letters that NFKD has taken apart already.
KANA_ROWS = "あかさたなはまやらわ"
SMALL_KANA = dict(zip("ぁぃぅぇぉっゃゅょゎ", "あいうえおつやゆよわ", strict=True))
KATAKANA_TO_HIRAGANA = ord("ァ") - ord("ぁ")
MOST_SUGGESTIONS = 3


def fold_text(text: object) -> str:
    """The text for comparison: without case, accents and widths of letters."""
    decomposed = unicodedata.normalize("NFKD", str(text))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(plain.casefold().split())


# Letters --------------------------------------------------------------------------------------------------------------


def letter_of(title: str) -> str:
    """The letter under which a title is found: Ä under A, カ and が under か, digits and signs under "#"."""
    first = fold_text(title)[:1]
    hiragana = as_hiragana(first)
    if hiragana:
        return max((row for row in KANA_ROWS if row <= hiragana), default=KANA_ROWS[0])
    return first.upper()[:1] if first.isalpha() else OTHER


def as_hiragana(letter: str) -> str:
    """The letter in Hiragana, not small; "" if it is none of the syllabary."""
    if "ァ" <= letter <= "ヶ":
        letter = chr(ord(letter) - KATAKANA_TO_HIRAGANA)
    return SMALL_KANA.get(letter, letter) if "ぁ" <= letter <= "ん" else ""


def sort_key(title: str, name: str) -> tuple[bool, str, str, str]:
    """Alphabetical, with the titles of one letter together: A to Z, other scripts, then "#"."""
    letter = letter_of(title)
    return letter == OTHER, letter, fold_text(title), name


# Search ---------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def badge_words(_language: str) -> dict[State, str]:
    """The words of each state, as the reader's language has them."""
    return {state: fold_text(row.badge) for state, row in STATES.items()}


def find_integrations(integrations: Sequence[Integration], query: str) -> list[Integration]:
    """Return the integrations that match every word of the query, in their order."""
    wanted_states, words = read_query(query)
    return [
        integration
        for integration in integrations
        if all(has_state(integration, state) for state in wanted_states)
        and (not words or all_words_in(words, integration))
    ]


def read_query(query: str) -> tuple[list[State], list[str]]:
    """Return the states that the query names in full, and its other words."""
    rest, wanted_states = f" {fold_text(query)} ", []
    for state, badge in sorted(badge_words(get_language() or "").items(), key=lambda item: -len(item[1])):
        if f" {badge} " in rest:
            wanted_states.append(state)
            rest = rest.replace(f" {badge} ", " ")
    return wanted_states, rest.split()


def has_state(integration: Integration, state: State) -> bool:
    """Whether it is in this state. What is connected and has a problem is connected as well."""
    return integration.state == state or (state == State.CONNECTED and integration.section == MINE)


def all_words_in(words: Iterable[str], integration: Integration) -> bool:
    text = text_of(integration)
    return all(word in text or begins_state(word, integration) for word in words)


def begins_state(word: str, integration: Integration) -> bool:
    """Whether the word is the beginning of the state's name, or of a word in it that no other state begins with."""
    names = badge_words(get_language() or "")
    name = names[integration.state]
    if name.startswith(word):
        return True
    begins_another = any(other.startswith(word) for other in names.values())
    return not begins_another and any(part.startswith(word) for part in name.split()[1:])


def text_of(integration: Integration) -> str:
    token = integration.token
    parts = (
        integration.title,
        integration.alias.name,
        integration.description,
        integration.account,
        *integration.scope_labels,
        *(() if token else integration.requested_scope_labels),
        *(token.scopes if token else ()),
    )
    return fold_text(" ".join(filter(None, parts)))


def suggest_queries(integrations: Sequence[Integration], query: str) -> list[tuple[str, int]]:
    """Parts of a query without results that do have some, the longest first, each with the number of its results."""
    words = query.split()
    parts = [words[:at] + words[at + 1 :] for at in range(len(words))] if 2 <= len(words) <= 6 else []
    texts = dict.fromkeys(" ".join(part) for part in [*parts, *([word] for word in words if len(words) > 1)][:12])
    counts = ((text, len(find_integrations(integrations, text))) for text in texts)
    return [(text, count) for text, count in counts if count][:MOST_SUGGESTIONS]
