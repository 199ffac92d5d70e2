"""The rows of `filled`, more integrations for everybody, and a session of each user."""

from django.test import Client

from accounts.models import User
from benchmarks import keyrack
from benchmarks.serving import INTEGRATIONS, filled


def fill(count: int) -> list[tuple[int, str, str, str]]:
    """Create the rows. Returns id, the program's access token, the permanent token and the session of each user."""
    people = filled.fill(count)
    for number in range(1, INTEGRATIONS):
        keyrack.alias_at(f"provider_{number}")
    return [(person, token, permanent, session_of(person)) for person, token, permanent in people]


def session_of(person: int) -> str:
    client = Client()
    client.force_login(User.objects.get(pk=person))
    return next(iter(client.cookies.values())).value
