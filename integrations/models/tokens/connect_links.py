"""Model of connect links: one-time addresses by which somebody else connects one integration of a user."""

import hashlib
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import Alias, SysIdModel

SHOWN = timedelta(days=30)  # how long a link stays listed


class ConnectLinkQuerySet(models.QuerySet["ConnectLink"]):
    def usable(self) -> Self:
        """Not used, not expired, and its maker's account is active."""
        return self.filter(used_at=None, expires_at__gt=timezone.now(), created_by__is_active=True)

    def past(self) -> Self:
        """Links that have been over for `SHOWN`."""
        return self.filter(expires_at__lt=timezone.now() - SHOWN)

    def with_people(self) -> Self:
        return self.select_related("user", "alias", "created_by", "helper")


class ConnectLink(SysIdModel):
    """A one-time address. The helper, who opens it first, signs in at the provider; the token becomes the user's."""

    user = models.ForeignKey(User, models.CASCADE, related_name="connect_links", verbose_name=_("User"))
    alias = models.ForeignKey(Alias, models.CASCADE, related_name="connect_links", verbose_name=_("Integration"))
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", editable=False, verbose_name=_("Created by")
    )
    created_at = models.DateTimeField(_("Created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("Expires"))
    helper = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", editable=False, verbose_name=_("Opened by")
    )
    used_at = models.DateTimeField(_("Used"), null=True, editable=False)

    objects = ConnectLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("Connect Link")
        verbose_name_plural = _("Connect Links")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.alias.title} / {self.user}"

    @property
    def is_over(self) -> bool:
        return self.used_at is not None or self.expires_at <= timezone.now()

    def was_used(self) -> bool:
        """Whether a token was stored by it. Reads it anew."""
        return ConnectLink.objects.filter(pk=self.pk).exclude(used_at=None).exists()

    def claim(self, helper: User) -> bool:
        """Reserve the link for the helper who begins first. They may try again until it is used or expires."""
        rows = ConnectLink.objects.usable().filter(Q(helper=None) | Q(helper=helper), pk=self.pk)
        if not rows.update(helper=helper):
            return False
        self.helper = helper
        return True

    def use(self) -> bool:
        """Mark the link as used. True for exactly one caller."""
        return bool(ConnectLink.objects.usable().filter(pk=self.pk).update(used_at=timezone.now()))


def secret_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
