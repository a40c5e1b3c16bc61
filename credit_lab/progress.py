"""Row 0: progress bars for long work. Functions that take long accept `progress`, called with (done, of how many)."""

from collections.abc import Callable

Progress = Callable[[int, int], None]


def bar(label: str) -> Progress:
    """A progress bar in a notebook or a terminal that appears with the first step."""
    from tqdm.auto import tqdm

    shown: list[tqdm] = []

    def step(done: int, total: int) -> None:
        if not shown:
            shown.append(tqdm(total=total, desc=label, leave=True))
        shown[0].update(done - shown[0].n)
        if done >= total:
            shown[0].close()
            shown.clear()

    return step


class Whole:
    """Pieces of work as one: `total` is all there is to do, and `part` gives the next piece its own `progress`."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def part(self, size: int) -> Progress:
        """Progress of the next piece, which does `size` of the whole, however it counts itself."""
        before, self._done = self._done, self._done + size

        def step(done: int, of: int) -> None:
            if self._progress:
                self._progress(before + round(size * done / max(of, 1)), self._total)

        return step
