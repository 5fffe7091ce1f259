"""Those of an event's entries that wait, in their order.

Invariant: `first` and `first_fitting` answer by the entries as they are now. Entries that have
ended, moved or become smaller stay in a heap until they come up; what no longer fits its place
there is dropped then.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from uuid import UUID

from services.waitlist.domain.model import Entry, State

_Heap = list[tuple[int, UUID]]


class Queue:
    """Entries by their ids, as the turn has changed them, and the order of those that wait."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: dict[UUID, Entry] = {}
        self._order: _Heap = []
        self._sizes: dict[int, _Heap] = {}
        for entry in entries:
            self.put(entry)

    def put(self, entry: Entry) -> None:
        """Takes an entry in, or what has become of it."""
        old = self.entries.get(entry.registration_id)
        self.entries[entry.registration_id] = entry
        if entry.state is not State.WAITING:
            return
        moved = old is None or old.state is not State.WAITING or old.rank != entry.rank
        place = (entry.rank, entry.registration_id)
        if moved:
            heappush(self._order, place)
        if moved or (old is not None and old.seats != entry.seats):
            heappush(self._sizes.setdefault(entry.seats, []), place)

    def first(self) -> Entry | None:
        """Whose turn it is."""
        return self._top(self._order, None)

    def first_fitting(self, seats: int) -> Entry | None:
        """The first whose party is no larger than `seats`."""
        tops = [self._top(heap, size) for size, heap in self._sizes.items() if size <= seats]
        return min((one for one in tops if one is not None), key=lambda e: e.rank, default=None)

    def _top(self, heap: _Heap, size: int | None) -> Entry | None:
        while heap:
            rank, key = heap[0]
            entry = self.entries[key]
            if (
                entry.state is State.WAITING
                and entry.rank == rank
                and (size is None or entry.seats == size)
            ):
                return entry
            heappop(heap)
        return None
