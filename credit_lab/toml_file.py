"""Row 0: reading a TOML file that somebody wrote, or made to do harm: whole, or refused with the way out."""

import tomllib
from pathlib import Path
from typing import Any

from credit_lab.errors import CreditLabError

MOST_BYTES = 1_000_000  # the largest settings file of ours has 12,000; a million keys are no settings
_MOST_DOTS = 200  # in a line: the time to read a.b.c... grows with its square, four minutes for 400,000


def read(path: str | Path, what: str, error: type[CreditLabError], ready: str = "") -> dict[str, Any]:
    """Content of a TOML file.

    Parameters
    ----------
    what : begins the message: "policy", "mapping"
    error : class of what is raised
    ready : where ready-made ones are, for the message when there is no such file

    Raises
    ------
    CreditLabError
        As `error`: no such file, not readable, larger than a megabyte, made to read for ever, or no TOML.
    """
    try:
        with Path(path).open("rb") as file:
            held = file.read(MOST_BYTES + 1)
        if len(held) > MOST_BYTES:
            raise error(f"{what} {path} has more than {MOST_BYTES:,} bytes; is it the right file?")
        text = held.decode("utf-8")
        if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
            raise error(f"{what} {path} has a line of more than {_MOST_DOTS} dots; is it the right file?")
        return tomllib.loads(text)
    except FileNotFoundError as reason:
        hint = f"; ready-made ones are in {ready}" if ready else "; check the path"
        raise error(f"{what} {path} does not exist{hint}") from reason
    except OSError as reason:
        raise error(f"{what} {path} cannot be read: {reason.strerror}") from reason
    except error:
        raise
    except (ValueError, RecursionError) as reason:  # broken TOML or UTF-8, NUL in the name, numbers of 5,000 digits
        raise error(f"{what} {path} is no valid TOML: {reason}") from reason
