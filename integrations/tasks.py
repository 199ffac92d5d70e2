"""Tasks of the integrations app, for the worker, which looks for them here."""

from integrations.connections import tasks as connection_tasks
from integrations.flows import background

__all__ = ["background", "connection_tasks"]
