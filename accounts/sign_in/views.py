"""Views of signing in that django-allauth lacks."""

from allauth.account import views as account
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.sign_in import mail_server


@require_http_methods(["GET", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponse:
    """allauth's form, or where no mail server is configured, a page that says so."""
    if not mail_server.is_configured():
        return render(request, "accounts/no_mail.html")
    response: HttpResponse = account.password_reset(request)
    return response
