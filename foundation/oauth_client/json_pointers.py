"""JSON pointers (RFC 6901)."""


def resolve(document: object, pointer: str) -> object:
    """The value that the pointer refers to; None if there is none."""
    value = document
    for step in pointer.removeprefix("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        value = member_of(value, name)
    return value


def member_of(container: object, name: str) -> object:
    """The member of an object by name, or of a list by index."""
    if isinstance(container, dict):
        return container.get(name)
    is_number = name.isascii() and name.isdigit() and len(name) < 6
    if isinstance(container, list) and is_number and int(name) < len(container):
        return container[int(name)]
    return None
