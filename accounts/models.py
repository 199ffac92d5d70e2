"""The user model, and models of the OAuth server that several packages of this app need.

The other models are in the `models.py` of each package (`AccountsConfig.import_models`).
"""

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DashboardView(models.TextChoices):
    """How a person wants to see many integrations."""

    ROWS = "rows", _("Rows")
    CARDS = "cards", _("Cards")


class User(AbstractUser):
    """A person, or a bot with an account of its own. A bot has no password and cannot sign in.

    Preferences are empty until the person chooses.
    """

    is_bot = models.BooleanField(
        _("bot"),
        default=False,
        help_text=_("The account of a program: it has no password and can’t sign in. It works with permanent tokens."),
    )
    owners = models.ManyToManyField(
        "self",
        symmetrical=False,
        related_name="bots",
        blank=True,
        limit_choices_to={"is_bot": False},
        verbose_name=_("owners"),
        help_text=_("People who get the notices for this bot."),
    )
    language = models.CharField(_("Language"), max_length=10, blank=True)
    time_zone = models.CharField(_("Time zone"), max_length=64, blank=True)
    dashboard_view = models.CharField(_("Integrations shown as"), max_length=5, blank=True, choices=DashboardView)
    slash_searches = models.BooleanField(_("“/” goes to the search"), default=True)
    told_of_programs_at = models.DateTimeField(null=True, blank=True, editable=False)  # `oauth_server.waiting_programs`

    lacks_second_step: bool | None = None  # annotated on the user of a session (`sign_in.backends`)

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        constraints = [
            models.CheckConstraint(
                condition=Q(is_bot=False) | Q(password="") | Q(password__startswith=UNUSABLE_PASSWORD_PREFIX),
                name="bots_have_no_password",
                violation_error_message=_("A bot has no password."),
            )
        ]


class TokenFamily(models.Model):
    """The refresh tokens that one application obtained from one sign-in. The id is their `token_family`."""

    id = models.UUIDField(primary_key=True)
    began = models.DateTimeField(default=timezone.now)
    made_with = models.UUIDField(null=True, blank=True, db_index=True)  # an application password
    # What was granted, with spaces in between; an access token may have less. Empty if it began in a version before.
    scope = models.TextField(blank=True, default="", db_default="")

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
