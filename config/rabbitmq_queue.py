"""kombu's transports for RabbitMQ, with a worker that waits for its password or virtual host to be accepted.

kombu takes a refused sign-in for final: Celery would try again at once, several times a second, with a line of the log
each. Here it counts as a broker that is away, and a worker waits longer after each attempt.
"""

from typing import Any

from amqp.exceptions import AccessRefused, NotAllowed, RecoverableConnectionError
from kombu.transport import pyamqp


class RabbitTransport(pyamqp.Transport):
    def establish_connection(self) -> Any:
        try:
            return super().establish_connection()
        except (AccessRefused, NotAllowed) as error:
            raise RecoverableConnectionError(str(error)) from error


class SecureRabbitTransport(RabbitTransport, pyamqp.SSLTransport):
    pass
