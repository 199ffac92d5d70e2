"""What keeps a promise to revoke. Safe to repeat; whoever calls it and how often, the provider ends up told.

draining     many promises at once, fairly among providers
delivery     one promise, one attempt
reviving     an access token that must speak for itself and has run out
proof        whether the token is dead, by the provider's own word
postponing   when to ask again, and when to give up
settling     what came of it, written down
"""

from integrations.connections.revocations.delivery import deliver
from integrations.connections.revocations.sweep import drain

__all__ = ["deliver", "drain"]
