"""Views of sessions: their list, their end, and what django-allauth lacks for signing in."""

from http import HTTPStatus
from typing import Any, cast

from allauth.account import views as account
from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.oauth_server import validator
from accounts.sign_in.email_addresses import others_with
from accounts.sign_in.middleware import forget_devices
from accounts.sign_in.reauthentication import recently_authenticated
from accounts.sign_in.two_step_requirement import LED_AWAY_FROM
from foundation import mail_outbox


class Sessions(ListUserSessionsView):
    """GET lists the sessions. POST ends all others, and all grants."""

    http_method_names = ["get", "post"]

    def get_context_data(self, **names: Any) -> dict[str, Any]:
        UserSession.objects.create_from_request(self.request)  # for a session that did not start at the sign-in page
        context: dict[str, Any] = super().get_context_data(**names)
        return context

    def form_valid(self, form: forms.Form) -> HttpResponse:
        validator.end_grants(cast(User, self.request.user))
        forget_devices(cast(User, self.request.user), but=self.request)
        response: HttpResponse = super().form_valid(form)
        return response


@require_POST
@login_required
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of the user's own sessions. Ending the current one signs out."""
    session = get_object_or_404(UserSession, pk=session_id, user=request.user)
    session.end()
    forget_devices(cast(User, request.user), but=request)
    messages.success(request, _("The other browser is signed out."))
    return redirect("usersessions_list")


@require_http_methods(["GET", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponse:
    """allauth's form, or where no mail server is configured, a page that says so."""
    if not mail_outbox.has_mail_server():
        return render(request, "accounts/no_mail.html")
    response: HttpResponse = account.password_reset(request)
    return response


class Addresses(account.EmailView):
    """The user's own addresses. Only a confirmed one can be made the main address, which signs in and gets mails."""

    def _action_primary(self, request: HttpRequest, *arguments: Any, **names: Any) -> Any:
        address = self._get_email_address(request)
        if address and not address.verified:
            messages.error(request, _("Confirm this address first, by the link in the mail."))
            return None
        return super()._action_primary(request, *arguments, **names)


own_addresses = require_http_methods(["GET", "POST"])(recently_authenticated(Addresses.as_view()))


class ConfirmAddress(account.ConfirmEmailView):
    """The page behind a mailed link. An address that another account has can't be confirmed."""

    def logout_other_user(self, confirmation: Any) -> None:
        """Leave another account signed in. allauth ends its session on GET, so a link from anybody could do that."""

    @property
    def is_taken(self) -> bool:
        if self.object is None:
            return False
        address = self.object.email_address
        return others_with(address.email, address.user).exists()

    def get_context_data(self, **names: Any) -> dict[str, Any]:
        return {**super().get_context_data(**names), "is_taken": self.is_taken}

    def post(self, *arguments: Any, **names: Any) -> HttpResponse:
        self.object = self.get_object()
        if self.is_taken:
            answer: HttpResponse = self.render_to_response(self.get_context_data(), status=HTTPStatus.CONFLICT)
            return answer
        response: HttpResponse = super().post(*arguments, **names)
        return response


@require_safe
@login_required
def continue_to_page(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that the set-up of two-step sign-in interrupted.

    A redirect, so that a view that leaves the site shows its start page (`accounts.sign_in.middleware`).
    """
    return redirect(request.session.get(LED_AWAY_FROM, "/"))
