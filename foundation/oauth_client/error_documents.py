"""The document of an error as the common rules see it: its objects one by one, with members spelled alike.

Servers put an error wherever they like: {"error": …}, {"detail": {"code": …}}, {"errors": [{"errorCode": …}]},
{"_embedded": {"errors": […]}}. So the rules name members, not places: the document itself comes first, then the objects
inside it, from outside to inside. A provider's own rules see the document as it came.
"""

import re
from collections.abc import Iterator

# Members of these objects, in the order of preference. The first is RFC 6749's; the others count if they hold a known
# code.
CODE_PLACES = (
    "/error", "/code", "/error_code", "/errcode", "/err_code", "/errorcode", "/error_type", "/type", "/status",
    "/reason", "/error_reason", "/category", "/name", "/error_name", "/title", "/err", "/sub_code", "/id", "/key",
    "/tag", "/oauth_error", "/errors", "/classification",
)  # fmt: skip
TEXT_PLACES = (
    "/error_description", "/message", "/message/value", "/error_message", "/errmsg", "/err_msg", "/error_msg", "/msg",
    "/detail", "/details", "/error_detail", "/description", "/error_summary", "/summary", "/hint", "/faultstring",
    "/developer_message", "/more_information", "/title", "/errors", "/err", "/reason", "/error",
)  # fmt: skip

NUMBER_PLACES = ("/error_codes/0", "/error_code", "/error_subcode", "/errcode", "/code")

DEEPEST = 4  # levels of objects that are views of their own
DEEPEST_MEMBER = 8
MOST_IN_LIST = 4  # objects of a list that are looked at
MOST_VIEWS = 24
LONGEST_NAME = 60
LONGEST_TEXT = 2000  # characters: a sentence is shorter
_ABOUT_ERRORS = re.compile(r"err|fault|exception|detail|problem")


def views_of(document: object) -> list[object]:
    """The document and the objects inside it, spelled plainly. At each level, those called errors come first."""
    outermost = spell_plainly(document)
    level, views = [outermost], [outermost]
    for _ in range(DEEPEST - 1):
        level = [inner for outer in level for inner in _inside(outer)]
        views += level
        if not level or len(views) > MOST_VIEWS:
            break
    return views[:MOST_VIEWS]


def spell_plainly(document: object, depth: int = DEEPEST_MEMBER) -> object:
    """The document with the names of its members as RFC 6749 would spell them: error_code for errorCode."""
    if isinstance(document, list):
        return [spell_plainly(each, depth - 1) for each in document[:MOST_IN_LIST]] if depth else []
    if isinstance(document, str):
        return document[:LONGEST_TEXT]
    if not isinstance(document, dict):
        return document
    members: dict[str, object] = {}
    names = {name: plain_name(str(name)) for name in document}
    for name in sorted(names, key=lambda name: names[name] != name):  # in a plain spelling first
        members.setdefault(names[name], spell_plainly(document[name], depth - 1) if depth else None)
    return members


def plain_name(name: str) -> str:
    last = re.split(r"[.#:]", name[:LONGEST_NAME])[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", last)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower() or name


def _inside(document: object) -> Iterator[object]:
    """The objects one level down. A text in a list is the message of an error."""
    if isinstance(document, list):
        for each in document:
            if isinstance(each, dict):
                yield each
            elif isinstance(each, str):
                yield {"message": each}
    elif isinstance(document, dict):
        for name in sorted(document, key=lambda name: not _ABOUT_ERRORS.search(name)):
            value = document[name]
            if isinstance(value, dict):
                yield value
            elif isinstance(value, list):
                yield from _inside(value)
