"""pip install that says what it does: `python tools/install.py -r constraints.txt [options of pip]`.

Before: how many packages and about how long; meanwhile a line every few seconds; afterwards how long it took. Where pip
fails, its message is shown whole, and its exit code is kept. Needs nothing but Python 3.11 and pip.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

EVERY = 5.0  # seconds between two lines
# What pip says of a package when it comes to it, from an index, a folder of files, or there already.
_SEEN = re.compile(
    r"(?:Collecting |Requirement already satisfied: |Processing (?:\S*/)?)"
    r"([A-Za-z0-9._-]+?)(?:-\d|[ =<>~!;\[,]|$)"
)
# Measured on two cores: 0.6 s a package from pip's cache, 2.5 s where the machine is busy.
FAST, SLOW = 0.6, 2.5


def wanted(words: list[str]) -> int:
    """How many packages the files behind -r name for this Python."""
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

    count = 0
    for before, word in zip(["", *words], words, strict=False):
        if before == "-r":
            text = Path(word).read_text(encoding="utf-8").replace("\\\n", " ")
            for line in text.splitlines():
                try:
                    one = Requirement(re.split(r" --hash| #", line)[0].strip())
                except InvalidRequirement:  # comments, options, empty lines
                    continue
                count += one.marker is None or one.marker.evaluate()
    return count


class Progress:
    """What pip is at, from the lines it prints and the packages that have come."""

    def __init__(self, total: int) -> None:
        self.total, self.seen, self.name = total, set[str](), ""
        self.began, self.coming, self._before = time.monotonic(), 0, 0

    def read(self, line: str) -> None:
        """One line of pip's output."""
        if found := _SEEN.match(line):
            self.name = re.sub(r"[-_.]+", "-", found[1]).lower()
            self.seen.add(self.name)
        elif line.startswith("Installing collected packages:"):
            self.coming, self._before = line.count(",") + 1, self._there()

    def said(self) -> str:
        """One line on the state."""
        seconds = f"{time.monotonic() - self.began:4.0f} s"
        if self.coming:
            done = min(max(self._there() - self._before, 0), self.coming)
            return f"{seconds}  installing: {done} of {self.coming} packages are in place"
        number = min(len(self.seen), self.total)
        return f"{seconds}  fetching: {number} of {self.total}" + (f", {self.name}" if self.name else "")

    @staticmethod
    def _there() -> int:
        """Packages whose installation is finished: their list of files is written last."""
        return len(list(Path(sysconfig.get_path("purelib")).glob("*.dist-info/RECORD")))


def duration(packages: int) -> str:
    """About how long so many packages take.

    >>> duration(1), duration(200)
    ('a few seconds', '2 to 8 minutes')
    """
    if packages * SLOW < 60:
        return "a few seconds"
    return f"{packages * FAST / 60:.0f} to {packages * SLOW / 60:.0f} minutes"


def install(words: list[str]) -> int:
    """Run pip; returns its exit code."""
    total = wanted(words)
    plural = "s" if total != 1 else ""
    say(f"installing {total} package{plural} with pip, which takes {duration(total)}\n")
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command = [sys.executable, "-m", "pip", "install", *options, *words]
    here = {**os.environ, "PYTHONUNBUFFERED": "1"}
    progress, ended = Progress(total), threading.Event()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=here, encoding="utf-8", errors="replace"
        ) as pip,
    ):
        teller = threading.Thread(target=_tell, args=(progress, ended), daemon=True)
        teller.start()
        try:
            for line in pip.stdout:
                progress.read(line)
            code = pip.wait()
        except KeyboardInterrupt:  # pip has had the same signal and tidies up
            code = pip.wait() or 130
        ended.set()
        teller.join()
        errors.seek(0)
        message = errors.read().decode("utf-8", "replace")
    seconds = f"{time.monotonic() - progress.began:.0f} s"
    if code:
        sys.stderr.write(message)
        say(f"pip stopped after {seconds}, exit code {code}\n")
    else:
        say(f"done in {seconds}\n")
    return code


def say(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _tell(progress: Progress, ended: threading.Event) -> None:
    """Say the state now and then: on one line in a terminal, on lines of their own in a log."""
    inside = sys.stdout.isatty()
    while not ended.wait(1.0 if inside else EVERY):
        say(f"\r{progress.said()[:78]:<78}" if inside else f"{progress.said()}\n")
    if inside:
        say(f"\r{'':<78}\r")


if __name__ == "__main__":
    sys.exit(install(sys.argv[1:]))
