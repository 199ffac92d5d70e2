"""Where an answer says that its list continues, in the ways of many APIs, and where it says that it ends."""

from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from foundation.oauth_client.provider_profile import STANDARD
from integrations.remote_tables.next_page import find_continuation
from integrations.remote_tables.page_requests import Continuation, PageRead, PageRequest

ROWS = [{"id": 1}, {"id": 2}]


def continuation(document: Any, *, rows_path: str = "items", headers: dict[str, str] | None = None) -> Continuation:
    page = PageRead(
        request=PageRequest(path="things"),
        url="https://api.example/v1/things",
        headers=CaseInsensitiveDict(headers or {}),
        links=(),
        document=document,
        rows_path=rows_path,
        counted=len(ROWS),
    )
    return find_continuation(STANDARD, page, page)


@pytest.mark.parametrize(
    ("members", "path", "parameters"),
    [
        ({"@odata.nextLink": "things?$skiptoken=2"}, "things?$skiptoken=2", {}),
        ({"after_url": "https://api.example/v1/things?cursor=c", "end_of_stream": False}, "things?cursor=c", {}),
        ({"pagination": {"urls": {"next": "https://api.example/v1/things?page=2"}}}, "things?page=2", {}),
        ({"page_context": {"page": 1, "has_more_page": True}}, "things", {"page": ["2"]}),
        ({"page_info": {"page": 1, "total_number": 5, "total_page": 3}}, "things", {"page": ["2"]}),
        ({"has_more": True, "page_token": "t"}, "things", {"page_token": ["t"]}),
        ({"IsTruncated": True, "NextMarker": "m"}, "things", {"marker": ["m"]}),
        ({"hasNext": "true", "page": 1}, "things", {"page": ["2"]}),
    ],
)
def test_the_next_page_is_found(members: dict[str, Any], path: str, parameters: dict[str, list[str]]) -> None:
    found = continuation({"items": ROWS, **members})
    assert found.is_certain
    assert (found.requests[0].path, found.requests[0].parameters) == (path, parameters)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://api.example/v1/things?page=2", "things?page=2"),  # a server that knows nothing of TLS before it
        ("http://api.example:8080/v1/things?page=2", "things?page=2"),
        ("/things?start=10", "things?start=10"),  # DocuSign: relative to the base, not to the host
        ("/wiki/v1/things?cursor=c", "things?cursor=c"),  # behind a gateway, which has another beginning
    ],
)
def test_a_next_address_that_does_not_know_its_gateway_gives_its_query(address: str, path: str) -> None:
    found = continuation({"items": ROWS, "next": address})
    assert (found.requests[0].path, found.requests[0].parameters, found.is_certain) == (path, {}, True)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.evil.example/v1/things?page=2",
        "https://evil.example/v1/things?page=2",
        "https://user@api.example/v1/things?page=2",
        "https://api.example/v2/others?page=2",
        "https://api.example/others/nothings?page=2",
        "http://api.example/v1/things",
        "/",
    ],
)
def test_another_next_address_is_not_followed(address: str) -> None:
    found = continuation({"items": ROWS, "next": address})
    assert (found.requests, found.is_certain) == ((), True)


def test_members_around_the_rows_are_looked_at_behind_an_index() -> None:
    document = {"data": {"boards": [{"items_page": {"cursor": "c", "items": ROWS}}]}}
    found = continuation(document, rows_path="data.boards[0].items_page.items")
    assert found.requests[0].parameters == {"cursor": ["c"]}


@pytest.mark.parametrize(
    ("members", "headers"),
    [
        ({"LastEvaluatedKey": {"id": 2}}, {}),
        ({"is_end": False}, {}),
        ({"end_of_results": "false"}, {}),
        ({}, {"x-ms-continuation": "t"}),
        ({}, {"Content-Range": "items 0-1/5"}),
        ({}, {"Total": "5"}),  # Procore
    ],
)
def test_more_rows_are_known_although_nothing_says_where(members: dict[str, Any], headers: dict[str, str]) -> None:
    found = continuation({"items": ROWS, **members}, headers=headers)
    assert (found.is_certain, found.requests) == (True, ())


@pytest.mark.parametrize(
    ("members", "headers"),
    [
        ({"nextOffset": -1}, {}),
        ({"nextPage": -1}, {}),
        ({"next": "null"}, {}),
        ({"next_cursor": "0"}, {}),
        ({"next_cursor": -1}, {}),
        ({"is_end": True, "next_cursor": "c"}, {}),
        ({"end_of_stream": True, "after_url": "https://api.example/v1/things?cursor=c"}, {}),
        ({"hasNext": "false", "next_cursor": "c"}, {}),
        ({}, {"Content-Range": "items 0-1/2"}),
        ({}, {"Content-Range": "items 0-1/*"}),
    ],
)
def test_the_end_is_known(members: dict[str, Any], headers: dict[str, str]) -> None:
    found = continuation({"items": ROWS, **members}, headers=headers)
    assert (found.is_certain, found.requests) == (False, ())
