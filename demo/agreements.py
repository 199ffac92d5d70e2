"""Updates confirmed addresses when the demo starts on other ports.

The demo's users confirmed servers on this machine, and the demo itself moves them. Elsewhere only the user can confirm.
"""

import json

from integrations.models.tokens import AuthorizationAttempt, Token


def follow(old_url: str, new_url: str) -> None:
    """Replace an origin in all confirmed addresses."""
    for model in (Token, AuthorizationAttempt):
        for row in model._default_manager.exclude(agreed=None).only("agreed"):
            agreed = json.loads(json.dumps(row.agreed).replace(f"{old_url}/", f"{new_url}/"))
            model._default_manager.filter(pk=row.pk).update(agreed=agreed)
