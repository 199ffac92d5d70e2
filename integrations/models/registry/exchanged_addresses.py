"""Recognizes an Authorization URL and a Token URL of which one stands in the place of the other."""

import re

from django.utils.translation import gettext as _

# Last words of an address, for `describe_exchange`
AUTHORIZATION_WORDS = re.compile(r"(?i)/(oauth2?[_-])?auth(ori[sz]e|orization)?/?(\?.*)?\Z")
TOKEN_WORDS = re.compile(r"(?i)/(oauth2?[_-]|access[_-]?)?tokens?/?(\?.*)?\Z")


def describe_exchange(authorization_url: str, token_url: str) -> str:
    """A sentence on two addresses of which one stands in the place of the other; "" if neither seems to.

    The answers don't show it: a sign-in page refuses a token request like a firewall does, with HTTP 403 and a page.
    """
    if authorization_url and authorization_url == token_url:
        return _("Authorization URL and Token URL are the same address. Compare both with the provider’s documents.")
    if AUTHORIZATION_WORDS.search(token_url) and TOKEN_WORDS.search(authorization_url):
        return _("Authorization URL and Token URL seem to be exchanged. Compare both with the provider’s documents.")
    return ""
