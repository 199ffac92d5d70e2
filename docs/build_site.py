"""Builds the documentation site into var/docs/site: `make docs`. Fails on each warning.

The generator takes one folder, so documents are copied: README.md becomes index.md, the changelog a page, and files
elsewhere in the checkout that a document links to are copied beside them. Links work in the checkout and on the site.
"""

import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from config import bootstrap

ROOT = Path(__file__).resolve().parent.parent
DOCS, BUILD = ROOT / "docs", ROOT / "var/docs"
SOURCE, SITE = BUILD / "source", BUILD / "site"
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
PAGES = {DOCS / "README.md": "index.md", DOCS / "decisions/README.md": "decisions/index.md"}
PAGES |= {ROOT / "CHANGELOG.md": "changelog.md"}


def build() -> None:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(DOCS, SOURCE, ignore=shutil.ignore_patterns("*.md", "*.py", "*.toml"))
    for document in [*DOCS.rglob("*.md"), ROOT / "CHANGELOG.md"]:
        page = place_of(document)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(LINK.sub(partial(moved, document=document, page=page), document.read_text()))
    shutil.copy(DOCS / "zensical.toml", BUILD)
    sys.exit(subprocess.run([generator(), "build", "--clean", "--strict"], cwd=BUILD, check=False).returncode)  # noqa: S603


def place_of(file: Path) -> Path:
    """Where a file of the checkout is in the copy. Files beside docs/ are kept as text, which browsers show."""
    if file in PAGES:
        return SOURCE / PAGES[file]
    if file.is_relative_to(DOCS) and file.suffix in {".md", ".yaml", ".png"}:
        return SOURCE / file.relative_to(DOCS)
    return SOURCE / "files" / f"{str(file.relative_to(ROOT)).lstrip('.')}.txt"


def moved(link: re.Match[str], document: Path, page: Path) -> str:
    """The link as it is on the site. A folder has no page there, so its text alone stays."""
    target = link["target"]
    if re.match(r"[a-z]+:", target):
        return link[0]
    file = (document.parent / target).resolve()
    if not file.exists():
        sys.exit(f"{document.relative_to(ROOT)} links to {target}, which does not exist.")
    if file.is_dir():
        return link["text"]
    place = place_of(file)
    if place.is_relative_to(SOURCE / "files"):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return f"[{link['text']}]({os.path.relpath(place, page.parent)}{link['anchor'] or ''})"


def generator() -> str:
    """The path of Zensical, in an environment of its own from requirements/docs.txt."""
    home = BUILD / "venv"
    bootstrap.LOCKS, bootstrap.VENV = {"docs": ROOT / "requirements/docs.txt"}, home
    if not bootstrap.is_complete(home, "docs"):
        bootstrap.install_packages(home, "docs")
    return str(home / "bin/zensical")


if __name__ == "__main__":
    build()
