"""Where an answer says that its list continues, in the ways of many APIs, and where it says that it ends."""

from time import process_time
from typing import Any

import pytest
from requests import Response
from requests.structures import CaseInsensitiveDict

from foundation.oauth_client.provider_profile import STANDARD
from integrations.remote_tables.next_page import find_continuation
from integrations.remote_tables.page_members import next_links
from integrations.remote_tables.page_requests import Continuation, PageRead, PageRequest

ROWS = [{"id": 1}, {"id": 2}]


def continuation(
    document: Any, *, rows_path: str = "items", headers: dict[str, str] | None = None, path: str = "things"
) -> Continuation:
    response = Response()
    response.headers = CaseInsensitiveDict(headers or {})
    page = PageRead(
        request=PageRequest(path=path),
        url=f"https://api.example/v1/{path}",
        headers=response.headers,
        links=next_links(response),
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
        ({"next_cursor": False}, {}),
        ({"next_page": "False"}, {}),
        ({"next_cursor": "NULL"}, {}),
        ({"has_more": 0, "next_cursor": "c"}, {}),
        ({"has_more": "0", "next_cursor": "c"}, {}),
        ({"is_end": True, "next_cursor": "c"}, {}),
        ({"end_of_stream": True, "after_url": "https://api.example/v1/things?cursor=c"}, {}),
        ({"hasNext": "false", "next_cursor": "c"}, {}),
        ({"total": {"value": 500, "currency": "EUR"}}, {}),
        ({}, {"Content-Range": "items 0-1/2"}),
        ({}, {"Content-Range": "items 0-1/*"}),
    ],
)
def test_the_end_is_known(members: dict[str, Any], headers: dict[str, str]) -> None:
    found = continuation({"items": ROWS, **members}, headers=headers)
    assert (found.is_certain, found.requests) == (False, ())


SECOND = "https://api.example/v1/things?page=2"


@pytest.mark.parametrize(
    "link",
    [
        f'<{SECOND}>; Rel="Next"',
        f'<{SECOND}>; title="a=b, <c>"; rel="next"',
        f"<{SECOND}>; rel='next', <x>; rel='last'",  # https://dev.freeagent.com/docs/introduction
        f'<{SECOND}>;rel="next",',
        f'<{SECOND}>; rel="next"; rel="last"',  # RFC 8288 §3.3: the first counts
        f'<{SECOND}>; rel="next", <https://api.example/v1/others>; rel="next"',
        f'<x;v=1>; rel="self", <{SECOND}>; rel=next',
    ],
)
def test_a_link_is_read_as_rfc_8288_lets_it_be_written(link: str) -> None:
    found = continuation(ROWS, rows_path="@", headers={"Link": link})
    assert [request.path for request in found.requests] == ["things?page=2"]


def test_an_address_in_a_link_may_be_relative_and_have_a_semicolon() -> None:
    found = continuation(ROWS, rows_path="@", headers={"Link": '<things;v=1?page=2>; rel="next"'})
    assert found.requests[0].path == "things;v=1?page=2"


@pytest.mark.parametrize("address", ["http://[::1", "//[x", "/[x", "//[x?page=2"])
def test_an_address_that_cannot_be_parsed_is_not_followed(address: str) -> None:
    broken = f'<{address}>; rel="next"'
    found = continuation(ROWS, rows_path="@", headers={"Link": broken})
    assert found.requests == ()
    assert found.leads_elsewhere or not found.is_certain
    found = continuation(ROWS, rows_path="@", headers={"Link": f'{broken}, <{SECOND}>; rel="next"'})
    assert found.requests[-1].path == "things?page=2"
    assert continuation({"items": ROWS, "nextLink": address}).requests == ()


