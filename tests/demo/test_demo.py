"""What `manage.py demo` promises to somebody who has just arrived."""

import html
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from demo import browserless, environment, ports
from tests.demo.running import CHECKOUT, Demo, eventually, new_browser, running_demo, started_demo
from tests.servers.machine import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a demo")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    """The first start in a folder, while somebody else sits on the port that was asked for."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with running_demo(folder / "first", port) as running:
            assert f"Port {port} is taken; using {port + 1}." in running.text
            yield running


@pytest.fixture
def seeded(demo: Demo, folder: Path, tmp_path: Path) -> Path:
    """A copy of what the first start made, for a start that ends badly."""
    for name in ("keyrack.sqlite3", "provider.sqlite3"):
        with (
            closing(sqlite3.connect(demo.data_dir / name)) as source,
            closing(sqlite3.connect(tmp_path / name)) as copy,
        ):
            source.backup(copy)
    for name in ("demo.env", "demo.seeded", "provider-key.pem"):
        shutil.copy2(demo.data_dir / name, tmp_path / name)
    return tmp_path


def test_the_first_start_has_run_a_subflow_as_amira(demo: Demo) -> None:
    with closing(sqlite3.connect(demo.data_dir / "keyrack.sqlite3")) as database:
        found = database.execute("select name, status from integrations_subflowrun").fetchall()
    assert found == [("my_open_incidents", "succeeded")]


def states(page: str) -> dict[str, str]:
    """The badge of each card, by its title."""
    cards = re.findall(r"<article.*?</article>", page, re.DOTALL)
    found = {}
    for card in cards:
        title = re.search(r"<h3[^>]*>(.*?)</h3>", card, re.DOTALL)
        badge = re.search(r'class="badge"[^>]*>(.*?)</span>', card, re.DOTALL)
        assert title
        assert badge
        found[words(title[1])] = words(badge[1])
    return found


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def dashboard(demo: Demo, browser: requests.Session) -> str:
    return browser.get(f"{demo.url}/integrations/", timeout=30).text


def test_nothing_looks_like_a_failure_before_it_runs(demo: Demo) -> None:
    """Answers of 400 and 503 are part of the states that it prepares."""
    lines = demo.text.partition("Keyrack is running.")[0].splitlines()
    assert [line for line in lines if line.startswith(("provider", "web", "worker"))] == []


def test_the_link_leads_to_both_sections_with_every_state(demo: Demo) -> None:
    browser = demo.visitor()
    assert eventually(lambda: "Revoke not confirmed" in dashboard(demo, browser), within=90)
    page = dashboard(demo, browser)
    assert "My Integrations" in page
    assert "Integrations I can use" in page
    # Other tests revoke Copper Tickets and connect Orchard Calendar.
    assert (
        states(page).items()
        >= {
            "Northwind CRM": "Connected",
            "Harbor Files": "Expires soon",
            "Beacon Chat": "Revoke not confirmed",
            "Quill Docs": "Sign in again",
            "Records Service": "Not connected",
            "Tidepool Analytics": "Not connected",
            "Meridian Ledger": "Turned off",
        }.items()
    )


def test_another_person_sees_something_else(demo: Demo) -> None:
    browser, login = new_browser(), f"{demo.url}/accounts/login/"
    page = browser.get(login, timeout=30)
    password = demo.printed(r"by hand .* amira or tomas · (\S+)")
    sent = {"csrfmiddlewaretoken": token_in(page.text), "username": "tomas", "password": password}
    browser.post(login, data=sent, headers={"Referer": login}, timeout=30)
    seen = states(dashboard(demo, browser))
    assert (seen["Records Service"], seen["Tidepool Analytics"]) == ("Connected", "Connected")
    assert "Meridian Ledger" not in seen
    assert names_in(demo, browser, "contacts") == [
        "Ines Duarte",
        "Jakub Svoboda",
        "Katarína Hronská",
        "Liam Byrne",
        "Mina Park",
    ]
    assert "Connect Copper Tickets to see Open incidents" in remote_table(demo, browser, "incidents")


def test_remote_tables_show_what_is_hers(demo: Demo) -> None:
    browser = demo.visitor()
    assert names_in(demo, browser, "contacts")[:2] == ["Astrid Lund", "Bilal Osman"]
    assert names_in(demo, browser, "contacts", "?q=beirut") == ["Bilal Osman"]


