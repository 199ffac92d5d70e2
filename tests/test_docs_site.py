"""Links of documents work in the checkout and on the site. `.ci/run` builds the site with `make docs`."""

import os
from pathlib import Path

import pytest

from docs import build_site


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build_site, "SOURCE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("document", "link", "on_site"),
    [
        ("docs/operations.md", "[a](security.md#agents)", "[a](security.md#agents)"),
        ("docs/operations.md", "[a](decisions/README.md)", "[a](decisions/index.md)"),
        ("docs/operations.md", "[a](../CHANGELOG.md)", "[a](changelog.md)"),
        ("docs/operations.md", "[a](../deploy)", "a"),
        ("docs/operations.md", "[a](../.env.example)", "[a](files/env.example.txt)"),
        ("docs/operations.md", "[a](https://keyrack.example/b)", "[a](https://keyrack.example/b)"),
        ("docs/decisions/README.md", "[a](../operations.md)", "[a](../operations.md)"),
    ],
)
def test_a_link_leads_to_the_same_on_the_site(document: str, link: str, on_site: str, source: Path) -> None:
    file = build_site.ROOT / document
    page = build_site.place_of(file)
    found = build_site.LINK.fullmatch(link)
    assert found
    assert build_site.moved(found, document=file, page=page) == on_site
    if "files/" in on_site:
        assert (source / "files/env.example.txt").read_text() == (build_site.ROOT / ".env.example").read_text()


def test_a_link_to_nothing_ends_the_build(source: Path) -> None:
    found = build_site.LINK.fullmatch("[a](nowhere.md)")
    assert found
    with pytest.raises(SystemExit, match=r"docs/api\.md links to nowhere\.md"):
        build_site.moved(found, document=build_site.DOCS / "api.md", page=source / "api.md")


def test_each_document_is_in_the_navigation() -> None:
    navigation = (build_site.DOCS / "zensical.toml").read_text()
    pages = [os.path.relpath(build_site.place_of(file), build_site.SOURCE) for file in build_site.DOCS.glob("*.md")]
    assert [page for page in pages if f'"{page}"' not in navigation] == []
