"""`/.well-known/security.txt`: whom to tell about a weakness of this site (RFC 9116)."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

URLS = ("https://", "mailto:", "tel:")
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
