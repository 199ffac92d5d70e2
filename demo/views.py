"""View that signs the demo user in by a link that `manage.py demo` prints.

The link is signed with the SECRET_KEY of the demo, which is random, and lives for a day.
"""

from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User

SALT = "demo.sign-in"
LIFETIME = timedelta(days=1)
BACKEND = "accounts.sign_in.backends.Backend"


def link(user: User) -> str:
    proof = signing.dumps(user.get_username(), salt=SALT)
    return f"{settings.SITE_URL}{reverse('demo:sign_in', args=[proof])}"


@never_cache
@require_GET
def sign_in(request: HttpRequest, proof: str) -> HttpResponse:
    """Sign in the user that the link names, and redirect to the dashboard."""
    try:
        username = signing.loads(proof, salt=SALT, max_age=LIFETIME)
        user = User.objects.get(username=username, is_active=True, is_superuser=False)
    except (signing.BadSignature, User.DoesNotExist):
        messages.warning(request, _("This link is no longer valid. Restart the demo for a new one, or sign in here."))
        return redirect("accounts:login")
    login(request, user, backend=BACKEND)
    UserSession.objects.create_from_request(request)  # so that it is listed among the user's sessions
    return redirect("integrations:dashboard")
