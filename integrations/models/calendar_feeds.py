"""The private address of a person's consent calendar. The secret in it is not stored."""

import secrets
from datetime import timedelta

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from foundation import secrets_at_rest

PURPOSE = "integrations:calendar-feed"
READ_WRITTEN_EVERY = timedelta(hours=1)


class CalendarFeed(models.Model):
    """One address for each person. A new one replaces it; deleting the row revokes it."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="calendar_feed")
    key_id = models.CharField(max_length=255, editable=False)  # key of the hash, of TOKEN_ENCRYPTION_KEYS
    keyed_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    last_read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("Calendar address")
        verbose_name_plural = _("Calendar addresses")

    def __str__(self) -> str:
        return str(self.user)


@sensitive_variables("secret")
def replace_feed(user: User) -> str:
    """Give the person a new address; the old one no longer works. Returns the secret, which is not stored."""
    secret = secrets.token_urlsafe(32)
    values = {"created_at": timezone.now(), "last_read_at": None, **hash_of(secret)}
    CalendarFeed.objects.update_or_create(user=user, defaults=values)
    return secret


@sensitive_variables("secret")
def hash_of(secret: str) -> dict[str, str]:
    """The columns of the hash, under the first key."""
    key_id = secrets_at_rest.first_key_id()
    return {"key_id": key_id, "keyed_hash": secrets_at_rest.keyed_hash(secret, key_id=key_id, purpose=PURPOSE)}


@sensitive_variables("secret")
def find_feed(secret: str) -> CalendarFeed | None:
    """Return the calendar with this secret, and record that it was read; None if there is none.

    Hashes it with the first key then, so that an old key can be removed once the address has been read.
    """
    hashes = secrets_at_rest.all_hashes(secret, purpose=PURPOSE)
    feed = CalendarFeed.objects.select_related("user").filter(keyed_hash__in=hashes).first()
    now = timezone.now()
    if feed and (feed.last_read_at is None or now - feed.last_read_at > READ_WRITTEN_EVERY):
        CalendarFeed.objects.filter(pk=feed.pk, keyed_hash=feed.keyed_hash).update(last_read_at=now, **hash_of(secret))
    return feed
