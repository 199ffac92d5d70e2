"""What tests of the proxy share: its address, the third party's, how an answer is read, and paths that want out."""

from tests.walks import Page

BASE = "/api/v1/integrations/northwind/proxy/"
BEARER = b"Bearer CANARY-access-1".decode()
API = "/api/contacts"
TRICKS = [
    "//{evil}/x",
    "http://{evil}/x",
    "https:%2F%2F{evil}/x",
    "%2F%2F{evil}/x",
    "%5C%5C{evil}/x",
    "%255c{evil}",
    "../admin",
    "..%2Fadmin",
    "a/..%2f..%2fadmin",
    "%2e%2e/admin",
    "%252e%252e%252fadmin",
    "..;/admin",
    ";/../admin",
    "./admin",
    "a%0d%0aX-Evil:1",
    "a%0aHost:evil",
    "a%00",
    "a%7f",
    "%E2%80%AE/..",
    "javascript:alert(1)",
    "x-any:%2F%2F{evil}/x",
    "http%3A%2F%2F{evil}/x",
    "..%3Fx",
    "..%23x",
    "..%20/x",
    "%c0%ae%c0%ae/x",
    "..%c0%afx",
    "..%c1%9cx",
    "%e0%80%ae%e0%80%ae/x",
    "%f0%80%80%ae%f0%80%80%ae/x",
    "%25u002e%25u002e/x",
    "..%25u002fx",
    "%ef%bc%8e%ef%bc%8e/x",
    "..%ef%bc%8fx",
    "%e2%80%a5/x",
    "%" + "25" * 3000 + "41",
]


def body(page: Page) -> bytes:
    return page.getvalue()


def error(page: Page) -> tuple[int, str]:
    return page.status_code, page.json()["error"]
