"""A browser for the session, watched pages for each test; all tests of this folder are marked `browser`.

Django refuses ORM calls while Playwright's event loop runs in the same thread, so these tests belong into a pytest
process of their own; the browser fixture allows such calls there.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Unpack

import pytest
from celery.contrib.testing.worker import start_worker
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from config.celery import app as celery_app
from tests.browser import kit, rows, walks
from tests.servers.peers import Peer

HERE = Path(__file__).resolve().parent
OpenPage = Callable[..., Page]
failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives a real browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[failed] = item.stash.get(failed, False) or report.failed
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = kit.chromium()
    if program is None:
        pytest.skip(kit.NEEDS_BROWSER)
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=kit.PATIENCE)
        running = playwright.chromium.launch(
            executable_path=program, args=kit.FLAGS, ignore_default_args=kit.NOT_THESE_FLAGS
        )
        yield running
        running.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the pages of this test did wrong; must be empty at the end (a test that provokes one clears it)."""
    found: list[str] = []
    yield found
    assert not found, "\n".join(found)


@pytest.fixture
def open_page(browser: Browser, complaints: list[str], request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Opens pages, each in a context (cookies, screen) of its own; keywords as in `kit.Screen`."""
    contexts: list[BrowserContext] = []

    def open_page(**screen: Unpack[kit.Screen]) -> Page:
        context = browser.new_context(**(kit.DESKTOP | screen))
        contexts.append(context)
        context.set_default_timeout(kit.PATIENCE)
        context.add_init_script(walks.TOASTS_STAY)
        kit.watch(context, complaints)
        return context.new_page()

    yield open_page
    if request.node.stash.get(failed, False):
        kit.take_screenshots((page for context in contexts for page in context.pages), request.node.nodeid)
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def phone(open_page: OpenPage) -> Page:
    return open_page(**kit.PHONE)


@pytest.fixture
def without_javascript(open_page: OpenPage) -> Page:
    return open_page(**kit.WITHOUT_JAVASCRIPT)


@pytest.fixture
def popups_blocked(open_page: OpenPage) -> Page:
    page = open_page()
    kit.block_popups(page.context)
    return page


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    """The hub's origin, which the hub knows as its own."""
    settings.SITE_URL = live_server.url
    return live_server.url


@pytest.fixture
def door(site: str, oidc_provider_peer: Peer) -> rows.Door:
    """An integration at oidc-provider."""
    oidc_provider_peer.reset()
    return rows.at_peer(oidc_provider_peer)


@pytest.fixture
def dashboard(page: Page, site: str, amira: User, door: rows.Door) -> Page:
    """Amira's dashboard with that integration, not connected yet."""
    return walks.open_dashboard(page, site, amira)


@pytest.fixture(scope="session")
def worker() -> Iterator[None]:
    """A Celery worker on the real queue, in a thread of ours so that it has the tests' database and settings.

    It takes seconds to stop, so it stays: tests that come later and do not ask for it have it nevertheless.
    """
    conf = celery_app.conf
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(conf, "worker_redirect_stdouts", False)
        patch.setitem(conf, "broker_transport_options", {**conf.broker_transport_options, "polling_interval": 0.1})
        with start_worker(celery_app, pool="solo", perform_ping_check=False):
            yield
