"""Delivery of revocations to providers. Safe to repeat and to run in parallel.

sweep           many revocations at once, fairly among providers
work_queue      claimed revocations on their way to the threads
delivery        one attempt at one revocation
refresh_proof   a refresh, for a new access token or as a proof that the tokens are dead
verification    whether the provider confirms that the tokens are dead
postponement    when to try again, and when to give up
settlement      store the results
"""

from integrations.connections.revocations.delivery import deliver
from integrations.connections.revocations.sweep import drain

__all__ = ["deliver", "drain"]
