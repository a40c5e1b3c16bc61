"""Who waits for a collector: a binary heap, the largest key on top, of equal keys the smaller item."""

from credit_lab.compiled import njit
from credit_lab.simulation.records import BORROWING


@njit(**BORROWING, forceinline=True)
def before(a, b):  # type: ignore[no-untyped-def] # pragma: no cover
    """Largest key on top; of equal keys the smaller item."""
    return a.key > b.key or (a.key == b.key and a.item < b.item)


@njit(**BORROWING, forceinline=True)
def push(heap, size, key, item):  # type: ignore[no-untyped-def] # pragma: no cover
    """One more; the new size."""
    at = size
    while at > 0:
        above = (at - 1) // 2
        if key > heap[above].key or (key == heap[above].key and item < heap[above].item):
            heap[at] = heap[above]
            at = above
        else:
            break
    heap[at].key, heap[at].item = key, item
    return size + 1


@njit(**BORROWING, forceinline=True)
def pop(heap, size):  # type: ignore[no-untyped-def] # pragma: no cover
    """Takes the top off; the new size."""
    size -= 1
    heap[0] = heap[size]
    at = 0
    while True:
        best = at
        for below in (2 * at + 1, 2 * at + 2):
            if below < size and before(heap[below], heap[best]):
                best = below
        if best == at:
            return size
        key, item = heap[at].key, heap[at].item
        heap[at] = heap[best]
        heap[best].key, heap[best].item = key, item
        at = best
