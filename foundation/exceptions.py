"""Base class of our exceptions that are raised without arguments."""

from typing import ClassVar


class Explained(Exception):
    """`str()` gives the arguments, or else the `message` of the class: an English sentence for logs and programs."""

    message: ClassVar[str]

    def __str__(self) -> str:
        return super().__str__() or self.message
