"""Addresses that administrators type in: refused where the transport would refuse them, in words."""

from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client import transport
from foundation.oauth_client.base_urls import origin
from foundation.oauth_client.errors import OAuthError, Unreachable

__all__ = ["AddressField", "AddressInput", "BaseAddressField", "LinkField", "check", "check_base", "origin"]

SECONDS = 3.0  # for looking a name up; nothing is connected to
NOT_HTTPS = _("Enter an https:// address. Plain http works only for networks that OUTBOUND_ALLOW names.")
REFUSED = {
    "insecure_url": NOT_HTTPS,
    "blocked_address": _("This address is neither on the public internet nor in a network that OUTBOUND_ALLOW names."),
}
BAD = _("Enter a full https:// address: a host and a path, without user name, fragment (#) or spaces.")


def check(url: str) -> None:
    """A name that cannot be looked up now may be there tomorrow: only plain http has to show at once where it leads."""
    try:
        with transport.deadline(SECONDS):
            transport.check(url)
    except Unreachable:
        if urlsplit(url).scheme == "http":
            raise ValidationError(NOT_HTTPS, code="insecure_url") from None
    except OAuthError as error:
        raise ValidationError(REFUSED.get(error.code, BAD), code=error.code) from None


def check_base(url: str) -> None:
    """An address that something is put behind: it has no query."""
    if "?" in url:
        raise ValidationError(_("This address has no query (?)."), code="query")


def check_link(url: str) -> None:
    """For people to open: nobody here calls it, and it may lead to a part of a page."""
    try:
        transport.check_spelling(url.partition("#")[0])
    except OAuthError:
        raise ValidationError(_("Enter a full address, as people open it: https:// and a host."), code="link") from None


class AddressInput(forms.URLInput):
    """Without the noise of the admin's own URL widget."""

    def __init__(self) -> None:
        super().__init__(attrs={"class": "vURLField", "autocapitalize": "none", "spellcheck": "false"})


class AddressField(forms.CharField):
    default_validators = [check]


class LinkField(forms.CharField):
    default_validators = [check_link]


class BaseAddressField(AddressField):
    default_validators = [check, check_base]
