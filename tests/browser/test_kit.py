"""The kit keeps its promises: it drives real sign-ins and notices what a page must not do."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import playwright
import pytest
from playwright.sync_api import Page, expect

from tests.browser import kit
from tests.servers import running
from tests.servers.peers import Peer

CALLBACK = """<script>
new BroadcastChannel("hub").postMessage(Object.fromEntries(new URLSearchParams(location.search)));
window.close();
</script>"""
HUB = """<!doctype html><title>Hub</title><button>Connect</button><output></output>
<script>
new BroadcastChannel("hub").onmessage = (event) => { document.querySelector("output").textContent = event.data.code
  ? "code for " + event.data.state : event.data.error; };
document.querySelector("button").onclick = () => {
  const opened = [window.open(ADDRESS), window.open("/blank")].map((one) => (one ? "open" : "blocked"));
  document.title = opened.join(" ");
};
</script>"""

LEADS_ON_LATER = """address => {
  const opened = window.open("about:blank");
  setTimeout(() => { opened.location = address; }, 500);
}"""


class Hub:
    """Pages by path, served on loopback; headers for all of them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages = {"/callback": CALLBACK, "/blank": ""}
        self.headers = {"Cross-Origin-Opener-Policy": "same-origin"}  # as Django sends it


@pytest.fixture
def hub() -> Iterator[Hub]:
    listening = running.listening_socket()
    host, port = listening.getsockname()
    site = Hub(f"http://{host}:{port}")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = site.pages.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **site.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write((body or "").encode())

        def log_message(self, *_: object) -> None:
            pass

    with listening, ThreadingHTTPServer((host, port), Answer, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = listening
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield site
        server.shutdown()


@pytest.fixture(params=["oidc_provider_peer", "canaille_peer"])
def peer(request: pytest.FixtureRequest, hub: Hub) -> Peer:
    running: Peer = request.getfixturevalue(request.param)
    return running.register([f"{hub.address}/callback"])


def show_hub(page: Page, hub: Hub, address: str = "/blank") -> None:
    hub.pages["/"] = HUB.replace("ADDRESS", json.dumps(address))
    page.goto(f"{hub.address}/")


def authorization_url(peer: Peer, hub: Hub) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": peer.client_id,
        "redirect_uri": f"{hub.address}/callback",
        "scope": "openid profile",
        "state": "a-state",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{peer.authorization_url}?{urlencode(asked)}"


@pytest.mark.parametrize(("allow", "outcome"), [(True, "code for a-state"), (False, "access_denied")])
def test_a_sign_in_in_a_popup_comes_back_with_the_answer(
    page: Page, hub: Hub, peer: Peer, allow: bool, outcome: str
) -> None:
    show_hub(page, hub, authorization_url(peer, hub))
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Connect").click()
    kit.sign_in_at_peer(popup.value, "alice", peer.users["alice"], allow=allow)
    expect(page.locator("output")).to_have_text(outcome)
    assert popup.value.is_closed()


def test_a_window_that_is_still_empty_is_waited_for(page: Page, hub: Hub, oidc_provider_peer: Peer) -> None:
    """As one of a page that does something else first, or on a machine with other work."""
    peer = oidc_provider_peer.register([f"{hub.address}/callback"])
    show_hub(page, hub)
    with page.expect_popup() as popup:
        page.evaluate(LEADS_ON_LATER, authorization_url(peer, hub))
    kit.sign_in_at_peer(popup.value, "alice", peer.users["alice"])
    expect(page.locator("output")).to_have_text("code for a-state")


def test_a_wrong_password_never_gets_through(page: Page, hub: Hub, peer: Peer) -> None:
    page.goto(authorization_url(peer, hub))
    with pytest.raises(AssertionError, match="still asked something"):
        kit.sign_in_at_peer(page, "alice", "wrong")


def test_only_the_first_window_of_a_click_opens(page: Page, hub: Hub) -> None:
    show_hub(page, hub)
    page.get_by_role("button", name="Connect").click()
    expect(page).to_have_title("open blocked")


def test_what_playwright_switches_off_stays_off() -> None:
    """Requests to other hosts when Chromium starts, and http:// that becomes https://, for example."""
    driver = Path(playwright.__file__).with_name("driver") / "package" / "lib" / "coreBundle.js"
    [features] = re.findall(r"disabledFeatures = \[(.*?)\]", driver.read_text(), re.DOTALL)
    assert set(re.findall(r'^ *"(\w+)"', features, re.MULTILINE)) == set(kit.OFF_BY_PLAYWRIGHT.split())


def test_blocked_popups_never_open(popups_blocked: Page, hub: Hub) -> None:
    show_hub(popups_blocked, hub)
    popups_blocked.get_by_role("button", name="Connect").click()
    expect(popups_blocked).to_have_title("blocked blocked")
    assert len(popups_blocked.context.pages) == 1


def test_a_phone_is_narrow_and_touched(phone: Page, page: Page, hub: Hub) -> None:
    asked = "[innerWidth, matchMedia('(pointer: coarse)').matches]"
    hub.pages["/"] = '<!doctype html><meta name="viewport" content="width=device-width">'
    for one in (phone, page):
        one.goto(f"{hub.address}/")
    assert (phone.evaluate(asked), page.evaluate(asked)) == ([390, True], [1280, False])


def test_the_dark_scheme_can_be_preferred(page: Page) -> None:
    asked = "matchMedia('(prefers-color-scheme: dark)').matches"
    before = page.evaluate(asked)
    kit.dark(page)
    assert (before, page.evaluate(asked)) == (False, True)


def test_scripts_can_be_switched_off(without_javascript: Page, page: Page, hub: Hub) -> None:
    hub.pages["/"] = "<title>as served</title><script>document.title = 'scripted'</script>"
    for one, title in ((without_javascript, "as served"), (page, "scripted")):
        one.goto(f"{hub.address}/")
        expect(one).to_have_title(title)


@pytest.mark.parametrize("content", ["<script>1</script>", "<p style='color: red'>", "<img src='/picture.png' alt=''>"])
def test_a_violation_of_the_security_policy_is_a_complaint(
    page: Page, hub: Hub, complaints: list[str], content: str
) -> None:
    hub.headers["Content-Security-Policy"] = "default-src 'none'"
    hub.pages["/"] = content
    page.goto(f"{hub.address}/")
    assert [one for one in complaints if one.startswith(f"{hub.address}/: ") and "Content Security Policy" in one]
    complaints.clear()


@pytest.mark.parametrize("host", ["cdn.example", "192.0.2.1"])
def test_a_request_to_another_host_is_a_complaint_and_leaves_nowhere(
    page: Page, hub: Hub, complaints: list[str], host: str
) -> None:
    hub.pages["/"] = f"<img src='http://{host}/picture.png'>"
    with page.expect_event("requestfailed") as lost:
        page.goto(f"{hub.address}/")
    assert lost.value.failure == "net::ERR_NAME_NOT_RESOLVED"
    assert complaints == [f"request to another host: http://{host}/picture.png"]
    complaints.clear()


def test_an_uncaught_error_is_a_complaint(page: Page, hub: Hub, complaints: list[str]) -> None:
    hub.pages["/"] = "<script>nobody.home()</script>"
    page.goto(f"{hub.address}/")
    assert complaints == [f"{hub.address}/: uncaught nobody is not defined"]
    complaints.clear()


def test_axe_names_the_element_and_the_rule_under_a_strict_policy(page: Page, hub: Hub) -> None:
    hub.headers["Content-Security-Policy"] = "default-src 'none'; script-src 'self'"
    hub.pages["/"] = '<!doctype html><html lang="en"><title>T</title><main><h1>T</h1><input id="bare"></main>'
    page.goto(f"{hub.address}/")
    (line,) = kit.axe(page)
    assert line.startswith("label (critical) #bare: ")
    hub.pages["/"] = hub.pages["/"].replace('<input id="bare">', "")
    page.reload()
    assert kit.axe(page) == []


def test_a_screenshot_is_taken_of_every_page(page: Page, phone: Page, tmp_path: Path) -> None:
    taken = kit.take_screenshots([page, phone], "tests/a.py::test_b[c]", tmp_path)
    assert [path.name for path in taken] == ["tests-a.py-test_b-c--1.png", "tests-a.py-test_b-c--2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in taken)


@pytest.mark.parametrize(("colour", "scheme"), [("#444", "dark: "), ("#aaa", "")])
def test_axe_measures_contrasts_in_both_schemes(page: Page, hub: Hub, colour: str, scheme: str) -> None:
    style = f"body {{ background: white; }} h1 {{ color: {colour}; }}"
    style += "@media (prefers-color-scheme: dark) { body { background: #222; } }"
    hub.pages["/"] = f'<!doctype html><html lang="en"><title>T</title><style>{style}</style><main><h1>Read</h1></main>'
    page.goto(f"{hub.address}/")
    (line,) = kit.axe_in_both_schemes(page)
    assert line.startswith(f"{scheme}color-contrast (serious) h1: ")
