"""What Northwind remembers beside django-oauth-toolkit's own rows: clients, switches, the ledger, notes, contacts.

No token and no code is in here, only SHA-256 checksums of them.
"""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class Switches(models.Model):
    """What a visitor can break on purpose."""

    revocations_fail = models.BooleanField(default=False)
    slow_seconds = models.PositiveSmallIntegerField(default=0)
    down = models.BooleanField(default=False)
    short_lived = models.BooleanField(default=False)

    class Meta:
        abstract = True


class Server(Switches):
    """The switches that hold for every client. One row."""

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="provider_one_server"),)

    def __str__(self) -> str:
        return "All clients"

    @classmethod
    def current(cls) -> "Server":
        """Return the row, or an unsaved one with every switch off."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)


class Client(Switches):
    """How one client is treated: which scopes it may ask for and what its tokens look like."""

    DEFAULT_SECONDS = 3600
    SHORT_SECONDS = 60

    application = models.OneToOneField("oauth2_provider.Application", on_delete=models.CASCADE, related_name="profile")
    scopes = models.CharField(max_length=500)
    scope_words = models.JSONField(default=dict, blank=True)  # what its consent page says of them, where not the usual
    access_token_seconds = models.PositiveIntegerField(null=True, blank=True)
    issues_refresh_token = models.BooleanField(default=True)

    def __str__(self) -> str:
        return str(self.application)

    def lifetime_in_words(self) -> str:
        """The same for people."""
        seconds = self.access_token_lifetime()
        for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
            if seconds >= length:
                return f"{seconds // length} {unit}{'' if seconds // length == 1 else 's'}"
        return f"{seconds} seconds"

    def access_token_lifetime(self) -> int:
        """Seconds, as the switches stand now."""
        seconds = self.access_token_seconds or self.DEFAULT_SECONDS
        if self.short_lived or Server.current().short_lived:
            return min(seconds, self.SHORT_SECONDS)
        return seconds


class IssuedToken(models.Model):
    """A ledger line: one token that was handed out. django-oauth-toolkit deletes dead tokens, the ledger keeps them."""

    class Kind(models.TextChoices):
        """Which of the two it is."""

        ACCESS = "access", "Access"
        REFRESH = "refresh", "Refresh"

    kind = models.CharField(max_length=7, choices=Kind)
    checksum = models.CharField(max_length=64, unique=True)
    family = models.UUIDField(default=uuid.uuid4, db_index=True)
    code_checksum = models.CharField(max_length=64, blank=True, db_index=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="issued_tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="issued_tokens")
    scope = models.CharField(max_length=500, blank=True)
    issued_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """Eight digits of the checksum: enough to tell tokens apart, useless to anybody else."""
        return self.checksum[:8]


class Arrival(models.Model):
    """One call that came in at the token or the revocation endpoint, without anything secret."""

    KEPT = 200

    at = models.DateTimeField(default=timezone.now)
    endpoint = models.CharField(max_length=20)
    grant_type = models.CharField(max_length=40, blank=True)
    client = models.ForeignKey(Client, null=True, blank=True, on_delete=models.CASCADE, related_name="arrivals")
    status = models.PositiveSmallIntegerField()
    error = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.endpoint} {self.status}"


class Note(models.Model):
    """A note of one person."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes")
    title = models.CharField(max_length=200)
    text = models.TextField(max_length=10_000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.title


class Contact(models.Model):
    """Somebody whom one person knows."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=100)
    email = models.EmailField()
    phone = models.CharField(max_length=30)
    company = models.CharField(max_length=100)
    city = models.CharField(max_length=60)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["user", "email"], name="provider_contact_once"),)

    def __str__(self) -> str:
        return self.name
