"""Which of our connections to a server of a test are open."""

import gc

from foundation.oauth_client.transport.sockets import GuardedSocket
from tests.servers.hostile import HostileServer


def open_connections(server: HostileServer) -> int:
    """Count them, also those that nobody will use again."""
    ours = [each for each in gc.get_objects() if type(each) is GuardedSocket and each.fileno() >= 0]
    return sum(each.getpeername()[1] == server.port for each in ours)
