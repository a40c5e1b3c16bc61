"""Notebooks side by side in worker processes that never outlive the run.

Each worker executes one notebook after another (papermill is not safe in threads) and listens to
its standard input, which closes when the parent ends, however it ends: the worker then leaves at
once and its kernel with it.
"""

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from credit_lab import compiled
from credit_lab.errors import ReportError
from credit_lab.publish.kernel import END_WITH_PARENT
from credit_lab.publish.run import Stopped, step


@dataclass(frozen=True)
class Job:
    """A notebook to execute in `folder`, which will stand at `final`; facts go into run.json."""

    notebook: str
    parameters: dict[str, Any]
    facts: dict[str, Any]
    folder: str
    final: str


@dataclass(frozen=True)
class Done:
    """How a job ended: error "" is success; else the name of the exception and what it said."""

    job: Job
    error: str
    message: str


def execute(jobs: Sequence[Job], workers: int = 2) -> Iterator[Done]:
    """Execute jobs on `workers` processes, in the order given; results come as they are ready.

    Raises
    ------
    ReportError
        A worker process died (killed, or out of memory).
    """
    compiled.settle()
    waiting = list(jobs)[::-1]
    busy: dict[int, tuple[subprocess.Popen[str], Job]] = {}
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as ready:
        for _ in range(min(workers, len(waiting))):
            worker = stack.enter_context(_worker())
            ready.register(worker.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
            busy[worker.pid] = worker, _give(worker, waiting.pop())
        while busy:
            for key, _ in ready.select():
                worker, job = busy.pop(key.data.pid)
                line = worker.stdout.readline()  # type: ignore[union-attr]
                if not line:
                    raise ReportError(
                        f"the worker of notebook {job.notebook} died; run again with --resume"
                    )
                yield Done(job, **json.loads(line))
                if waiting:
                    busy[worker.pid] = worker, _give(worker, waiting.pop())


@contextlib.contextmanager
def _worker() -> Iterator[subprocess.Popen[str]]:
    # before the slow imports
    start = f"{END_WITH_PARENT}; from credit_lab.publish.workers import main; main()"
    command = [sys.executable, "-c", start]
    worker = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield worker
    finally:
        worker.stdin.close()  # type: ignore[union-attr]
        worker.wait()
        worker.stdout.close()  # type: ignore[union-attr]


def _give(worker: subprocess.Popen[str], job: Job) -> Job:
    with contextlib.suppress(BrokenPipeError):  # its death is noticed when its answer does not come
        worker.stdin.write(json.dumps(asdict(job)) + "\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    return job


def main() -> None:
    """A worker: jobs from standard input, answers to standard output; leaves when input ends."""
    # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not disturb the answers
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        job = Job(**json.loads(jobs.get()))
        error, message = "", ""
        try:
            step(
                Path(job.notebook),
                job.parameters,
                Path(job.folder),
                Path(job.final),
                facts=job.facts,
            )
        except Stopped as stopped:
            error, message = stopped.name, stopped.value
        except Exception as failure:  # one failed notebook must not lose the others
            error, message = type(failure).__name__, str(failure)
        answers.write(json.dumps({"error": error, "message": message}) + "\n")
        answers.flush()


def _listen(jobs: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)
