"""Isolation of names in right-to-left scripts (Unicode UAX #9), so that they don't reorder the sentence around them."""

import unicodedata

LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "NSM", "BN", "B", "S", "WS", "ON", ""})


def isolate_name(name: object) -> str:
    text = str(name)
    if text.isascii():
        return text
    isolate = any(unicodedata.bidirectional(letter) not in LEFT_TO_RIGHT for letter in text)
    return f"\u2068{text}\u2069" if isolate else text
