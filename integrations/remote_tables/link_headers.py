"""The header Link (RFC 8288): the addresses of the next page that it names."""

import re
from collections.abc import Iterator

from requests import Response

from foundation.oauth_client.default_paging import NO_ROWS_THERE

A_LINK = re.compile(r"<([^<>]*)>((?:[^\"<,]|\"(?:[^\"\\]|\\.)*\")*)")
A_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s;,\"']*))")


def next_links(response: Response) -> tuple[str, ...]:
    """Addresses of the next page. Of several relations in one link, the first counts (§3.3)."""
    return tuple(address for address, parameters in links_of(response) if leads_on(parameters))


def leads_on(parameters: dict[str, str]) -> bool:
    is_empty = any(parameters.get(name) == value for name, value in NO_ROWS_THERE.items())
    return "next" in parameters.get("rel", "").lower().split() and not is_empty


def links_of(response: Response) -> Iterator[tuple[str, dict[str, str]]]:
    """The links: address and parameters. Names of parameters are lower case, because their case does not count."""
    header = response.headers.get("Link", "")
    if "<" not in header:
        yield from ((link["url"], link) for link in response.links.values())
    for link in A_LINK.finditer(header):
        parameters: dict[str, str] = {}
        for name, *values in A_PARAMETER.findall(link[2]):
            parameters.setdefault(name.lower(), "".join(values))
        if address := link[1].strip():
            yield address, parameters