@pytest.mark.parametrize("filler", ['\\"<>', "<>", ' ;a="', "<x", ";x='"])
def test_a_long_link_header_is_read_in_no_time_and_not_to_its_end(filler: str) -> None:
    link = '<>"' + filler * (1_000_000 // len(filler))
    began_at = process_time()
    found = continuation(ROWS, rows_path="@", headers={"Link": f"{link}, <{SECOND}>; rel=next"})
    assert (found.requests, process_time() - began_at < 1) == ((), True)


def test_the_links_before_an_open_quote_are_read() -> None:
    found = continuation(ROWS, rows_path="@", headers={"Link": f'<{SECOND}>; rel="next", <x>; title="a \\'})
    assert [request.path for request in found.requests] == ["things?page=2"]


@pytest.mark.parametrize(
    ("rows_path", "document", "path", "parameters"),
    [
        # https://developer.sage.com/accounting/guides/efficiencies/pagination/
        ('"$items"', {"$total": 97, "$page": 1, "$next": "/things?page=2", "$items": ROWS}, "things?page=2", {}),
        # https://visioneers.gong.io/developers-79/gong-api-pagination-limit-1036
        ("users", {"records": {"totalRecords": 215, "currentPageNumber": 1, "cursor": "c"}, "users": ROWS},
         "things", {"cursor": ["c"]}),
        # https://dev.frontapp.com/docs/pagination
        ("_results", {"_pagination": {"next": SECOND}, "_results": ROWS}, "things?page=2", {}),
        # https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
        ("rows", {"rows": ROWS, "pageToken": "t", "totalRows": "5"}, "things", {"pageToken": ["t"]}),
        ("list.elements", {"list": {"meta": {"nextCursor": "?page=2"}, "elements": ROWS}}, "things?page=2", {}),
        # As .NET spells members
        ("Items", {"Items": ROWS, "NextPageLink": SECOND}, "things?page=2", {}),
        ("Items", {"Items": ROWS, "Meta": {"Pagination": {"Page": 1, "TotalPages": 3}}}, "things", {"page": ["2"]}),
        ("Items", {"Items": ROWS, "Cursors": {"Next": "c"}}, "things", {"cursor": ["c"]}),
        ("Items", {"Items": ROWS, "NextPageToken": "t"}, "things", {"pageToken": ["t"]}),
    ],
)  # fmt: skip
def test_a_member_is_known_in_each_spelling(
    rows_path: str, document: Any, path: str, parameters: dict[str, list[str]]
) -> None:
    found = continuation(document, rows_path=rows_path)
    assert (found.requests[0].path, found.requests[0].parameters, found.is_certain) == (path, parameters, True)


@pytest.mark.parametrize(
    ("headers", "path", "parameters"),
    [
        # https://jessehouwing.net/azure-devops-accessing-apis-with-large-volumes-of-data/
        ({"x-ms-continuationtoken": "t"}, "things", {"continuationToken": ["t"]}),
        # http://www.jerriepelser.com/blog/paging-in-aspnet-webapi-http-headers/
        ({"X-Pagination": '{"CurrentPage":1,"TotalPages":4,"NextPageLink":""}'}, "things", {"page": ["2"]}),
        ({"X-Pagination": f'{{"totalCount":9,"nextPageLink":"{SECOND}"}}'}, "things?page=2", {}),
    ],
)
def test_a_header_says_where_the_list_continues(
    headers: dict[str, str], path: str, parameters: dict[str, list[str]]
) -> None:
    found = continuation(ROWS, rows_path="@", headers=headers)
    assert (found.requests[0].path, found.requests[0].parameters, found.is_certain) == (path, parameters, True)


@pytest.mark.parametrize(
    ("document", "headers"),
    [
        (
            ROWS,
            {"Next-Range": "id ]01234567..; max=200"},
        ),  # https://devcenter.heroku.com/articles/platform-api-reference
        (ROWS, {"X-Continuation-Token": "t"}),  # https://dev.criticalarc.com/reference/paging
        (ROWS, {"X-PW-TOTAL": "5"}),  # https://developer.copper.com/introduction/requests.html
        ({"features": ROWS, "exceededTransferLimit": True}, {}),  # ArcGIS
        ({"Items": ROWS, "HasMore": True}, {}),
        ({"items": ROWS, "has_more": 1}, {}),
        ({"items": ROWS, "more": 40}, {}),
        ({"Items": ROWS, "TotalCount": 5}, {}),
        ({"hits": {"total": {"value": 5, "relation": "eq"}, "hits": ROWS}}, {}),  # Elasticsearch
        ({"ocs": {"meta": {"totalitems": "5"}, "data": ROWS}}, {}),  # Nextcloud
        ({"opensearch:totalResults": 5, "items": ROWS}, {}),
    ],
)
def test_more_rows_are_known_in_each_spelling(document: Any, headers: dict[str, str]) -> None:
    path = next((path for path in ("ocs.data", "hits.hits") if path.partition(".")[0] in document), "@")
    found = continuation(document, rows_path=path, headers=headers)
    assert (found.is_certain, found.requests) == (True, ())


@pytest.mark.parametrize(
    "headers", [{"X-Pagination": '{"TotalCount":2,"CurrentPage":1,"TotalPages":1}'}, {"X-Pagination": "{"}]
)
def test_a_header_says_that_the_list_ends_or_nothing(headers: dict[str, str]) -> None:
    found = continuation(ROWS, rows_path="@", headers=headers)
    assert (found.is_certain, found.requests) == (False, ())


@pytest.mark.parametrize(
    "members",
    [
        {"after": "2026-11-01"},
        {"after": "2026-11-01", "before": None},
        {"pageToken": "this"},
        {"cursors": {"before": "a", "after": "b"}},
        {"paging": {"cursors": {"before": "a", "after": "b"}}},
        {"navigation": {"next": "setup-guide"}},
    ],
)
def test_what_only_repeats_the_request_is_no_cursor(members: dict[str, Any]) -> None:
    found = continuation({"items": ROWS, **members})
    assert (found.is_certain, found.requests) == (False, ())


@pytest.mark.parametrize(
    ("members", "parameters"),
    [
        ({"after": "c", "has_more": True}, {"after": ["c"]}),
        ({"after": "c", "total": 9}, {"after": ["c"]}),
        ({"pageToken": "c", "totalItems": 9}, {"pageToken": ["c"]}),
        ({"cursors": {"before": "a", "after": "b"}, "hasMore": True}, {"after": ["b"]}),
        ({"paging": {"next": {"after": "c", "link": None}}}, {"after": ["c"]}),  # HubSpot
    ],
)
def test_it_is_one_where_a_sign_says_that_there_is_more(
    members: dict[str, Any], parameters: dict[str, list[str]]
) -> None:
    found = continuation({"items": ROWS, **members})
    assert (found.is_certain, found.requests[0].parameters) == (True, parameters)


def test_an_address_comes_before_such_a_cursor() -> None:
    found = continuation({"items": ROWS, "paging": {"cursors": {"before": "a", "after": "b"}, "next": SECOND}})
    assert [request.path for request in found.requests] == ["things?page=2"]


def test_a_cursor_of_the_page_itself_leads_nowhere() -> None:
    found = continuation({"items": ROWS, "cursor": "c", "next": None}, path="things?cursor=c")
    assert (found.is_certain, found.requests) == (False, ())
