"""Token revocation, RFC 7009. Says whether the server confirmed; when to ask again is not known here."""

from integrations.oauth import answers, client
from integrations.oauth.client import Registration


def revoke(registration: Registration, token: str, *, hint: str) -> None:
    """Returning means that the server confirmed: the token is dead, or was unknown, which comes to the same."""
    response = client.post(registration, registration.revocation_url, {"token": token, "token_type_hint": hint})
    if response.status_code in {200, 204}:
        return
    failure = answers.failure(response)
    if failure.code != "invalid_token":
        raise failure
