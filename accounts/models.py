"""Who the user is. Knows nothing of what the user has connected."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person, or a bot with an account of its own."""

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
