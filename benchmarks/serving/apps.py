"""django-allauth's accounts, where nobody signs in."""

from allauth.account.apps import AccountConfig


class Accounts(AccountConfig):  # type: ignore[misc]  # django-allauth has no types
    def ready(self) -> None:
        """It would insist on its middleware. Models of Keyrack's need it to be installed, nothing more."""
