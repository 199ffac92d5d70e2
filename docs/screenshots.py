"""Takes the pictures in docs/images from the running product: its demo, in a folder that is deleted afterwards.

    "$(python3 config/bootstrap.py test)" -m docs.screenshots                 # starts a demo of its own
    "$(python3 config/bootstrap.py test)" -m docs.screenshots LINK PASSWORD   # of a fresh demo

LINK is that of the dashboard, PASSWORD the administrator's; a demo prints both.
A demo shows the pictures' states only while nobody has pressed anything in it. Needs Chromium.
"""

import base64
import re
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Browser, FloatRect, Locator, Page, sync_playwright

from tests.browser import kit
from tests.demo.running import running_demo

IMAGES = Path(__file__).resolve().parent / "images"
LARGEST = 200_000  # bytes; whoever clones the repository downloads them
PORT = 8000
SETTLING = 60_000  # milliseconds until the worker has given up asking Beacon Chat
COLOURS = 256
PIXELS = """async (png) => {
  const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const bytes = canvas.getImageData(0, 0, picture.width, picture.height).data;
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return [picture.width, picture.height, btoa(text)];
}"""
DESKTOP = kit.Screen(locale="en-US", timezone_id="UTC", viewport={"width": 1280, "height": 860}, device_scale_factor=1)
PHONE = kit.Screen(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=1)


def main(arguments: list[str]) -> None:
    with ExitStack() as ends:
        link, password = (arguments[0], arguments[1]) if arguments else ends.enter_context(fresh_demo())
        playwright = ends.enter_context(sync_playwright())
        program = kit.chromium()
        if program is None:
            sys.exit(kit.NEEDS_BROWSER)
        browser = playwright.chromium.launch(executable_path=program, args=[*kit.FLAGS, "--no-sandbox"])
        ends.callback(browser.close)
        dashboards(browser, link)
        in_both_schemes(signed_in(browser, link, DESKTOP), "/accounts/security/", "account-security")
        administration = signed_in_as_administrator(browser, link, password)
        in_both_schemes(administration, "/admin/", "providers")
        in_both_schemes(administration, "/admin/providers/add/", "add-a-provider")
        sign_in_window(browser, link)
    for path in sorted(IMAGES.glob("*.png")):
        sys.stdout.write(f"{path.name:<24} {path.stat().st_size // 1000:>4} KB\n")


@contextmanager
def fresh_demo() -> Iterator[tuple[str, str]]:
    """The link to the dashboard, and the administrator's password."""
    with tempfile.TemporaryDirectory(prefix="keyrack-pictures-") as folder, running_demo(Path(folder), PORT) as demo:
        yield demo.link, demo.printed(r"Administration .* admin · (\S+)")


def dashboards(browser: Browser, link: str) -> None:
    page = signed_in(browser, link, DESKTOP)
    page.get_by_role("article").get_by_text("Revoke not confirmed").first.wait_for(timeout=SETTLING)
    picture(page, "dashboard-light", clip=both_sections(page))
    kit.dark(page)
    picture(page, "dashboard-dark", clip=both_sections(page))
    picture(signed_in(browser, link, PHONE), "dashboard-phone")


def both_sections(page: Page) -> FloatRect:
    """From the top of the page to the end of the first row of the second section."""
    card = page.locator("section:has(#avail) article").first.bounding_box()
    if card is None:
        sys.exit("The dashboard shows nothing to authenticate.")
    return FloatRect(x=0, y=0, width=1280, height=card["y"] + card["height"] + 12)


def sign_in_window(browser: Browser, link: str) -> None:
    """What Authenticate opens: the provider's own pages. Its password is the one that it shows there itself."""
    page = signed_in(browser, link, DESKTOP)
    with page.expect_popup() as opened:
        authenticate(page).click()
    window = opened.value
    window.get_by_label("User name").fill("amira")
    window.get_by_label("Password").fill(window.locator("#demo-password").inner_text())
    window.get_by_role("button", name="Sign in").click()
    window.get_by_role("button", name="Allow").wait_for()
    picture(window, "sign-in-window")
    window.get_by_role("button", name="Cancel").click(no_wait_after=True)


def authenticate(page: Page) -> Locator:
    return page.get_by_role("link", name=re.compile("^Authenticate : Tidepool"))


def signed_in(browser: Browser, link: str, screen: kit.Screen) -> Page:
    page = browser.new_context(**screen).new_page()
    page.goto(link)
    if urlsplit(page.url).path != "/integrations/":
        sys.exit("The link did not lead to the dashboard: it lives for a day and as long as its demo.")
    return page


def signed_in_as_administrator(browser: Browser, link: str, password: str) -> Page:
    page = browser.new_context(**DESKTOP).new_page()
    page.goto(urljoin(link, "/admin/"))
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("//[^/]+/admin/$"))
    return page


def in_both_schemes(page: Page, path: str, name: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(urljoin(page.url, path))
    page.wait_for_load_state("networkidle")
    picture(page, f"{name}-light")
    kit.dark(page)
    picture(page, f"{name}-dark")


def picture(page: Page, name: str, *, clip: FloatRect | None = None) -> None:
    path = IMAGES / f"{name}.png"
    png = page.screenshot(full_page=clip is not None, clip=clip, animations="disabled", caret="hide", scale="css")
    path.write_bytes(small(page, png))
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST // 1000} KB.")


def small(page: Page, png: bytes) -> bytes:
    """The same picture with a palette: a third of the size, and nobody sees the difference. The browser decodes it."""
    reader = page.context.browser.new_page() if page.context.browser else page
    width, height, text = reader.evaluate(PIXELS, base64.b64encode(png).decode())
    pixels = [pixel[:3] for pixel in struct.iter_unpack("4B", base64.b64decode(text))]
    palette = [colour for colour, _ in Counter(pixels).most_common(COLOURS)]
    numbers = {colour: nearest(colour, palette) for colour in set(pixels)}
    indexed = bytes(numbers[pixel] for pixel in pixels)
    rows = b"".join(b"\0" + indexed[at : at + width] for at in range(0, len(indexed), width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", bytes(sum(palette, ()))), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def nearest(colour: tuple[int, ...], palette: list[tuple[int, ...]]) -> int:
    distances = [sum((a - b) ** 2 for a, b in zip(colour, known, strict=True)) for known in palette]
    return distances.index(min(distances))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


if __name__ == "__main__":
    main(sys.argv[1:])
