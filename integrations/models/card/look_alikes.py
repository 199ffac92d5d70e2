"""Host names that only look like another one: one letter exchanged, or letters of another script (UTS 39)."""

from urllib.parse import urlsplit

ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "3": "e", "5": "s", "_": "-"})
PAIRS_ALIKE = {"rn": "m", "vv": "w", "cl": "d"}
PUNYCODE = "xn--"


def looks_like(new_url: str, old_url: str) -> bool:
    """Whether a person could take the new address for the old one. Names below the same domain don't count."""
    new, old = host_of(new_url), host_of(old_url)
    if not new or not old or new == old or new.split(".")[-2:] == old.split(".")[-2:]:
        return False
    has_other_script = not new.isascii() or any(label.startswith(PUNYCODE) for label in new.split("."))
    return has_other_script or skeleton(new) == skeleton(old) or is_one_edit_away(new, old)


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def skeleton(host: str) -> str:
    for pair, letter in PAIRS_ALIKE.items():
        host = host.replace(pair, letter)
    return host.translate(ALIKE)


def is_one_edit_away(one: str, other: str) -> bool:
    """One letter replaced, inserted or left out, or two neighbours exchanged."""
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return abs(len(one) - len(other)) == 1
    rest, other_rest = one[start:], other[start:]
    is_exchanged = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:] or is_exchanged
