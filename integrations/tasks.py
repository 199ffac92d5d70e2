"""Tasks of the app, imported here because Celery discovers `tasks` modules."""

from integrations.connections import endings
from integrations.connections import tasks as connection_tasks
from integrations.flows import background

__all__ = ["background", "connection_tasks", "endings"]
