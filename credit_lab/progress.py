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
