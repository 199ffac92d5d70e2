"""Lists in pages: followed to the row limit in each way that APIs name the next page, or said to be incomplete."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from foundation.oauth_client.provider_profile.format import Paging
from integrations import remote_tables
from integrations.models import Alias, ApplicationRegistry, HttpConnection, RemoteTable
from integrations.remote_tables import all_pages
from integrations.remote_tables.page_requests import Continuation, PageRead, PageRequest
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import PAGE, ROWS, numbers, page
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.django_db

PATH = "/api/now/incidents"
COUNT, SIZE = 25, 10
EVERY = tables.numbered(COUNT)
Fields = dict[str, Any]
Page = Callable[[str, int], Fields]  # the address of the server, and how many rows come before → members of the answer


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return tables.read_by(amira, server)


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    return tables.incidents(alias)


def in_pages(server: HostileServer, make: Page, *, parameter: str = "start_at", count: int = COUNT) -> None:
    """Answer in pages of ten. `parameter`: what the API listens to; it ignores all others."""

    def reply(call: Call) -> Answer:
        text = parse_qs(call.query).get(parameter, ["0"])[-1]
        start = int(text.removeprefix("c")) if text.removeprefix("c").isdigit() else 0
        start = int(text.removeprefix("INC")) + 1 if text.startswith("INC") else start
        fields = make(server.url, start)
        headers = fields.pop("headers", {})
        return Answer(json={"result": EVERY[:count][start : start + SIZE], **fields}, headers=headers)

    server.on(ROWS).always(reply)


def read(table: RemoteTable, user: User) -> tuple[int, str]:
    table = RemoteTable.objects.get(pk=table.pk)
    answer = remote_tables.read_table(table, user, remote_tables.source_of(table, user))
    assert len({row[0] for row in answer.rows}) == len(answer.rows)
    return len(answer.rows), answer.why_cut


def following(make: Callable[[str], Fields]) -> Page:
    return lambda url, start: make(f"{url}{PATH}?start_at={start + SIZE}") if start + SIZE < COUNT else {}


def with_cursor(make: Callable[[str], Fields]) -> Page:
    return lambda _url, start: make(f"c{start + SIZE}") if start + SIZE < COUNT else {}


ADDRESSES = [
    lambda url: {"headers": {"Link": f'<{url}>; rel="next", <{url}>; rel="last"'}},
    lambda url: {"headers": {"Link": f"<{url.partition('/api')[1]}{url.partition('/api')[2]}>; rel=next"}},
    lambda url: {"@odata.nextLink": url},
    lambda url: {"nextRecordsUrl": f"/api{url.partition('/api')[2]}", "done": False},
    lambda url: {"paging": {"next": {"link": url, "after": "x"}}},
    lambda url: {"paging": {"next": url, "cursors": {"after": "x"}}},
    lambda url: {"links": {"next": url}},
    lambda url: {"_links": {"next": {"href": url}}},
    lambda url: {"next": url, "count": COUNT, "previous": None},
    lambda url: {"next_page_url": url, "current_page": 1, "last_page": 3},
    lambda url: {"next_page": url},
    lambda url: {"meta": {"pagination": {"links": {"next": url}}}},
    lambda url: {"links": [{"rel": "self", "href": "x"}, {"rel": "next", "href": url}], "hasMore": True},
    lambda url: {"link": [{"relation": "next", "url": url}]},
    lambda url: {"next": f"?{url.partition('?')[2]}"},
    lambda url: {"nextLink": f"{url}&$filter=name eq 'Änderung'#rows"},
]  # fmt: skip


@pytest.mark.parametrize("make", ADDRESSES)
def test_a_next_address_is_followed(
    make: Callable[[str], Fields], amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, following(make))
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 3
    assert {call.headers["authorization"] for call in server.calls} == {"Bearer CANARY-access-1"}


CURSORS = [
    ("cursor", lambda text: {"next_cursor": text, "has_more": True}),
    ("start_cursor", lambda text: {"next_cursor": text, "has_more": True}),
    ("cursor", lambda text: {"response_metadata": {"next_cursor": text}}),
    ("after", lambda text: {"paging": {"next": {"after": text}}}),
    ("pageToken", lambda text: {"nextPageToken": text}),
    ("next_page_token", lambda text: {"next_page_token": text}),
    ("pagination_token", lambda text: {"meta": {"next_token": text}}),
    ("after", lambda text: {"pagination": {"cursor": text}}),
    ("offset", lambda text: {"offset": text}),
    ("after", lambda text: {"pageInfo": {"hasNextPage": True, "endCursor": text}}),
    ("offset", lambda text: {"next_offset": int(text[1:])}),
    ("start", lambda text: {"start": int(text[1:]) - SIZE, "isLastPage": False, "nextPageStart": int(text[1:])}),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "make"), CURSORS)
def test_a_cursor_goes_where_apis_of_its_name_take_it(
    parameter: str, make: Callable[[str], Fields], amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, with_cursor(make), parameter=parameter)
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) <= 5  # a wrong guess is made once


def test_a_cursor_may_look_like_a_path_and_may_be_echoed(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    def reply(call: Call) -> Answer:
        cursor = parse_qs(call.query).get("cursor", [""])[-1]
        rows = EVERY[SIZE:] if cursor == "/b64+==" else EVERY[:SIZE]
        return Answer(json={"result": rows, "cursor": "/b64+=="})

    server.on(ROWS).always(reply)
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 2


def test_a_cursor_that_stands_on_the_last_page_too_ends_where_has_more_says(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(
        server,
        lambda _url, start: {"has_more": start + SIZE < COUNT, "next_cursor": f"c{start + SIZE}"},
        parameter="cursor",
    )
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 3


POSITIONS: list[tuple[str, str, Page]] = [
    ("startAt", "", lambda _url, start: {"startAt": start, "maxResults": SIZE, "total": COUNT}),
    ("offset", "", lambda _url, start: {"meta": {"offset": start, "total_count": COUNT}}),
    ("offset", "offset=0&limit=10", lambda _url, _start: {"total": COUNT}),
    ("offset", "offset=0", lambda _url, _start: {"headers": {"X-Total-Count": str(COUNT)}}),
    ("offset", "", lambda _url, start: {"offset": start + SIZE, "has-more": start + SIZE < COUNT}),
    ("startAt", "startAt=0", lambda _url, start: {"startAt": start + SIZE, "total": COUNT}),
    ("skip", "", lambda _url, start: {"skip": start, "hasMore": start + SIZE < COUNT}),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "query", "make"), POSITIONS)
def test_a_position_is_counted_on(
    parameter: str, query: str, make: Page, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(query=query)
    in_pages(server, make, parameter=parameter)
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 3


def test_pages_that_are_counted_are_turned(amira: User, table: RemoteTable, server: HostileServer) -> None:
    def reply(call: Call) -> Answer:
        number = int(parse_qs(call.query).get("page", ["1"])[-1])
        meta = {"page": number, "total_pages": 3}
        return Answer(json={"result": EVERY[(number - 1) * SIZE : number * SIZE], "meta": meta})

    server.on(ROWS).always(reply)
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 3


PROFILES: list[tuple[Fields, str, Page]] = [
    ({"style": "cursor", "next": "/deep/token", "parameter": "go_on"}, "go_on",
     with_cursor(lambda text: {"deep": {"token": text}})),
    ({"style": "next_url", "next": ["/a", "/deep/url"]}, "start_at", following(lambda url: {"deep": {"url": url}})),
    ({"style": "link"}, "start_at", following(lambda url: {"headers": {"Link": f'<{url}>; rel="next"'}})),
    ({"style": "link"}, "start_at", lambda url, start: {"headers": {"Link":
     f'<{url}{PATH}?start_at={start + SIZE}>; rel="next"; results="{str(start + SIZE < COUNT).lower()}"'}}),
    ({"style": "offset", "parameter": "from_row", "first": 0}, "from_row", lambda _url, _start: {}),
    ({"style": "offset", "parameter": "from_row", "first": 0, "more": "/info/again"}, "from_row",
     lambda _url, start: {"info": {"again": start + SIZE < COUNT}}),
    ({"style": "last_row", "next": "/number", "parameter": "starting_after", "more": "/has_more"}, "starting_after",
     lambda _url, start: {"has_more": start + SIZE < COUNT}),
    ({"style": "last_row", "next": "/number", "parameter": "starting_after"}, "starting_after",
     lambda _url, _start: {}),
    ({"style": "cursor", "next_header": "X-After", "parameter": "after"}, "after",
     lambda _url, start: {"headers": {"X-After": f"c{start + SIZE}" if start + SIZE < COUNT else ""}}),
    ({"style": "next_url", "next_header": "X-Next"}, "start_at",
     lambda url, start: {
         "headers": {"X-Next": f"{url}{PATH}?start_at={start + SIZE}" if start + SIZE < COUNT else ""}}),
]  # fmt: skip


@pytest.mark.parametrize(("paging", "parameter", "make"), PROFILES)
def test_the_profile_says_how_lists_are_paged(
    paging: Fields, parameter: str, make: Page, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(provider_profile={"paging": paging})
    in_pages(server, make, parameter=parameter)
    assert read(table, amira) == (COUNT, "")


@pytest.mark.parametrize(
    ("paging", "headers"),
    [
        ({"style": "page", "parameter": "page", "pages_header": "X-My-Pages"}, {"X-My-Pages": "3"}),
        (None, {"X-Total-Pages": "3"}),
    ],
)
def test_pages_that_a_header_counts_are_turned(
    paging: Fields | None, headers: dict[str, str], amira: User, table: RemoteTable, server: HostileServer
) -> None:
    def reply(call: Call) -> Answer:
        number = int(parse_qs(call.query).get("page", ["1"])[-1])
        return Answer(json={"result": EVERY[(number - 1) * SIZE : number * SIZE]}, headers=headers)

    ApplicationRegistry.objects.update(provider_profile={"paging": paging} if paging else {})
    server.on(ROWS).always(reply)
    assert read(table, amira) == (COUNT, "")
    assert len(server.calls) == 3


def test_the_last_row_is_that_of_the_list_not_of_a_selection(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    paging = {"style": "last_row", "next": "/number", "parameter": "starting_after", "more": "/has_more"}
    ApplicationRegistry.objects.update(provider_profile={"paging": paging})
    RemoteTable.objects.update(rows_path="result[?priority < `25` && priority != `9`]")
    in_pages(server, lambda _url, start: {"has_more": start + SIZE < COUNT}, parameter="starting_after")
    assert read(table, amira) == (COUNT - 1, "")


@pytest.mark.slow
def test_the_profile_turns_paging_off_and_sets_the_size_of_a_page(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, following(lambda url: {"next": url}))
    ApplicationRegistry.objects.update(provider_profile={"paging": {"style": "none"}})
    assert read(table, amira) == (SIZE, "")
    paging = {"style": "link", "size_parameter": "per_page", "size": 100}
    ApplicationRegistry.objects.update(provider_profile={"paging": paging})
    assert read(table, amira) == (COUNT, "")
    assert server.calls[1].query == "per_page=100"
    server.reset()
    server.on(ROWS).answer(status=400).always(json={"result": EVERY})
    assert read(table, amira) == (COUNT, "")
    assert [call.query for call in server.calls] == ["per_page=100", ""]


SIGNS: list[Fields] = [
    {"has_more": True},
    {"nextPageToken": "c10"},
    {"total": COUNT},
    {"isLast": False},
    {"meta": {"total_count": COUNT}},
    {"pageInfo": {"hasNextPage": True}},
    {"total_pages": 3, "page": 1},
    {"headers": {"X-Total-Count": "25"}},
    {"done": False, "totalSize": COUNT},
]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_more_that_leads_nowhere_is_said(
    sign: Fields, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, lambda _url, _start: dict(sign), parameter="nobody-knows")
    assert read(table, amira) == (SIZE, "unsaid")


def test_a_page_as_full_as_it_was_asked_to_be_may_not_be_all(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(query="limit=10")
    in_pages(server, lambda _url, _start: {})
    assert read(table, amira) == (SIZE, "unsaid")
    RemoteTable.objects.update(query="limit=20")
    assert read(table, amira) == (SIZE, "")


SIGNS_OF_NOTHING: list[Fields] = [
    {"total": SIZE},
    {"has_more": False, "next_cursor": "x"},
    {"last": "Haddad"},
    {"next": None},
    {"next_cursor": ""},
    {"count": 3},
    {"page": {"last": True}},
]


@pytest.mark.parametrize("sign", SIGNS_OF_NOTHING)
def test_what_says_nothing_of_more_is_whole(
    sign: Fields, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, lambda _url, _start: dict(sign))
    assert read(table, amira) == (SIZE, "")
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/api/now/incidents?start_at=10",
        "//evil.example/api/now/incidents",
        "{url}/admin/incidents?start_at=10",
        "{url}/apis/incidents",
        "{url}/api/../admin/incidents",
        "{url}/api/%2e%2e/admin",
        "http://user@{host}/api/now/incidents?start_at=10",
        "http://[",
    ],
)
def test_no_address_is_followed_but_below_the_connection(
    address: str, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    address = address.format(url=server.url, host=server.url.removeprefix("http://"))
    in_pages(server, lambda _url, _start: {"next": address})
    count, why_cut = read(table, amira)
    assert (count, why_cut in {"elsewhere", "unsaid"}) == (SIZE, True)
    assert {call.path for call in server.calls} == {PATH}
    assert len(server.calls) == 1


def test_no_circle_is_walked_twice(amira: User, table: RemoteTable, server: HostileServer) -> None:
    in_pages(server, lambda url, start: {"next": f"{url}{PATH}?start_at={(start + SIZE) % 20}"})
    assert read(table, amira) == (20, "unsaid")
    assert len(server.calls) == 3


def test_rows_that_come_again_are_read_once(amira: User, table: RemoteTable, server: HostileServer) -> None:
    turns = iter(range(1000))
    server.on(ROWS).always(lambda _call: Answer(json={"result": EVERY[:2], "next": f"?again={next(turns)}"}))
    assert read(table, amira) == (2, "unsaid")
    assert len(server.calls) == 2


def test_a_cursor_that_may_be_of_this_page_is_tried_and_no_sign_of_more(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, lambda _url, _start: {"cursor": "this-page"}, parameter="nobody-knows")
    assert read(table, amira) == (SIZE, "")
    assert len(server.calls) == 3


def test_members_that_change_with_each_call_cost_no_further_one(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    turns = iter(range(1000))
    server.on(ROWS).always(
        lambda _call: Answer(json={"result": [{"number": f"INC{(n := next(turns))}"}], "after": f"c{n}"})
    )
    assert read(table, amira) == (1, "")
    assert len(server.calls) == 1


def test_pages_and_time_are_bounded(
    amira: User, table: RemoteTable, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = iter(range(1000))
    server.on(ROWS).always(
        lambda _call: Answer(json={"result": [{"number": f"INC{(n := next(endless))}"}], "next": f"?n={n}"})
    )
    monkeypatch.setattr(all_pages, "MOST_PAGES", 5)
    assert read(table, amira) == (5, "stopped")
    monkeypatch.setattr(all_pages, "SHORTEST", all_pages.DEADLINE)
    assert read(table, amira) == (1, "stopped")
    monkeypatch.undo()
    monkeypatch.setattr(all_pages, "LARGEST", 10)
    assert read(table, amira) == (1, "stopped")


@pytest.mark.slow
def test_the_row_limit_ends_the_reading(amira: User, table: RemoteTable, server: HostileServer) -> None:
    in_pages(server, following(lambda url: {"next": url}))
    for limit, calls in ((10, 1), (15, 2), (24, 3), (25, 3)):
        server.reset()
        in_pages(server, following(lambda url: {"next": url}))
        RemoteTable.objects.update(row_limit=limit)
        assert read(table, amira) == (limit, "limit" if limit < COUNT else "")
        assert len(server.calls) == calls


@pytest.mark.parametrize("trouble", [{"status": 503}, {"status": 429}, {"close": True}])
def test_what_was_read_before_a_failure_is_shown_and_not_kept(
    trouble: Fields, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    server.on(ROWS).answer(json={"result": EVERY[:SIZE], "next": "?start_at=10"}).answer(**trouble)
    assert read(table, amira) == (SIZE, "failed")
    server.on(ROWS).always(json={"result": EVERY})
    assert read(table, amira) == (COUNT, "")


def test_a_filter_in_the_path_does_not_hide_rows(amira: User, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(rows_path="result[?priority > `22`]")
    in_pages(server, lambda _url, start: {"offset": start, "total": COUNT}, parameter="offset")
    assert read(table, amira) == (2, "")
    assert len(server.calls) == 3


def test_a_list_within_a_list_is_counted_by_its_rows(amira: User, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(rows_path="result[0].items")
    server.on(ROWS).always(json={"result": [{"items": EVERY}], "total": COUNT})
    assert read(table, amira) == (COUNT, "")


def test_paging_is_found_around_the_rows(amira: User, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(rows_path="data.search.nodes")
    more = {"nodes": EVERY[:SIZE], "pageInfo": {"hasNextPage": True}}
    server.on(ROWS).always(json={"data": {"search": more}})
    assert read(table, amira) == (SIZE, "unsaid")


def test_a_connection_may_end_in_the_list_itself(amira: User, table: RemoteTable, server: HostileServer) -> None:
    HttpConnection.objects.update(connection_url=f"{server.url}{PATH}")
    RemoteTable.objects.update(path="")
    in_pages(server, following(lambda url: {"next": url}))
    assert read(table, amira) == (COUNT, "")


def test_no_report_of_an_error_shows_rows_or_cursors() -> None:
    request = PageRequest(path="a", parameters={"cursor": ["CANARY-cursor"]})
    page_read = PageRead(
        request=request, url="", headers={}, links=(), document=["CANARY-row"], rows_path="@", counted=1
    )
    for each in (request, page_read, Continuation(requests=(request,)), all_pages.RowsRead(rows=["CANARY-row"])):
        assert "CANARY" not in repr(each)


@pytest.mark.slow
def test_page_and_file_say_that_there_is_more_and_the_administrator_why(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    in_pages(server, lambda _url, _start: {"next": "https://evil.example/"})
    client = client_of(amira)
    html = page(client)
    assert "There are or may be more rows, but only the first 10 are read." in html
    assert "not followed" not in html
    assert numbers(html)[-1] == "INC0009"
    response = client.get(f"{PAGE}rows.csv")
    assert response["Content-Disposition"] == 'attachment; filename="incidents-incomplete.csv"'
    lines = b"".join(response).decode().split("\r\n")
    assert lines[-2] == "INCOMPLETE: there are or may be more rows. Only the first 10 were read."
    assert client.get("/api/v1/remote-tables/incidents/rows/").json()["limited"] is True
    amira.user_permissions.add(Permission.objects.get(codename="change_remotetable"))
    assert "so it is not followed." in page(client_of(User.objects.get(pk=amira.pk)))


def test_positions_that_count_from_one_lose_no_row_at_the_end(
    table: RemoteTable, server: HostileServer, amira: User
) -> None:
    """SCIM (RFC 7644 §3.4.2.4): the first row is startIndex=1."""

    def reply(call: Call) -> Answer:
        start = int(parse_qs(call.query).get("startIndex", ["1"])[0])
        rows = EVERY[: SIZE + 1][start - 1 : start - 1 + SIZE]
        return Answer(json={"result": rows, "startIndex": start, "totalResults": SIZE + 1})

    server.on(ROWS).always(reply)
    RemoteTable.objects.update(query="startIndex=1")
    assert read(table, amira) == (SIZE + 1, "")


def test_an_offset_begins_with_none_unless_the_profile_says_otherwise() -> None:
    assert [Paging(style=style).start for style in ("offset", "page")] == [0, 1]
    assert Paging(style="page", first=0).start == 0
