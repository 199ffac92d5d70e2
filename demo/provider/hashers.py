"""How client secrets are kept. People's passwords keep Django's default hasher."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class ClientSecretHasher(PBKDF2PasswordHasher):
    """Few rounds are enough: a client secret is random, and it is checked at every call of the token endpoint."""

    algorithm = "pbkdf2_sha256_client"
    iterations = 2_000
