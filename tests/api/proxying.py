"""What tests of the proxy share: its address, the third party's, and how an answer is read."""

from tests.walks import Page

BASE = "/api/v1/integrations/northwind/proxy/"
BEARER = b"Bearer CANARY-access-1".decode()
API = "/api/contacts"


def body(page: Page) -> bytes:
    return page.getvalue()


def error(page: Page) -> tuple[int, str]:
    return page.status_code, page.json()["error"]
