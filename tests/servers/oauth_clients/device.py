"""A command line that signs in by a device code, with the standard library alone, as programs without a browser do.

    python3 device.py ISSUER CLIENT_ID SCOPE

Prints what its user has to do, then one line of JSON: the tokens and the answer of an API call, or the error.
"""

import json
import sys
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


def fetch(url: str, fields: dict[str, str] | None = None, token: str = "") -> Any:
    body = urlencode(fields).encode() if fields else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(url, body, headers), timeout=30) as response:  # noqa: S310 - the address of the test's own site
            return json.load(response)
    except HTTPError as error:
        return json.load(error)


def sign_in(issuer: str, client_id: str, scope: str) -> Any:
    metadata = fetch(f"{issuer}/.well-known/oauth-authorization-server")
    codes = fetch(metadata["device_authorization_endpoint"], {"client_id": client_id, "scope": scope})
    if "error" in codes:
        return codes
    print(f"Open {codes['verification_uri']} and enter {codes['user_code']}", flush=True)
    interval, ends_at = codes.get("interval", 5), time.monotonic() + codes["expires_in"]
    fields = {"grant_type": GRANT_TYPE, "client_id": client_id, "device_code": codes["device_code"]}
    while time.monotonic() < ends_at:
        tokens = fetch(metadata["token_endpoint"], fields)
        if tokens.get("error") not in {"authorization_pending", "slow_down"}:
            return tokens
        interval += 5 if tokens["error"] == "slow_down" else 0
        time.sleep(interval)
    return {"error": "expired_token"}


issuer, client_id, scope = sys.argv[1:]
tokens = sign_in(issuer, client_id, scope)
if "access_token" in tokens:
    tokens["integrations"] = fetch(f"{issuer}/api/v1/integrations/", token=tokens["access_token"])
print(json.dumps(tokens))
