"""Pages of signing in that django-allauth has not."""

from allauth.account import views as account
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.sign_in import mail_server


@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    if not mail_server.is_sent():
        return render(request, "accounts/no_mail.html")
    answer: HttpResponse = account.password_reset(request)
    return answer
