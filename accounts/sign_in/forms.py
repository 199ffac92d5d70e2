"""Forms of signing in, based on django-allauth's."""

from typing import Any

from allauth.account import forms as account_forms
from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_second_factor_adapter
from allauth.mfa.base import forms as code_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from allauth.mfa.webauthn import forms as key_forms
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.sign_in import lockout, mfa
from accounts.sign_in.email_addresses import accounts_with
from accounts.sign_in.middleware import TooManyCodes


class SignInForm(account_forms.LoginForm):
    """Names its first field `username`, under which browsers have stored passwords. Accepts allauth's `login` too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["login"].label = _("Username or email address")

    def add_prefix(self, field_name: str) -> str:
        if field_name == "login" and "login" not in self.data:
            return "username"
        return str(super().add_prefix(field_name))


class ForgottenPasswordForm(account_forms.ResetPasswordForm):
    """Finds accounts as signing in does. allauth's counts addresses that aren't confirmed, and misses capitals."""

    def clean_email(self) -> str:
        address: str = get_adapter().clean_email(self.cleaned_data["email"])
        self.users = list(accounts_with(address))
        return address


class PasswordChangeForm(account_forms.ChangePasswordForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["oldpassword"].label = _("Current password")
        self.fields["password1"].label = _("New password")
        self.fields["password2"].label = _("New password again")

    def clean_oldpassword(self) -> str:
        """Check the password where failures are counted, so that a stolen session can't be used for guessing."""
        password: str = self.cleaned_data.get("oldpassword", "")
        if not get_adapter().reauthenticate(self.user, password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class _CountedCodeForm(forms.Form):
    """Reserves an attempt before it checks the code, and accepts each code only once."""

    user: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["code"].label = _("Code from your app, or a recovery code")

    def clean_code(self) -> str:
        try:
            with lockout.limited_attempt(context.request, self.user, with_code=True) as attempt:
                code = self.checked_code()
                attempt.has_succeeded = True
        except TooManyCodes:
            raise get_adapter().validation_error("too_many_login_attempts") from None
        return code

    def checked_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]  # of the form it is mixed into
        authenticator = self.authenticator  # type: ignore[attr-defined]  # set by clean_code
        if authenticator.type == Authenticator.Type.TOTP and not mfa.is_first_use(authenticator, code):
            raise get_second_factor_adapter().validation_error("incorrect_code")
        return code


class CodeForm(_CountedCodeForm, code_forms.AuthenticateForm):
    """The second step of signing in, by code."""


class CodeAgainForm(_CountedCodeForm, code_forms.ReauthenticateForm):
    """The second step of reauthentication, by code."""


class AppForm(totp_forms.ActivateTOTPForm):
    """Set-up of an authenticator app. Seals the new secret while it waits in the session for its first code."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        session = context.request.session
        sealed_secret = session.get(SECRET_SESSION_KEY)
        super().__init__(*arguments, **options)
        if self.is_bound and sealed_secret:
            self.secret = mfa.unseal_secret(sealed_secret)
        session[SECRET_SESSION_KEY] = mfa.seal_secret(self.secret)


# Raised by fido2 for malformed JSON in place of a credential.
MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class _SafeCredentialForm(forms.Form):
    """Treats a malformed credential as a wrong one."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]  # of the form it is mixed into
        except MALFORMED:
            raise get_second_factor_adapter().validation_error("incorrect_code") from None


class PasskeyForm(_SafeCredentialForm, key_forms.LoginWebAuthnForm):
    """Signing in with a passkey alone."""


class KeyForm(_SafeCredentialForm, key_forms.AuthenticateWebAuthnForm):
    """The second step of signing in, by key."""


class KeyAgainForm(_SafeCredentialForm, key_forms.ReauthenticateWebAuthnForm):
    """The second step of reauthentication, by key."""


class NewKeyForm(key_forms.AddWebAuthnForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["name"].label = _("Name")
        self.fields["passwordless"].label = _("Sign in with this alone, as a passkey")
        self.fields["passwordless"].help_text = _("Without a password: the device asks for your finger, face or PIN.")

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except MALFORMED:
            raise get_second_factor_adapter().validation_error("incorrect_code") from None
        return cleaned
