"""Authlib (PyPI), as a program that signs people in at Keyrack: the same requests and answers as ../oauth_clients."""

import json
import os
import secrets
import sys
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.integrations.requests_client import OAuth2Session

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the test's server is on loopback


class Program:
    def __init__(self, settings: dict[str, str]) -> None:
        self.issuer = settings["issuer"]
        names = ("client_id", "client_secret", "redirect_uri", "scope")
        self.client = OAuth2Session(**{name: settings[name] for name in names}, code_challenge_method="S256")

    def address(self, extra: dict[str, str], resources: list[str]) -> dict[str, str]:
        self.verifier = secrets.token_urlsafe(32)
        asked = {**extra, **({"resource": resources} if resources else {})}
        address, self.state = self.client.create_authorization_url(
            f"{self.issuer}/o/authorize/", code_verifier=self.verifier, **asked
        )
        return {"address": address}

    def finish(self, url: str) -> Any:
        told = dict(parse_qsl(urlsplit(url).query))
        if "error" in told:  # which the library leaves to the program
            return {"error": told["error"]}
        return self.client.fetch_token(
            f"{self.issuer}/o/token/", authorization_response=url, state=self.state, code_verifier=self.verifier
        )

    def refresh(self, token: str) -> Any:
        return self.client.refresh_token(f"{self.issuer}/o/token/", refresh_token=token)

    def introspect(self, token: str) -> Any:
        return self.client.introspect_token(f"{self.issuer}/o/introspect/", token=token).json()

    def revoke(self, token: str) -> Any:
        return self.client.revoke_token(f"{self.issuer}/o/revoke_token/", token=token).json()


def serve() -> None:
    program = Program(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = getattr(program, told.pop("do"))(**told)
        except Exception as error:
            answer = {"error": getattr(error, "error", None), "raised": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
