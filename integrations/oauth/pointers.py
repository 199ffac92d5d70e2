"""JSON pointers (RFC 6901) into what a server says. Objects only: nobody numbers what a person is called."""


def at(document: object, pointer: str) -> object:
    """What the pointer leads to; None where that is nothing."""
    found = document
    for step in pointer.lstrip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found
