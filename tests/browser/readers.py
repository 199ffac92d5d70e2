"""One reader for each language: opens a page in all of them, wide and narrow, and lists what is wrong with it.

A text that the Japanese or German page has in the English page's very words was left behind, unless it is a name of the
test's data. With KEYRACK_PICTURES, a folder, each page is saved there as a picture, in both schemes.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

from tests.browser import kit
from tests.browser.conftest import OpenPage

LOCALES = {"en": "en-US", "ja": "ja-JP", "de": "de-DE"}
SCREENS = {width: ViewportSize(width=width, height=900) for width in (1280, 390)}
FOLDER = os.environ.get("KEYRACK_PICTURES", "")

# What is on the page, in one answer. `heading` is a selector; `texts` is every text that is read or spoken, codes and
# names marked as such aside. Locators would take longer: Playwright loads a script of its own into each page for them.
CONTENT = """(heading) => {
    const texts = [document.title], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
        if (!node.parentElement.closest("code, kbd, pre, script, style, svg, [translate=no], [lang]:not(html)"))
            texts.push(node.data);
    for (const one of document.querySelectorAll("[aria-label], [placeholder], [title], [alt]"))
        if (!one.closest("[translate=no]"))
            for (const name of ["aria-label", "placeholder", "title", "alt"]) texts.push(one.getAttribute(name) || "");
    const waysOn = [...document.querySelectorAll("main a[href], main button, dialog a[href], dialog button")];
    return {
        lang: document.documentElement.lang,
        title: document.title,
        headings: heading ? [...document.querySelectorAll(heading)].map((one) => one.innerText) : [""],
        canGoOn: waysOn.some((one) => one.checkVisibility()),
        texts: texts.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean),
    };
}"""
STICKS_OUT = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 120))"""
WORD = re.compile(r"[A-Za-z]{2,}")
ENGLISH = re.compile(r"\b(the|you|your|this|that|with|of|and|to|it|is|isn|doesn|didn|won)\b", re.IGNORECASE)
# Not translated, or the same word in German
NAMES = re.compile(
    r"Keyrack|Details|OAuth|Token|API|URL|ID|Admin(istration)?|Name|Code|Passkey|System|Scopes?|\S+@\S+|\S+\.\S+|localhost\S*"
)

Way = Callable[[Page], object]


@dataclass(kw_only=True)
class Readers:
    pages: dict[str, Page]
    names: re.Pattern[str]  # of the test's data
    faults: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, open_page: OpenPage, names: str, prepare: Way, **screen: Any) -> "Readers":
        """`names`: what the data is called, as a pattern. `prepare`: how a page signs in."""
        pages = {code: open_page(**{**screen, "locale": locale}) for code, locale in LOCALES.items()}
        for page in pages.values():
            prepare(page)
        return cls(pages=pages, names=re.compile(names))

    def read(self, name: str, way: Way, *, title: str = "") -> None:
        """Go to a page by `way`, as each reader. `title`: a selector of what the window's title begins with."""
        english: set[str] = set()
        for code, page in self.pages.items():
            page.set_viewport_size(SCREENS[1280])
            way(page)
            content = page.evaluate(CONTENT, title)
            texts = content["texts"]
            if code == "en":
                english = set(texts)
            else:
                self.faults += [f"{name}, {code}: English is left: {text}" for text in self.left(texts, english)]
            self.faults += [f"{name}, {code}: {fault}" for fault in faults_of(content, code)]
            for width, screen in SCREENS.items():
                page.set_viewport_size(screen)
                self.faults += [f"{name}, {code}: sticks out at {width} px: {it}" for it in page.evaluate(STICKS_OUT)]
                save_picture(page, f"{name}-{code}-{width}")

    def left(self, texts: list[str], english: set[str]) -> list[str]:
        rests = {text: NAMES.sub("", self.names.sub("", text)) for text in texts}
        return [text for text, rest in rests.items() if (text in english and WORD.search(rest)) or ENGLISH.search(rest)]


def save_picture(page: Page, name: str) -> None:
    if FOLDER:
        path = Path(FOLDER) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=True, animations="disabled")
        kit.dark(page)
        page.screenshot(path=path.with_stem(f"{path.stem}-dark"), full_page=True, animations="disabled")
        page.emulate_media(color_scheme="light")


def faults_of(content: dict[str, Any], code: str) -> list[str]:
    faults, title = [], content["title"]
    [heading] = content["headings"]
    if (lang := content["lang"]) != code:
        faults.append(f"lang is {lang}")
    if not content["canGoOn"]:
        faults.append("there is no way on")
    if not title.startswith(heading) or len(title) <= len(" · Keyrack"):
        faults.append(f"the window is titled “{title}”, and the page “{heading}”")
    return faults
