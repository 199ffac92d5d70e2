"""What browser tests share: finding Chromium, watching its pages, signing in at a provider, asking axe.

Knows nothing of Keyrack's pages. Every context is watched: a request to another host than this machine, a violation of
the Content Security Policy and an uncaught error in a script are complaints, and complaints fail the test.
"""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, Request, ViewportSize, WebError

SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEEDS_BROWSER = "needs browser: neither Chromium nor Google Chrome is on PATH (KEYRACK_CHROMIUM names another place)"
# What Playwright switches off: of two such flags Chromium takes the last one alone.
OFF_BY_PLAYWRIGHT = """
    AimEnabled AvoidCorsURLLoaderRestartOnRedirect AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose
    HttpsFirstBalancedModeAutoEnable HttpsUpgrades LensOverlay MediaRouter NetworkTimeServiceQuerying OptimizationHints
    PaintHolding PreconnectToSearch TcpPortRandomizationWin ThirdPartyStoragePartitioning
    msEdgeUpdateLaunchServicesPreferredVersion msForceBrowserSignIn
"""
# Suggestions of the address bar: each window would load them as two pages of their own, which takes more than half of
# the processor time of a window.
OFF_BY_US = "WebUIOmniboxAimPopup WebUIOmniboxFullPopup WebUIOmniboxPopup"
FLAGS = (
    f"--disable-features={','.join(f'{OFF_BY_PLAYWRIGHT} {OFF_BY_US}'.split())}",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine can be reached, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# Playwright switches the pop-up blocker off; people have it on. With it, window.open works once per click.
NOT_THESE_FLAGS = ("--disable-popup-blocking",)

HERE_HOSTS = frozenset({"127.0.0.1", "localhost"})
PATIENCE = 30_000  # milliseconds, for what must happen anyway: a machine with other work may take ten seconds


class Screen(TypedDict, total=False):
    """The options of a context that this kit uses."""

    locale: str
    timezone_id: str
    viewport: ViewportSize
    has_touch: bool
    is_mobile: bool
    device_scale_factor: float
    java_script_enabled: bool


DESKTOP = Screen(locale="en-US", timezone_id="UTC", viewport={"width": 1280, "height": 900})
PHONE = Screen(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=3)
WITHOUT_JAVASCRIPT = Screen(java_script_enabled=False)

USER_NAME = "input[name=username]:visible, input[name=login]:visible"
PASSWORD = "input[type=password]:visible"
SIGN_IN = re.compile(r"^\s*(sign in|log in|login|continue|next)\b", re.IGNORECASE)
ALLOW = re.compile(r"^\s*(allow|authori[sz]e|accept)\b", re.IGNORECASE)
DENY = re.compile(r"^\s*(deny|cancel|decline)\b", re.IGNORECASE)
STEPS = 6
RUN_AXE = "(options) => window.axe ? axe.run(options).then((results) => results.violations) : null"
RULES_ABOUT_COLOURS = ("color-contrast", "link-in-text-block")  # axe's category of colours, as far as it is on


def chromium() -> str | None:
    """The browser to drive: KEYRACK_CHROMIUM, or the first one on PATH."""
    named = os.environ.get("KEYRACK_CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


def watch(context: BrowserContext, complaints: list[str]) -> None:
    """Append to `complaints` whatever no page of ours may do."""

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and address.hostname not in HERE_HOSTS:
            complaints.append(f"request to another host: {address.scheme}://{address.netloc}{address.path}")

    def on_console(message: ConsoleMessage) -> None:
        # Chromium reports here what it also sends as securitypolicyviolation, even with JavaScript switched off.
        if message.type == "error" and "Content Security Policy" in message.text:
            complaints.append(f"{_place(message.location['url'])}: {message.text.strip()}")

    def on_error(error: WebError) -> None:
        page = error.page
        complaints.append(f"{_place(page.url) if page else 'a page'}: uncaught {error.error}")

    context.on("request", on_request)
    context.on("console", on_console)
    context.on("weberror", on_error)


def block_popups(context: BrowserContext) -> None:
    """Let window.open return null even on a click, in every page of the context.

    Chromium has no setting for this: its own blocker (on in these tests) spares the first window of a click. But null
    is all that a page ever learns of a stricter blocker, so for the page this is one. Links with a target still work.
    """
    context.add_init_script("window.open = () => null;")


def dark(page: Page) -> None:
    """Prefer the dark colour scheme from now on."""
    page.emulate_media(color_scheme="dark")


def axe(page: Page, *rules: str) -> list[str]:
    """What axe finds wrong with the page as it is now, by all of its rules or by these; one line for each element."""
    # Without preload: it copies stylesheets that are imported into the page, which our policy forbids. To be told what
    # is right as well takes twice as long.
    options: dict[str, Any] = {"preload": False, "resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    violations = page.evaluate(RUN_AXE, options)
    if violations is None:
        page.evaluate(AXE_SCRIPT)
        violations = page.evaluate(RUN_AXE, options)
    return [_sentence(violation, node) for violation in violations for node in violation["nodes"]]


def axe_in_both_schemes(page: Page) -> list[str]:
    """What axe finds in light, and of what depends on colours in dark; nothing fades meanwhile."""
    page.emulate_media(reduced_motion="reduce", color_scheme="light")
    found = axe(page)
    dark(page)
    return found + [f"dark: {line}" for line in axe(page, *RULES_ABOUT_COLOURS)]


def _sentence(violation: dict[str, Any], node: dict[str, Any]) -> str:
    where = " ".join(map(str, node["target"]))
    return f"{violation['id']} ({violation['impact']}) {where}: {' '.join(node['failureSummary'].split())}"


def sign_in_at_peer(page: Page, user: str, password: str, *, allow: bool = True) -> None:
    """Fill in the login and consent pages of the provider that `page` shows; ends when it shows another site, nothing
    to answer, or has closed itself. A window that has just opened may still be empty."""
    try:
        page.wait_for_url(lambda url: url != "about:blank")
        provider = _origin(page.url)
        for _ in range(STEPS):
            page.wait_for_load_state()
            button = _next_button(page, user, password, allow) if _origin(page.url) == provider else None
            if button is None:
                return
            with page.expect_navigation(wait_until="load"):
                button.click(no_wait_after=True)
    except Error:
        # The page behind the last button may close its window at any moment.
        if not page.is_closed():
            raise
        return
    raise AssertionError(f"still asked something at {_place(page.url)} after {STEPS} pages")


def _next_button(page: Page, user: str, password: str, allow: bool) -> Locator | None:
    asked = [(page.locator(USER_NAME), user), (page.locator(PASSWORD), password)]
    asked = [(field, value) for field, value in asked if field.count()]
    for field, value in asked:
        field.fill(value)
    words = SIGN_IN if asked else (ALLOW if allow else DENY)
    button = page.get_by_role("button", name=words)
    return button.first if button.count() else None


def take_screenshots(pages: Iterable[Page], name: str, folder: Path = SCREENSHOTS) -> list[Path]:
    """One picture of each page that is still open."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for number, page in enumerate(pages, 1):
        path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{number}.png"
        try:
            page.screenshot(path=path, full_page=True, timeout=5000)
        except Error:
            continue  # closed meanwhile, or too busy: the failure itself is what counts
        taken.append(path)
    return taken


def _place(url: str) -> str:
    return url.partition("?")[0]


def _origin(url: str) -> tuple[str, str]:
    address = urlsplit(url)
    return address.scheme, address.netloc
