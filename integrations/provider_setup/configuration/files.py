"""Parsing of a configuration file into values with line numbers. Plain YAML only: no aliases, no custom tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

from foundation.exceptions import Explained

# PyYAML's constructors raise these for a value that does not fit its tag: !!int "", !!bool x, !!timestamp x.
MISREAD = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
LONGEST_SENTENCE = 1000  # characters
LARGEST_NUMBER = 2**63  # bound of an integer in any column


class BadFile(Explained, ValueError):
    """The file is invalid. The message names the line and quotes names of members, never a value."""

    message = "The file can't be read."

    def __init__(self, line: int, sentence: str) -> None:
        is_long = len(sentence) > LONGEST_SENTENCE
        super().__init__(f"Line {line}: {sentence[:LONGEST_SENTENCE]}…" if is_long else f"Line {line}: {sentence}")


def prefix_member(member: str, sentence: str) -> str:
    return f"“{member}”: {sentence}" if member else sentence


@dataclass(frozen=True)
class Node:
    """One YAML value and its line. Members of a dict and items of a list are nodes too."""

    value: Any
    line: int

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {name: inner.plain() for name, inner in self.value.items()}
        return [inner.plain() for inner in self.value] if isinstance(self.value, list) else self.value

    def members(self, what: str, names: tuple[str, ...]) -> dict[str, "Node"]:
        """Return the members of a mapping. Raises `BadFile` for a name that isn't in `names`."""
        if not isinstance(self.value, dict):
            raise BadFile(self.line, f"{what} is a set of names and values.")
        for name, inner in self.value.items():
            if name not in names:
                raise BadFile(inner.line, f"“{name}” is not known in {what}; it has {', '.join(names)}.")
        return self.value

    def rows(self, what: str) -> Iterator["Node"]:
        if not isinstance(self.value, list):
            raise BadFile(self.line, f"“{what}” is a list.")
        for item in self.value:
            if item.value is None:  # as without groups a row is for everybody, it must not count as none
                raise BadFile(item.line, f"An item of “{what}” is empty. Write [] for none.")
            yield item


def parse_yaml(text: str) -> Node:
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        raise BadFile(text.count("\n", 0, error.position) + 1, "A character that no YAML has.") from None
    try:
        node = loader.get_single_node()
        return parse_node(loader, node, set()) if node else Node({}, 1)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise BadFile(mark.line + 1 if mark else 1, "This is no YAML.") from None
    except RecursionError:
        raise BadFile(1, "It is nested too deeply.") from None
    finally:
        loader.dispose()


def parse_node(loader: yaml.SafeLoader, node: yaml.Node, seen: set[int]) -> Node:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise BadFile(line, "A part of the file is used twice (& and *): write it out.")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return Node(parse_mapping(loader, node, seen), line)
    if isinstance(node, yaml.SequenceNode):
        return Node([parse_node(loader, inner, seen) for inner in node.value], line)
    try:
        return Node(check_storable(loader.construct_object(node)), line)
    except (yaml.YAMLError, *MISREAD):
        raise BadFile(line, "This value cannot be read.") from None


def check_storable(value: Any) -> Any:
    """Return the value. Raises `ValueError` for what no database stores: NUL, lone surrogates, too large integers."""
    if isinstance(value, str) and "\0" in value.encode().decode():
        raise ValueError
    if isinstance(value, int) and not -LARGEST_NUMBER <= value < LARGEST_NUMBER:
        raise ValueError
    return value


def parse_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, seen: set[int]) -> dict[str, Node]:
    members: dict[str, Node] = {}
    for key, inner in node.value:
        line = key.start_mark.line + 1
        name = parse_node(loader, key, seen).value if isinstance(key, yaml.ScalarNode) else None
        if not isinstance(name, str):
            raise BadFile(line, "A name is a text.")
        if name in members:
            raise BadFile(line, f"“{name}” is there twice.")
        members[name] = Node(parse_node(loader, inner, seen).value, line)
    return members
