"""Coverage-guided fuzzing of the front doors: `python tools/fuzz.py TARGET [-runs=N] [-max_total_time=S]`.

Needs atheris (`pip install credit_lab[fuzz]`). Targets are those of tests/faults/targets.py; an input that gets
anything out but an error of our family is left as crash-* in the current folder: fix it, add it to tests/faults/corpus.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"  # compiled loops cannot be instrumented
import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["credit_lab", "tomllib", "pydantic", "openpyxl"]):
    import openpyxl.reader.excel  # noqa: F401  pandas would import it later, without counting

    from tests.faults import targets


def main() -> None:
    """Fuzz one target with the options of libFuzzer, beginning from the corpus and the seed as it is."""
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        first = [targets.ROOT / targets.TARGETS[name][0]] if targets.TARGETS[name][0] else []
        for number, path in enumerate([*first, *targets.corpus(name)]):
            Path(folder, str(number)).write_bytes(path.read_bytes())
        Path(folder, "turned").write_bytes(bytes([200, *range(1, 61)]))
        options = [sys.argv[0], folder, "-max_len=4096", "-timeout=60", "-rss_limit_mb=4096", *sys.argv[2:]]
        atheris.Setup(options, lambda data: targets.attack(name, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
