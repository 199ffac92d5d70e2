"""A sentence with values that a page shows in its own way: moments in the reader's time, names isolated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A translated text with %(name)s for each value. The text is HTML of ours; values are escaped when shown."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.text)


NONE = Sentence(text="")
