"""What people of the demo agreed to follows the demo to other ports.

They agreed to servers on this machine, and it is the demo that moves them. Anywhere else only the person can agree.
"""

import json

from integrations.models.tokens import AuthorizationAttempt, Token


def follow(old_url: str, new_url: str) -> None:
    """Replace one origin in every agreement."""
    for model in (Token, AuthorizationAttempt):
        for row in model._default_manager.exclude(agreed=None).only("agreed"):
            agreed = json.loads(json.dumps(row.agreed).replace(f"{old_url}/", f"{new_url}/"))
            model._default_manager.filter(pk=row.pk).update(agreed=agreed)
