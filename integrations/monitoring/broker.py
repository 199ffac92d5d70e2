"""The broker of the queue: does it take messages now?"""

import uuid

from celery import current_app
from kombu import Producer
from kombu.transport import virtual


def send_test_message() -> None:
    """Send a message that no worker gets. Raises an exception if it is not accepted.

    A connection alone shows too little: a Redis without memory or one that became a replica takes connections and no
    messages, and so does a RabbitMQ without disk space.
    """
    queue = f"keyrack-test-{uuid.uuid4().hex}"
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        Producer(channel).publish("", exchange="", routing_key=queue)  # RabbitMQ drops it: there is no such queue
        if isinstance(channel, virtual.Channel):
            channel.queue_purge(queue)
