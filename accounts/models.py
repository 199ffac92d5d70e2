"""The user model, and models of the OAuth server that several packages of this app need.

The other models are in the `models.py` of each package (`AccountsConfig.import_models`).
"""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person, or a bot with an account of its own."""

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"


class TokenFamily(models.Model):
    """The refresh tokens that one application obtained from one sign-in. The id is their `token_family`."""

    id = models.UUIDField(primary_key=True)
    began = models.DateTimeField(default=timezone.now)
    made_with = models.UUIDField(null=True, blank=True, db_index=True)  # an application password

    class Meta:
        verbose_name = _("Token family")
        verbose_name_plural = _("Token families")

    def __str__(self) -> str:
        return f"{self.id.hex} ({self.began:%Y-%m-%d %H:%M})"


class RefreshReplay(models.Model):
    """Sealed successor of a refresh token, stored for `REFRESH_REPLAY_SECONDS` (`oauth_server.replays`)."""

    token_checksum = models.CharField(max_length=64, unique=True)  # of the refresh token that was replaced
    application = models.ForeignKey("accounts.Application", models.CASCADE, related_name="+")
    token_family = models.UUIDField(db_index=True)
    sealed_tokens = models.TextField()
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Refresh replay")
        verbose_name_plural = _("Refresh replays")

    def __str__(self) -> str:
        return f"{self.application} ({self.at:%Y-%m-%d %H:%M})"
