"""Delivery of revocations to providers. Safe to repeat and to run in parallel.

sweep           many revocations at once, fairly among providers
delivery        one attempt at one revocation
verification    proofs that the tokens are dead, by the provider's own answers
results         settled, postponed until when, or given up
"""

from integrations.connections.revocations.delivery import deliver
from integrations.connections.revocations.sweep import drain

__all__ = ["deliver", "drain"]
