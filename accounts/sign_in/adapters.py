"""Adapters of django-allauth: messages, URLs, mails and encryption. The settings name these two classes.

The task sends a link to set a password. Arguments of tasks are ids, never secrets.
"""

import logging
from typing import Any
from urllib.parse import quote, urlsplit

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from celery import shared_task
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from kombu.exceptions import ChannelError, OperationalError

from accounts import preferences
from accounts.models import User
from accounts.sign_in import mfa
from accounts.sign_in.middleware import client_address
from foundation import mail_outbox

logger = logging.getLogger(__name__)
WRONG = _("Please enter a correct username and password. Passwords are case-sensitive.")


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your current password."),
        "too_many_login_attempts": _("Too many wrong codes. Wait five minutes and try again."),
        "rate_limited": _("Too many attempts. Wait five minutes and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # administrators create accounts

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Skip allauth's rate limit: `sign_in.backends` counts every attempt already."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return f"{settings.SITE_URL}{path.replace('UID-KEY', quote(key))}"

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return f"{settings.SITE_URL}{reverse('account_confirm_email', args=[emailconfirmation.key])}"

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send the mail from the worker: else the response time would reveal whether an account has this address."""
        address = EmailAddress.objects.filter(user=user, email__iexact=email).first()
        try:
            send_password_link.apply_async((user.pk, address.pk if address else 0), retry=False)
        except (OperationalError, ChannelError, OSError) as error:
            logger.error("The queue is unavailable (%s): a link to set a password was not sent.", type(error).__name__)

    @sensitive_variables("token", "link")
    def send_password_link(self, user: User, email: str) -> None:
        token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
        link = self.get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
        context = {"user": user, "username": user.get_username(), "password_reset_url": link}
        self.send_mail("account/email/password_reset_key", email, context)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        super().send_notification_mail(template_prefix, user, {**(context or {}), "user": user}, email)

    @sensitive_variables("context")
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail in the language and time zone of the context's user.

        If the mail server is unavailable, log that: the action that caused the mail must not fail.
        """
        if not mail_outbox.has_mail_server():
            return
        site = {"name": "Keyrack", "domain": settings.SITE_URL}
        try:
            with preferences.with_preferences(context.get("user") or User()):
                message = self.render_mail(template_prefix, email, {"email": email, "current_site": site, **context})
            message.send()
        except OSError as error:
            logger.error("A mail to a user was not sent (%s): %s", template_prefix, type(error).__name__)


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is not right, or was used before. Try the next one."),
    }

    @sensitive_variables("text")
    def encrypt(self, text: str) -> str:
        return mfa.seal_secret(text)

    def decrypt(self, encrypted_text: str) -> str:
        return mfa.unseal_secret(encrypted_text)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return gettext("Key %(number)s") % {"number": number}

    def get_totp_label(self, user: User) -> str:
        return user.get_username()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to the host of SITE_URL, not to the Host header."""
        return {"id": urlsplit(settings.SITE_URL).hostname or "", "name": "Keyrack"}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        return {**super().get_public_key_credential_user_entity(user), "name": user.get_username()}


# Task -----------------------------------------------------------------------------------------------------------------


@shared_task(name="accounts.send_password_link")
def send_password_link(user_id: int, address_id: int) -> None:
    """Create the link and mail it, so that the link never is in a message of the queue."""
    user = User.objects.filter(pk=user_id, is_active=True, is_bot=False).first()
    address = EmailAddress.objects.filter(pk=address_id, user_id=user_id).first()
    if user:
        get_adapter().send_password_link(user, address.email if address else user.email)
