"""Texts of django-allauth and of Django's admin that people see: our catalog translates them in our words.

The libraries' German mixes two forms of address, and a few Japanese texts say something else. Nothing imports this: the
catalog is made from the source.
"""

from django.utils.translation import gettext_noop

SHOWN = (
    gettext_noop("You cannot remove your primary email address."),
    gettext_noop("You cannot remove your primary email address (%(email)s)."),
    gettext_noop("Your primary email address must be verified."),
    gettext_noop("This email address is already associated with this account."),
    gettext_noop("You cannot add more than %d email addresses."),
    gettext_noop("Removed email address %(email)s."),
    gettext_noop("Confirmation email sent to %(email)s."),
    gettext_noop("You have confirmed %(email)s."),
    gettext_noop("Unable to confirm %(email)s because it is already confirmed by a different account."),
    gettext_noop("Primary email address set."),
    gettext_noop("Please type your current password."),
    gettext_noop("You must type the same password each time."),
    gettext_noop("The password reset token was invalid."),
    gettext_noop("Password successfully changed."),
    gettext_noop("Password successfully set."),
    gettext_noop("Be patient, you are sending too many requests."),
    gettext_noop("Incorrect code."),
    gettext_noop("Current Password"),
    gettext_noop("New Password"),
    gettext_noop("New Password (again)"),
    gettext_noop("Password (again)"),
    gettext_noop("Username or email"),
    gettext_noop("Authenticator code"),
    # Django's, beside our “Save”
    gettext_noop("Save and add another"),
    gettext_noop("Save and continue editing"),
    gettext_noop("Save and view"),
    gettext_noop("Save as new"),
    gettext_noop("History"),
    # Django's, which its own catalogs lack
    gettext_noop("After you’ve created a user, you’ll be able to edit more user options."),
    gettext_noop("Raw passwords are not stored, so there is no way to see the user’s password."),
    gettext_noop("Reset password"),
    gettext_noop("Password-based authentication"),
    gettext_noop("Enabled"),
    gettext_noop("Disabled"),
    gettext_noop("Disable password-based authentication"),
    # django-allauth's second steps
    gettext_noop("TOTP Authenticator"),
    gettext_noop("WebAuthn"),
    # Django OAuth Toolkit's application
    gettext_noop("client ID"),
    gettext_noop("client type"),
    gettext_noop("authorization grant type"),
    gettext_noop("redirect URIs"),
    gettext_noop("Allowed URIs list, space separated"),
    gettext_noop("registration source"),
    gettext_noop("How this application was registered (manual, DCR per RFC 7591, or CIMD)"),
    gettext_noop("Manual"),
    gettext_noop("Dynamic Client Registration"),
    gettext_noop("Client ID Metadata Document"),
    gettext_noop("Device Code"),
    gettext_noop("Implicit"),
    gettext_noop("OpenID connect hybrid"),
    gettext_noop("Resource owner password-based"),
)
