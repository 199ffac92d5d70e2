"""Every page of Django's admin, its own included: nothing for axe to find, at a desk in light and on a phone in dark.

The lists of all records are looked at in both schemes at both widths; the other pages have the same style sheets.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import User
from tests.admin.conftest import northwind, registry, token  # noqa: F401 - fixtures
from tests.admin.test_single_permissions import MODELS, rows  # noqa: F401 - a fixture
from tests.browser import kit, walks

pytestmark = pytest.mark.slow

SCREENS = ((1280, "light"), (320, "dark"))
ALL_SCREENS = (*SCREENS, (1280, "dark"), (320, "light"))
# What Django's pages have and we leave as it is: rule and element, as axe names them.
EXCEPTIONS: tuple[tuple[str, str], ...] = ()


def pages_of(model: type[Model]) -> Iterator[str]:
    """The list, the form for a new row, the form, history and deletion of one."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row: Any = admin.site._registry[model].model._default_manager.order_by("pk").last()
    for page in ("changelist", "add"):
        yield reverse(f"{name}_{page}")
    for page in ("change", "history", "delete"):
        yield reverse(f"{name}_{page}", args=[row.pk])


def findings(page: Page, screens: Iterable[tuple[int, str]] = SCREENS) -> Iterator[str]:
    for width, scheme in screens:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        for line in kit.axe(page):
            if not any(rule in line and element in line for rule, element in EXCEPTIONS):
                yield f"{page.url} ({width}, {scheme}): {line}"


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_axe_finds_nothing_in_the_admin(
    page: Page, site: str, admin: User, model: type[Model], complaints: list[str]
) -> None:
    walks.sign_in(page, site, admin)
    found: list[str] = []
    for address in pages_of(model):
        answer = page.goto(f"{site}{address}")
        if answer and answer.status == 200:
            found += findings(page)
    complaints.clear()  # 403 for what nobody may add or delete
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_the_index(page: Page, site: str, admin: User) -> None:
    walks.sign_in(page, site, admin)
    found: list[str] = []
    for address in ("/admin/records/", "/admin/integrations/", "/admin/accounts/", "/admin/password_change/"):
        page.goto(f"{site}{address}")
        found += findings(page, ALL_SCREENS)
    assert not found, "\n".join(found)
