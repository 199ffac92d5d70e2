"""JSON pointers (RFC 6901) into what a server says."""


def at(document: object, pointer: str) -> object:
    """What the pointer leads to; None where that is nothing."""
    found = document
    for step in pointer.removeprefix("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = member(found, name)
    return found


def member(found: object, name: str) -> object:
    """Of an object by its name, of a list by its number."""
    if isinstance(found, dict):
        return found.get(name)
    is_number = name.isascii() and name.isdigit() and len(name) < 6
    if isinstance(found, list) and is_number and int(name) < len(found):
        return found[int(name)]
    return None
