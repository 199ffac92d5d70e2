"""All peers that store tokens, in one database, each asked for a token as its documentation says."""

from benchmarks import filling
from benchmarks.filling import Reading
from benchmarks.peers import allauth, django_esi, social_auth


def fill(people: int) -> None:
    ids = filling.people(people)
    for peer in (allauth, social_auth, django_esi):
        peer.fill(ids)


def readings() -> list[Reading]:
    return [
        Reading(
            name="django-allauth `SocialToken.objects.get()`",
            read=lambda user, at: allauth.read(user, f"provider-{at}"),
        ),
        Reading(
            name="social-auth `get_access_token(strategy)`",
            read=lambda user, at: social_auth.read(user, f"provider-{at}"),
        ),
        Reading(
            name="django-esi `get_token().valid_access_token()`",
            read=lambda user, at: django_esi.read(django_esi.character_of(user.pk, at)),
        ),
        Reading(
            name="django-esi `require_scopes().require_valid().first()`",
            read=lambda user, at: django_esi.read_only_valid(user, django_esi.character_of(user.pk, at)),
        ),
    ]
