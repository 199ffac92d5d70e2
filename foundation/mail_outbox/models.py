"""The table of failed mails. It belongs to the app `accounts`, which has its migrations."""

from django.db import models
from django.utils import timezone


class DeferredMail(models.Model):
    """A mail that failed, and when to try it again."""

    key = models.CharField(primary_key=True, max_length=100)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "accounts"
        verbose_name = "Deferred mail"

    def __str__(self) -> str:
        return self.key
