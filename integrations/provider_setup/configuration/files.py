"""A file of the set-up as values that know their line. Understands YAML's plain parts, and refuses the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

# What PyYAML's constructors raise at a value that is not of the type its tag says: !!int "", !!bool x, !!timestamp x.
MISREAD = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
LARGEST_NUMBER = 2**63  # of an integer in any column


class BadFile(ValueError):
    """What is wrong, with the line. Quotes names of members, never a value."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"Line {line}: {sentence}")


@dataclass(frozen=True)
class Told:
    """One value: of a set a dict and of a list a list, with values like this one in it."""

    value: Any
    line: int

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {name: inner.plain() for name, inner in self.value.items()}
        return [inner.plain() for inner in self.value] if isinstance(self.value, list) else self.value

    def members(self, what: str, known: tuple[str, ...]) -> dict[str, "Told"]:
        """A set with none but these names."""
        if not isinstance(self.value, dict):
            raise BadFile(self.line, f"{what} is a set of names and values.")
        for name, inner in self.value.items():
            if name not in known:
                raise BadFile(inner.line, f"“{name}” is not known in {what}; it has {', '.join(known)}.")
        return self.value

    def rows(self, what: str) -> Iterator["Told"]:
        if not isinstance(self.value, list):
            raise BadFile(self.line, f"“{what}” is a list.")
        yield from self.value


def parse(text: str) -> Told:
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        raise BadFile(text.count("\n", 0, error.position) + 1, "A character that no YAML has.") from None
    try:
        node = loader.get_single_node()
        return told(loader, node, set()) if node else Told({}, 1)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise BadFile(mark.line + 1 if mark else 1, "This is no YAML.") from None
    except RecursionError:
        raise BadFile(1, "It is nested too deeply.") from None
    finally:
        loader.dispose()


def told(loader: yaml.SafeLoader, node: yaml.Node, seen: set[int]) -> Told:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise BadFile(line, "A part of the file is used twice (& and *): write it out.")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return Told(mapping(loader, node, seen), line)
    if isinstance(node, yaml.SequenceNode):
        return Told([told(loader, inner, seen) for inner in node.value], line)
    try:
        return Told(storable(loader.construct_object(node)), line)
    except (yaml.YAMLError, *MISREAD):
        raise BadFile(line, "This value cannot be read.") from None


def storable(value: Any) -> Any:
    """`ValueError` for what YAML can spell and no database holds: NUL, halves of characters, endless integers."""
    if isinstance(value, str) and "\0" in value.encode().decode():
        raise ValueError
    if isinstance(value, int) and not -LARGEST_NUMBER <= value < LARGEST_NUMBER:
        raise ValueError
    return value


def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, seen: set[int]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for key, inner in node.value:
        line = key.start_mark.line + 1
        name = told(loader, key, seen).value if isinstance(key, yaml.ScalarNode) else None
        if not isinstance(name, str):
            raise BadFile(line, "A name is a text.")
        if name in found:
            raise BadFile(line, f"“{name}” is there twice.")
        found[name] = Told(told(loader, inner, seen).value, line)
    return found