def names_in(demo: Demo, browser: requests.Session, name: str, query: str = "") -> list[str]:
    cells = re.findall(r'<th scope="row">(.*?)</th>', remote_table(demo, browser, name, query), re.DOTALL)
    return [words(cell) for cell in cells]


def remote_table(demo: Demo, browser: requests.Session, name: str, query: str = "") -> str:
    return browser.get(f"{demo.url}/remote-tables/{name}/{query}", timeout=30).text


def token_in(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    return found[1]


def test_keyrack_itself_is_one_of_the_integrations(demo: Demo) -> None:
    browser = demo.visitor()
    card = re.search(r'id="c-keyrack_itself-authenticate" href="([^"]+)"', dashboard(demo, browser))
    assert card
    start = urljoin(demo.url, html.unescape(card[1]))
    window = browser.get(start, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
    password = demo.printed(r"by hand .* amira or tomas · (\S+)")
    sent = {"csrfmiddlewaretoken": token_in(window.text), "username": "amira", "password": password}
    done = browser.post(window.url, data=sent, headers={"Referer": window.url}, timeout=30)
    assert "Keyrack itself is connected" in done.text


def test_a_forged_link_signs_nobody_in(demo: Demo) -> None:
    answer = new_browser().get(demo.link[:-3] + "xx/", timeout=30)
    assert answer.url == f"{demo.url}/accounts/login/"


def test_a_revoked_integration_is_dead_at_the_provider(demo: Demo) -> None:
    browser, provider = demo.visitor(), new_browser()
    browserless.sign_in(provider, demo.provider_url, "amira", demo.provider_password)
    assert "live" in provider_states(demo, provider, "Copper Tickets")
    link = re.search(r'href="(/integrations/[0-9a-f]{32}/revoke/)"', card(dashboard(demo, browser), "Copper Tickets"))
    assert link
    address = urljoin(demo.url, link[1])
    token = token_in(browser.get(address, timeout=30).text)
    browser.post(address, data={"csrfmiddlewaretoken": token}, headers={"Referer": address}, timeout=30)
    assert states(dashboard(demo, browser))["Copper Tickets"] != "Connected"
    assert eventually(lambda: provider_states(demo, provider, "Copper Tickets") == {"revoked"}, within=60)


def card(page: str, title: str) -> str:
    cards: list[str] = re.findall(r"<article.*?</article>", page, re.DOTALL)
    return next(card for card in cards if title in card)


def provider_states(demo: Demo, provider: requests.Session, label: str) -> set[str]:
    """What the provider's own page says of amira's tokens for this client."""
    page = provider.get(f"{demo.provider_url}/live/", timeout=30).text
    rows = re.findall(r'<tr class="(\w+)">(.*?)</tr>', page, re.DOTALL)
    return {state for state, row in rows if f"Keyrack for {label}" in row and ">amira<" in row}


def test_a_killed_child_stops_all_and_its_last_lines_are_shown(seeded: Path) -> None:
    with running_demo(seeded, free_port()) as demo:
        worker = min(number for number, command in demo.processes().items() if "celery" in command)
        os.kill(worker, signal.SIGKILL)
        assert demo.process.wait(timeout=60) == 1
        assert demo.is_gone(within=10)
    assert "worker was killed by signal 9. Its last lines:" in demo.text


def test_nothing_is_left_when_the_demo_itself_is_killed(seeded: Path) -> None:
    with running_demo(seeded, free_port()) as demo:
        demo.stop(signal.SIGKILL)
        assert demo.is_gone(within=60)


def test_a_second_start_on_other_ports_can_still_sign_in_and_sigterm_ends_every_process(seeded: Path) -> None:
    """The redirect URLs moved with the ports, and what was there stayed."""
    with running_demo(seeded, free_port()) as demo:
        browser, provider = demo.visitor(), new_browser()
        assert states(dashboard(demo, browser))["Northwind CRM"] == "Connected"
        browserless.sign_in(provider, demo.provider_url, "amira", demo.provider_password)
        start = re.search(r'href="(/oauth_initiator\.do[^"]*)"', card(dashboard(demo, browser), "Tidepool Analytics"))
        assert start
        address = start[1].replace("&amp;", "&")
        leave_for = browser.get(demo.url + address, allow_redirects=False, timeout=30).headers["Location"]
        browser.get(browserless.consent(provider, leave_for), timeout=30)
        assert states(dashboard(demo, browser))["Tidepool Analytics"] == "Connected"
        names = " ".join(demo.processes().values())
        assert all(name in names for name in ("manage.py demo", "granian", "celery", "demo.provider"))
        assert demo.stop(signal.SIGTERM) == 0
        assert demo.is_gone(within=10)


def test_the_agent_is_refused_until_its_person_has_signed_in(demo: Demo) -> None:
    assert (demo.data_dir / "demo.agent").stat().st_mode & 0o777 == 0o600
    command = [sys.executable, str(CHECKOUT / "demo" / "agent.py")]
    variables = {**os.environ, "DATA_DIR": str(demo.data_dir)}
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        steps = [agent.stdout.readline().split(maxsplit=1) for _ in range(5)]
        assert [step[0] for step in steps] == ["connect", "tools", "refused", "sign", "Open"]
        assert "call_orchard_calendar" in steps[1][1]
        assert "run_my_open_incidents" in steps[1][1]
        assert "integration_not_authenticated" in steps[2][1]
        browser, provider = demo.visitor(), new_browser()
        browserless.sign_in(provider, demo.provider_url, "amira", demo.provider_password)
        address = steps[3][1].removeprefix("in").strip()
        confirmed = {"Sec-Fetch-Site": "same-origin"}  # as after the page that asks whether it was meant
        leave_for = browser.get(address, headers=confirmed, allow_redirects=False, timeout=30).headers["Location"]
        browser.get(browserless.consent(provider, leave_for), timeout=30)
        rest, _ = agent.communicate("\n", timeout=60)
    assert rest.split()[0] == "allowed"
    assert "data, not instructions" in rest
    assert agent.returncode == 0


def test_two_demos_do_not_share_a_folder(demo: Demo) -> None:
    second = start_in_vain(demo.data_dir)
    assert second.stderr == f"Keyrack: The demo already runs in {demo.data_dir}.\n"
    assert second.returncode == 1


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "keyrack.sqlite3"
    database.write_text("mine")
    assert "was not made by the demo" in start_in_vain(tmp_path, "--fresh").stderr
    assert database.read_text() == "mine"


def start_in_vain(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(CHECKOUT / "manage.py"), "demo", *arguments]
    variables = {**os.environ, "DATA_DIR": str(data_dir)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def test_fresh_forgets_what_the_demo_made_and_nothing_else(tmp_path: Path) -> None:
    before = environment.load(tmp_path)
    environment.save(tmp_path, before)
    (tmp_path / "queue/messages").mkdir(parents=True)
    (tmp_path / "keyrack.sqlite3").touch()
    (tmp_path / "notes.txt").touch()
    environment.empty(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert environment.load(tmp_path)["SECRET_KEY"] != before["SECRET_KEY"]


def test_demo_env_is_readable_by_its_owner_only_and_kept(tmp_path: Path) -> None:
    before = environment.load(tmp_path)
    environment.save(tmp_path, before)
    assert (tmp_path / environment.FILE).stat().st_mode & 0o777 == 0o600
    assert environment.load(tmp_path) == before


def test_the_demo_takes_no_database_or_key_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody/else")
    monkeypatch.setenv("SECRET_KEY", "of another Keyrack")
    monkeypatch.setenv("TOKEN_ENCRYPTION_KEYS_FILE", "/run/secrets/keys")
    variables = environment.for_children(tmp_path, environment.load(tmp_path))
    assert "DATABASE_URL" not in variables
    assert "TOKEN_ENCRYPTION_KEYS_FILE" not in variables
    assert variables["SECRET_KEY"] != "of another Keyrack"


def test_a_port_that_only_a_stranger_on_ipv6_holds_is_taken() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    port = free_port()
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        assert ports.free(port) > port


@pytest.mark.parametrize("command", ["demo_prepare", "demo_seed"])
def test_demo_people_come_into_no_other_database(command: str) -> None:
    with pytest.raises(CommandError, match=r"^Only `manage\.py demo` runs this"):
        call_command(command)


def test_ctrl_c_while_it_still_prepares_ends_it_too(tmp_path: Path) -> None:
    with started_demo(tmp_path, free_port()) as demo:
        assert eventually(lambda: len(demo.processes()) > 2, within=60)
        assert demo.stop(signal.SIGINT) == 0
        assert demo.is_gone(within=10)
    assert "Keyrack is running." not in demo.text


def test_the_sign_in_link_exists_in_the_demo_only(client: Client) -> None:
    assert client.get("/demo/sign-in/x/").status_code == 404
