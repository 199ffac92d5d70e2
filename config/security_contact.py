"""`/.well-known/security.txt`: whom to tell about a weakness of this site (RFC 9116)."""

import re
from datetime import timedelta

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

URLS = ("https://", "mailto:", "tel:")
A_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
VALID_FOR = timedelta(days=180)  # RFC 9116 §2.5.5 recommends less than a year
ADDRESS = "/.well-known/security.txt"


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Answer with the contacts of SECURITY_CONTACT; 404 without that variable."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    expires_at = (timezone.now() + VALID_FOR).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        *(f"Contact: {contact_url(contact)}" for contact in settings.SECURITY_CONTACT),
        f"Expires: {expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en, ja, de",
        f"Canonical: {settings.SITE_URL}{ADDRESS}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def contact_url(contact: str) -> str:
    """Return a contact as a URL, which the format demands."""
    return contact if contact.startswith(URLS) else f"mailto:{contact}"


@register(Tags.security)
def contacts_are_addresses(**_options: object) -> list[CheckMessage]:
    """Warn of a SECURITY_CONTACT that is neither a URL nor a mail address: reports would reach nobody."""
    wrong = [each for each in settings.SECURITY_CONTACT if not each.startswith(URLS) and not A_MAIL.fullmatch(each)]
    hint = "Use mail addresses or https:// URLs, separated by commas."
    return [Warning(f"{each!r} in SECURITY_CONTACT is no address.", hint=hint, id="keyrack.W005") for each in wrong]
