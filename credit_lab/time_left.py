"""How long a run will still take, judged by what the same steps took last time and by the pace of
this run.

Steps of a run differ a hundredfold in length, so their number says nothing about time. Without an
earlier run nothing is said; a step that takes longer than last time is said to do so.
"""

import heapq
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# of a whole run: how much of it must have passed before its pace counts as much as the last run's
_TRUST = 0.2


def pace(taken: float, usual: float, whole: float) -> float:
    """How much slower than last time a run is, when it took `taken` for steps that took `usual` of
    `whole` seconds.

    Begins at 1 and follows the run as more of it has passed.

    >>> pace(20.0, 10.0, 50.0)
    1.5
    """
    held = max(_TRUST * whole, 1e-9)
    return (taken + held) / (usual + held)


def of_steps(usual: Sequence[float], done: int, taken: float, since: float) -> float:
    """Seconds left of steps one after another.

    Parameters
    ----------
    usual : seconds of each step last time
    done, taken : steps done, and the seconds they took
    since : seconds since the step that runs now began; beyond its time it is taken to need a tenth
        more
    """
    if done >= len(usual):
        return 0.0
    slower = pace(taken, sum(usual[:done]), sum(usual))
    return max(slower * usual[done] - since, since / 10) + slower * sum(usual[done + 1 :])


def of_jobs(running: Sequence[float], waiting: Sequence[float]) -> float:
    """Seconds left of jobs side by side: those that run need `running` more, the next one starts
    when one ends.

    >>> of_jobs([10.0, 4.0], [5.0, 3.0])
    12.0
    """
    ends = list(running)
    heapq.heapify(ends)
    for seconds in waiting:
        heapq.heappush(ends, (heapq.heappop(ends) if ends else 0.0) + seconds)
    return max(ends, default=0.0)


class Watch:
    """Jobs side by side, by name, in the order in which they begin.

    `usual` holds the seconds of each last time, and under "" those of what comes after all of them.
    """

    def __init__(
        self,
        names: Sequence[str],
        workers: int,
        usual: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._usual, self._clock, self._waiting = usual, clock, list(names)
        self._running: dict[str, float] = {}
        self._taken = self._expected = 0.0
        self._whole = sum(usual.get(name, 0.0) for name in names)
        for _ in range(workers):
            self._next()

    @property
    def known(self) -> bool:
        """Whether an earlier run says anything of these jobs."""
        return self._whole > 0

    def _next(self) -> None:
        if self._waiting:
            self._running[self._waiting.pop(0)] = self._clock()

    def done(self, name: str) -> None:
        """This one has ended; the next begins."""
        self._taken += self._clock() - self._running.pop(name)
        self._expected += self._usual.get(name, 0.0)
        self._next()

    def left(self) -> float:
        """Seconds left until all is done; an unknown job counts as the mean of the known ones."""
        slower, now = pace(self._taken, self._expected, self._whole), self._clock()
        known = [seconds for name, seconds in self._usual.items() if name]
        mean = sum(known) / max(len(known), 1)
        running = [
            max(slower * self._usual.get(name, mean) - (now - since), (now - since) / 10)
            for name, since in self._running.items()
        ]
        waiting = [slower * self._usual.get(name, mean) for name in self._waiting]
        return of_jobs(running, waiting) + slower * self._usual.get("", 0.0)

    def said(self) -> str:
        """ ", about 1:15 left", or nothing where nothing is known."""
        return f", about {text(self.left())} left" if self.known else ""


def text(seconds: float) -> str:
    """Minutes and seconds: 75 -> "1:15"."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def last_cells(target: Path, notebook: str) -> list[float]:
    """Seconds of each cell in the report at `target`, else in the newest one beside it; empty if
    there is none. The first has the start of the kernel in it.
    """
    book = _read(target, notebook)
    found = [_seconds(cell) for cell in book.get("cells", [])]
    return [max(_seconds(book) - sum(found[1:]), found[0]), *found[1:]] if found else []


def _seconds(part: Mapping[str, Any]) -> float:
    return float(part.get("metadata", {}).get("papermill", {}).get("duration") or 0.0)


def last_parts(target: Path) -> dict[str, float]:
    """Seconds of each part in the pack at `target`, else in the newest one beside it, and "" for
    all else.
    """
    run = _read(target, "run.json", "*-pack/")
    parts = {
        name: float(part["seconds"])
        for name, part in run.get("parts", {}).items()
        if "seconds" in part
    }
    return parts | ({"": float(run.get("after", 0.0))} if parts else {})


def _read(target: Path, name: str, beside: str = "*/") -> Mapping[str, Any]:
    try:
        others = sorted(
            target.parent.glob(f"{beside}{name}"), key=lambda path: path.stat().st_mtime
        )
        own = [target / name] if (target / name).exists() else []
        found = json.loads((own or others)[-1].read_text(encoding="utf-8"))
    except (
        OSError,
        ValueError,
        IndexError,
    ):  # none, or one that is being written or is damaged: nothing is known
        return {}
    return found if isinstance(found, dict) else {}


class Bar:
    """A progress bar over the cells of a notebook; in a terminal it moves every second."""

    def __init__(self, usual: Sequence[float], cells: int, desc: str) -> None:
        from tqdm.auto import tqdm

        self.usual: Sequence[float] = usual if len(usual) == cells and sum(usual) > 0 else ()
        self.n, self._cells, self._taken, self._began = 0, cells, 0.0, time.monotonic()
        self._since, self._ended = self._began, threading.Event()
        form = (
            "{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}{postfix}"
            if self.usual
            else "{desc}: {elapsed}{postfix}"
        )
        self._drawn = tqdm(total=100, desc=desc, bar_format=form)
        self.refresh()
        if sys.stderr.isatty():
            threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self.refresh()

    def said(self) -> str:
        """What stands behind the bar."""
        where = f"cell {min(self.n + 1, self._cells)} of {self._cells}"
        if not self.usual:
            return f"{where}, time left unknown: no earlier report to judge by"
        since = time.monotonic() - self._since
        seconds = of_steps(self.usual, self.n, self._taken, since)
        late = self.n < self._cells and since > 1.5 * self.usual[self.n] + 2
        return f"{where}, about {text(seconds)} left" + (
            ", this cell takes longer than last time" if late else ""
        )

    def update(self, more: int = 1) -> None:
        """So many cells more are done."""
        now = time.monotonic()
        self.n, self._since, self._taken = self.n + more, now, now - self._began
        self.refresh()

    def refresh(self) -> None:
        """Draw it."""
        if self.usual:
            passed = time.monotonic() - self._began
            seconds = of_steps(self.usual, self.n, self._taken, time.monotonic() - self._since)
            self._drawn.n = (
                100 if self.n >= self._cells else round(100 * passed / max(passed + seconds, 1e-9))
            )
        self._drawn.set_postfix_str(self.said() if self.n < self._cells else "done", refresh=True)

    def close(self) -> None:
        """Leave it as it stands."""
        self._ended.set()
        self._drawn.close()
