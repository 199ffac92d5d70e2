"""What signing in asks for, on top of django-allauth's own forms."""

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


class SignInForm(account_forms.LoginForm):
    """Its first field keeps the name that browsers have stored passwords under; allauth's own is understood as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["login"].label = _("Username or e-mail address")

    def add_prefix(self, field_name: str) -> str:
        if field_name == "login" and "login" not in self.data:
            return "username"
        return str(super().add_prefix(field_name))


class PasswordChangeForm(account_forms.ChangePasswordForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["oldpassword"].label = _("Present password")
        self.fields["password1"].label = _("New password")
        self.fields["password2"].label = _("New password, once more")

    def clean_oldpassword(self) -> str:
        """By way of the door where wrong ones are counted: a session that was stolen is no place to guess in."""
        given: str = self.cleaned_data.get("oldpassword", "")
        if not get_adapter().reauthenticate(self.user, given):
            raise get_adapter().validation_error("enter_current_password")
        return given


class _Counted(forms.Form):
    """An attempt is reserved before the code is looked at, and a right code opens once."""

    user: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["code"].label = _("Code of your app, or a recovery code")

    def clean_code(self) -> str:
        try:
            with lockout.attempt(context.request, self.user, with_code=True) as attempt:
                code = self.checked_code()
                attempt.has_succeeded = True
        except lockout.TooManyCodes:
            raise get_adapter().validation_error("too_many_login_attempts") from None
        return code

    def checked_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]  # of the form it is mixed into
        authenticator = self.authenticator  # type: ignore[attr-defined]  # which that has found
        if authenticator.type == Authenticator.Type.TOTP and not mfa.is_first_use(authenticator, code):
            raise get_second_factor_adapter().validation_error("incorrect_code")
        return code


class CodeForm(_Counted, code_forms.AuthenticateForm):
    """The second step of signing in."""


class CodeAgainForm(_Counted, code_forms.ReauthenticateForm):
    """The second step of a page that asks again."""


class AppForm(totp_forms.ActivateTOTPForm):
    """The new app's secret waits in the session for its first code: sealed there too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        session = context.request.session
        held = session.get(SECRET_SESSION_KEY)
        super().__init__(*arguments, **options)
        if self.is_bound and held:
            self.secret = mfa.unseal(held)
        session[SECRET_SESSION_KEY] = mfa.seal(self.secret)


# What a browser says of a passkey or security key is JSON of anybody's making, and fido2 expects none of this shape.
NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class _Parsed(forms.Form):
    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]  # of the form it is mixed into
        except NONSENSE:
            raise get_second_factor_adapter().validation_error("incorrect_code") from None


class PasskeyForm(_Parsed, key_forms.LoginWebAuthnForm):
    """Signing in with nothing else."""


class KeyForm(_Parsed, key_forms.AuthenticateWebAuthnForm):
    """The second step of signing in."""


class KeyAgainForm(_Parsed, key_forms.ReauthenticateWebAuthnForm):
    """The second step of a page that asks again."""


class NewKeyForm(key_forms.AddWebAuthnForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["name"].label = _("Name")
        self.fields["passwordless"].label = _("Sign in with this alone, as a passkey")
        self.fields["passwordless"].help_text = _("Without a password: the device asks for your finger, face or PIN.")

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except NONSENSE:
            raise get_second_factor_adapter().validation_error("incorrect_code") from None
        return cleaned
