"""Details of events: stored in English, and shown in the reader's language (`foundation.stored_texts`)."""

from foundation.stored_texts import StoredTexts

_texts = StoredTexts()
register_detail, in_words = _texts.register, _texts.in_words
