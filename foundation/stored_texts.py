"""Sentences that are stored in English, and shown in the reader's language.

Who causes one and who reads it may have different languages. A sentence of ours is therefore registered with its
placeholders, and is found again in the stored text.
"""

import re

from django.utils.translation import gettext

PLACEHOLDER = re.compile(r"%\((\w+)\)([sd])")
VALUES = {"s": ".*", "d": r"\d+"}


class StoredTexts:
    def __init__(self) -> None:
        self.patterns: dict[str, re.Pattern[str]] = {}

    def register(self, text: str) -> str:
        """Make a text translatable. `text`: marked with `gettext_noop`, with placeholders such as %(name)s.

        Of two that fit a stored sentence, the one that was registered first is taken.
        """
        pattern, end = "", 0
        for placeholder in PLACEHOLDER.finditer(text):
            pattern += f"{re.escape(text[end : placeholder.start()])}(?P<{placeholder[1]}>{VALUES[placeholder[2]]})"
            end = placeholder.end()
        self.patterns[text] = re.compile(pattern + re.escape(text[end:]), re.DOTALL)
        return text

    def in_words(self, stored: str) -> str:
        """A stored sentence, as the reader sees it. Names and answers of servers stay as they are."""
        for text, pattern in self.patterns.items():
            if match := pattern.fullmatch(stored):
                values = {name: self.in_words(value) for name, value in match.groupdict().items()}
                return PLACEHOLDER.sub(r"%(\1)s", gettext(text)) % values
        return stored


def in_reader_language(text: str) -> str:
    """A registered text, for a sentence that is shown at once, or stored within `override("en")`."""
    return gettext(text)
