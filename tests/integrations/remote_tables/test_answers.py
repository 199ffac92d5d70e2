"""What an API answers instead of a list in JSON: errors in a 200, nothing, CSV, and other types."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from integrations import remote_tables
from integrations.models import Alias, ApplicationRegistry, RemoteTable, Token
from integrations.models.tokens import TokenState
from integrations.remote_tables.errors import NotRead
from tests import walks
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import PAGE, ROWS, page, trouble
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROWS_URL = "/api/v1/remote-tables/incidents/rows/"
API_CODES = {
    "sign_in_again": "integration_not_authenticated",
    "wait": "provider_unreachable",
    "unusable": "provider_unusable",
}


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return tables.read_by(amira, server)


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    return tables.incidents(alias)


@pytest.fixture
def as_administrator(amira: User) -> Client:
    """Somebody who reads the table and may change it."""
    amira.user_permissions.add(Permission.objects.get(codename="change_remotetable"))
    return client_of(User.objects.get(pk=amira.pk))


def read(table: RemoteTable, user: User) -> list[list[Any]]:
    table = RemoteTable.objects.get(pk=table.pk)
    return remote_tables.read_table(table, user, remote_tables.source_of(table, user)).rows


ERRORS = [
    ({"ok": False, "error": "token_revoked"}, "sign_in_again", "no longer accepts"),
    ({"ok": False, "error": "invalid_auth"}, "sign_in_again", "no longer accepts"),
    ({"ok": False, "error": "not_authed"}, "sign_in_again", "no longer accepts"),
    ({"ok": False, "error": "missing_scope", "needed": "channels:read"}, "sign_in_again", "missing: channels:read."),
    ({"ok": False, "error": "ratelimited"}, "wait", "asks us to wait"),
    ({"error": {"code": "invalid_token", "message": "Nope"}}, "sign_in_again", "no longer accepts"),
    ({"error": {"code": 401, "message": "Nope"}}, "sign_in_again", "no longer accepts"),
    ({"errors": [{"message": "x", "extensions": {"code": "UNAUTHENTICATED"}}]}, "sign_in_again", "no longer accepts"),
    ({"errors": [{"message": "x", "type": "RATE_LIMITED"}], "data": None}, "wait", "asks us to wait"),
    ({"errors": [{"type": "INSUFFICIENT_SCOPES", "message": "x"}]}, "sign_in_again", "gave less access"),
    ({"ok": False, "error": "channel_not_found"}, "unusable", "answered with an error"),
    ({"error": {"message": "Database is tired"}}, "unusable", "answered with an error"),
    ({"errors": [{"message": "Field does not exist"}], "data": None}, "unusable", "answered with an error"),
    ({"success": False, "message": "Not today"}, "unusable", "answered with an error"),
    ({"status": "error", "message": "Not today"}, "unusable", "answered with an error"),
    ({"code": 500, "message": "Not today"}, "unusable", "answered with an error"),
    ({"status": "fail"}, "unusable", "answered with an error"),
    ({"errcode": 40001, "errmsg": "invalid credential"}, "unusable", "answered with an error"),
]  # fmt: skip


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize(("answer", "kind", "words"), ERRORS)
def test_an_error_in_a_good_answer_reaches_the_person_as_what_it_is(
    answer: dict[str, Any],
    kind: str,
    words: str,
    is_announced: bool,
    as_amira: Client,
    table: RemoteTable,
    server: HostileServer,
) -> None:
    Token.objects.update(refresh_token=None)
    headers = {} if is_announced else {"Content-Type": "text/plain"}
    if not is_announced and kind != "unusable":
        return
    server.on(ROWS).always(json=answer, headers=headers)
    html = page(as_amira)
    assert (trouble(html), words in html) == (kind, True)
    assert "set up correctly" not in html
    assert as_amira.get(ROWS_URL).json()["error"] == API_CODES[kind]


def test_a_token_that_is_dead_in_a_good_answer_is_renewed_first(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    walks.grants(server, 2)
    server.on(ROWS).answer(json={"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}], "data": None})
    server.on(ROWS).always(json={"result": [{"number": "INC5"}]})
    assert tables.numbers(page(as_amira)) == ["INC5"]
    assert server.calls[-1].headers["authorization"] == "Bearer CANARY-access-2"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"error": "token_expired"}, TokenState.VALID),
        ({"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}, TokenState.VALID),
        ({"ok": False, "error": "token_revoked"}, TokenState.NEEDS_REAUTH),
    ],
)
def test_only_the_word_of_the_provider_ends_a_sign_in(
    answer: dict[str, Any], state: str, as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(ROWS).always(json=answer)
    assert trouble(page(as_amira)) == "sign_in_again"
    assert Token.objects.get().state == state


@pytest.mark.parametrize(
    "record", [{"id": 5, "error": "token_expired"}, {"data": {"x": 1}, "error": {"code": "invalid_token"}}]
)
def test_a_record_about_an_error_is_none(
    record: dict[str, Any], amira: User, table: RemoteTable, server: HostileServer
) -> None:
    server.on(ROWS).always(json={**record, "result": [{"number": "INC5"}]})
    assert read(table, amira)[0][0] == "INC5"
    assert server.calls_to("POST /token") == []


def test_the_administrator_reads_the_third_partys_words_without_secrets(
    as_administrator: Client, table: RemoteTable, server: HostileServer
) -> None:
    token = "s3cr3tT0ken5" * 4
    server.on(ROWS).always(json={"ok": False, "error": f"channel_not_found for {token}"})
    html = page(as_administrator)
    assert "The third party answers with an error: channel_not_found for" in html
    assert token not in html


def test_a_plan_that_has_ended_is_no_faulty_table(as_amira: Client, table: RemoteTable, server: HostileServer) -> None:
    rule = {"means": "plan_ended", "request": "call", "status": 403}
    ApplicationRegistry.objects.update(provider_profile={"rules": [rule]})
    server.on(ROWS).always(status=403, json={"message": "Pay first"})
    html = page(as_amira)
    assert (trouble(html), "answered with an error" in html) == ("unusable", True)


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"error": {"code": "InvalidAuthenticationToken", "message": "Invalid audience."}}},
        {"headers": {"WWW-Authenticate": 'DPoP algs="ES256"'}},
    ],
)
def test_a_401_that_no_sign_in_changes_asks_nobody_to_sign_in(
    answer: dict[str, Any], as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    server.on(ROWS).always(status=401, **answer)
    assert trouble(page(as_amira)) == "unusable"
    assert (len(server.calls), Token.objects.get().state) == (1, TokenState.VALID)


@pytest.mark.parametrize(
    ("rows_path", "answer"),
    [
        ("@", {"error": {"message": "Database is tired"}}),
        (
            "data",
            {"status": "error", "message": "Not today", "data": {"at": 5}},
        ),  # https://github.com/omniti-labs/jsend
        ("result", {"success": False, "result": "Not today"}),
        ("data", {"code": 40105, "message": "Not today", "data": []}),  # TikTok
        ("data.list", {"errors": [{"message": "Field is gone"}], "data": {"list": []}}),
        ("Result", {"Success": "false", "Message": "Not today", "Result": []}),
        ("issues", {"errorMessages": ["Not today"], "errors": {}, "issues": None}),  # Jira
        ("items", {"isSuccess": False, "items": []}),
        ("items", {"code": 1000, "message": "The call was not successful", "items": []}),
        ("items", {"error": {"code": "access_denied", "log_id": "20261201"}, "items": []}),
        ("items", {"errors": {"name": ["is required"]}, "items": []}),
        ("items", {"error": "No permission found", "items": []}),
        ("items", {"error": "No results found"}),
    ],
    ids=str,
)
def test_an_error_is_no_empty_list_and_no_faulty_path(
    rows_path: str, answer: dict[str, Any], as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(rows_path=rows_path)
    server.on(ROWS).always(json=answer)
    html = page(as_amira)
    assert (trouble(html), "answered with an error" in html) == ("unusable", True)


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": 0, "errmsg": "ok", "result": []},  # WeCom
        {"error": None, "errors": [], "result": []},
        {"error": "none", "error_code": "0", "result": []},
        {"code": 200, "message": "OK", "result": []},
        {"status": "failed", "result": []},  # a record about something that failed, and its list
        {"success": True, "message": "Nothing found", "result": []},
        {"error": {"code": "ok", "message": "", "log_id": "20261201"}, "result": []},  # TikTok
        {"error": {"code": 1000, "message": "Success"}, "result": []},
        {"code": 20000, "message": "completed", "result": []},
        {"code": 1000, "msg": "Request was successful", "result": []},
        {"code": 1000, "message": "请求成功", "result": []},
        {"errors": {"count": 0}, "result": []},
        {"errors": [{}], "result": []},
        {"errorCode": "00000", "errorMessage": "OK", "result": []},
        {"errcode": 200, "errmsg": "success", "result": []},
        {"errcode": 1000, "errmsg": "success", "result": []},
        {"code": 1000, "message": "No error", "result": []},
        {"error": "No results found", "result": []},
        {"success": False, "message": "No matching records were found.", "result": []},
    ],
    ids=str,
)
def test_an_empty_list_beside_no_error_is_empty(
    answer: dict[str, Any], amira: User, table: RemoteTable, server: HostileServer
) -> None:
    server.on(ROWS).always(json=answer)
    assert read(table, amira) == []


@pytest.mark.parametrize(
    "answer", [{"status": 204}, {"body": b""}, {"body": b" \n"}, {"body": b"null"}, {"json": {"result": None}}]
)
def test_an_answer_without_content_is_an_empty_table(
    answer: dict[str, Any], as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(rows_path="@" if answer.get("body") == b"null" else "result")
    server.on(ROWS).always(**answer)
    assert "Incidents is empty" in page(as_amira)
    body = as_amira.get(ROWS_URL).json()
    assert (body["rows"], body["count"], body["limited"]) == ([], 0, False)


CSVS = [
    ("text/csv", b"number,short,priority\nINC1,Caf\xc3\xa9,3\nINC2,,\n"),
    ("text/csv; charset=utf-8", b"\xef\xbb\xbfnumber;short;priority\r\nINC1;Caf\xc3\xa9;3\r\n\r\nINC2;;\r\n"),
    ("text/csv;charset=windows-1252", b'"number","short","priority","more"\nINC1,Caf\xe9,3,a,b\nINC2\n'),
    ("application/csv", b"Number\tShort\tPriority\nINC1\tCaf\xc3\xa9\t3\nINC2\n"),
    ("text/tab-separated-values", b"number\tshort\tpriority\nINC1\tCaf\xc3\xa9\t3\nINC2\n"),
    ("text/csv", "number;short;priority\nINC1;Café;3\nINC2\n".encode("cp1252")),
    ("text/csv", "number\tshort\tpriority\nINC1\tCafé\t3\nINC2\n".encode("utf-16")),
    ("text/csv", "sep=;\r\nnumber;short;priority\r\nINC1;Café;3\r\nINC2\r\n".encode()),
    ("text/x-csv", "number|short|priority\nINC1|Café|3\nINC2\n".encode()),
    ("TEXT/CSV; charset=UTF-16", "number,short,priority\nINC1,Café,3\nINC2\n".encode("utf-16")),
]


@pytest.mark.parametrize(("media_type", "body"), CSVS)
def test_csv_is_read_as_rows_by_its_header_line(
    media_type: str, body: bytes, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(rows_path="@")
    server.on(ROWS).always(body=body, headers={"Content-Type": media_type})
    rows = read(table, amira)
    assert rows[0][:3] == ["INC1", "Café", "3"]
    assert [row[0] for row in rows] == ["INC1", "INC2"]


@pytest.mark.parametrize("media_type", ["application/octet-stream", "text/plain", "application/vnd.ms-excel"])
def test_a_file_is_csv_by_its_name(media_type: str, table: RemoteTable, server: HostileServer, amira: User) -> None:
    body = "number,short,priority\nINC1,Café,3\n".encode()
    named = {"Content-Type": media_type, "Content-Disposition": 'attachment; filename="rows.csv"'}
    server.on(ROWS).always(body=body, headers=named)
    RemoteTable.objects.update(rows_path="@")
    assert [row[0] for row in read(table, amira)] == ["INC1"]
    server.on(ROWS).always(body=body, headers={"Content-Type": media_type})
    with pytest.raises(NotRead):
        read(table, amira)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-ndjson", b'{"number": "INC1"}\n\n{"number": "INC2"}\n'),
        ("application/json", b'{"number": "INC1"}\r\n{"number": "INC2"}\r\n'),  # Elasticsearch, Docker
        ("text/plain", b'\xef\xbb\xbf{"number": "INC1"}\n{"number": "INC2"}'),
        ("application/json-seq", b'\x1e{"number": "INC1"}\n\x1e{"number": "INC2"}\n'),  # RFC 7464
        ("application/json", b")]}'\n" + b'[{"number": "INC1"}, {"number": "INC2"}]'),
        ("application/json; charset=ISO-8859-1", b'[{"number": "INC1", "name": "Ren\xe9"}, {"number": "INC2"}]'),
    ],
)
def test_json_is_read_in_lines_with_a_prefix_and_in_other_charsets(
    media_type: str, body: bytes, table: RemoteTable, server: HostileServer, amira: User
) -> None:
    server.on(ROWS).always(body=body, headers={"Content-Type": media_type})
    RemoteTable.objects.update(rows_path="@")
    assert [row[0] for row in read(table, amira)] == ["INC1", "INC2"]


@pytest.mark.parametrize("body", [b"1\n2\n", b'{"number": "INC1"}\n{"num', b'{"a": 1} {"a": 2}', b'"a"\n"b"'])
def test_other_lines_are_no_rows(body: bytes, table: RemoteTable, server: HostileServer, amira: User) -> None:
    RemoteTable.objects.update(rows_path="@")
    server.on(ROWS).always(body=body, headers={"Content-Type": "text/plain"})
    with pytest.raises(NotRead):
        read(table, amira)


def test_csv_keeps_lines_within_cells_and_names_that_come_twice(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(rows_path="@")
    table.columns.filter(name="short_description").update(path="short_3")
    body = b'number,short,short\n9007199254740993,a,"one\ntwo, ""three"""\n'
    server.on(ROWS).always(body=body, headers={"Content-Type": "text/csv"})
    assert read(table, amira)[0][:2] == ["9007199254740993", 'one\ntwo, "three"']
    server.on(ROWS).always(body=b"short,short_3,short\na,b,c\n", headers={"Content-Type": "text/csv"})
    assert read(table, amira)[0][1] == "b"
    server.on(ROWS).always(body=b"\xef\xbb\xbf", headers={"Content-Type": "text/csv"})
    assert read(table, amira) == []


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Content-Type": "application/xml; charset=utf-8"}, "The third party answers application/xml, not JSON."),
        ({"Content-Type": "text/html"}, "The third party answers text/html, not JSON."),
        ({"Content-Type": "application/json"}, "The answer isn’t JSON."),
        ({"Content-Type": "<b>x</b>/y"}, "The answer isn’t JSON."),
    ],
)
def test_another_type_is_named(
    headers: dict[str, str], sentence: str, as_administrator: Client, table: RemoteTable, server: HostileServer
) -> None:
    server.on(ROWS).always(body=b"<rows><row id='1'/></rows>", headers=headers)
    html = page(as_administrator)
    assert (trouble(html), sentence in html) == ("unusable", True)
    answer = as_administrator.get(ROWS_URL).json()
    assert answer["error"] == "provider_unusable"
    assert (answer["error_description"] == sentence) == ("answers" in sentence)


def test_json_of_another_type_is_read(amira: User, table: RemoteTable, server: HostileServer) -> None:
    server.on(ROWS).always(body=b'{"result": [{"number": "INC5"}]}', headers={"Content-Type": "text/html"})
    assert read(table, amira)[0][0] == "INC5"
    assert client_of(amira).get(PAGE).status_code == 200
