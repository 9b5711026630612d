"""A process that appends numbered batches from several threads and says which were acknowledged.

Run: `python -m tests.serving.appending_process URL START...`, a number of the first batch for each
thread. Batch i of thread t holds the events `t-i-0`, `t-i-1` ... and one item; `t-i` is printed
once it is acknowledged. It goes on until it is killed.
"""

import os
import sys
import threading

from graphrec.serving.entries import NewEntry
from graphrec.serving.settings import EntryLogSettings
from graphrec.serving.store import EntryLog
from tests.serving.made_entries import event, put


def batch_of(thread: int, number: int) -> list[NewEntry]:
    """1 to 5 events and an item."""
    name = f"{thread}-{number}"
    return [*(event(f"{name}-{j}") for j in range(1 + number % 5)), put("item", name)]


def append_forever(log: EntryLog, thread: int, number: int) -> None:
    while True:
        log.append(batch_of(thread, number))
        os.write(1, f"{thread}-{number}\n".encode())
        number += 1


def main() -> None:
    url, *starts = sys.argv[1:]
    log = EntryLog(EntryLogSettings(url=url))
    for thread, start in enumerate(starts):
        threading.Thread(target=append_forever, args=(log, thread, int(start))).start()


if __name__ == "__main__":
    main()
