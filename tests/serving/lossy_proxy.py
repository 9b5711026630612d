"""A connection that breaks at the worst moment: while a commit is under way."""

import select
import socket
import threading
from typing import Literal

Moment = Literal["before", "held", "after"]


class LossyProxy:
    """Passes bytes on to a server, and when told so, drops a connection at its next COMMIT.

    `before`: the server never hears of the COMMIT. `held`: nor does it hear, before `release`, that
    the client is gone. `after`: it has done it, and the client does
    not hear of that.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._released = threading.Event()
        self.breaks_at: list[Moment] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._threads: list[threading.Thread] = []
        self._thread.start()

    def release(self) -> None:
        """Tell the server of the clients that are gone."""
        self._released.set()

    def close(self) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._thread, *self._threads]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    commits = ready is client and b"COMMIT" in data
                    moment = self.breaks_at.pop(0) if commits and self.breaks_at else None
                    if moment == "held":
                        client.close()
                        self._released.wait()
                    if moment in {"before", "held"}:
                        return
                    (server if ready is client else client).sendall(data)
                    if moment == "after":
                        server.recv(65536)
                        return
