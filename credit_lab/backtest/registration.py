"""Written down before looking: the pre-registration of a backtest, its hash, and the count of looks taken.

The file is TOML; its digest is taken over the content, not the spelling, so reformatting does not change it and a
changed window does. The trial log is a text file of one JSON line per look.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab import toml_file
from credit_lab.backtest.effects import DesignError, Effect
from credit_lab.errors import nearest
from credit_lab.periods import parse_date


@dataclass(frozen=True)
class Registration:
    """What is fixed before the data are looked at.

    name, written_on : what and when. policy_diff : changed keys as "key: old -> new" (see `policy_diff`).
    population : who counts. policy_date : first day. before_months, after_months, wait_months : the windows.
    primary_metric, estimator, claim : the one number that decides. stop_rule : when to look and when to stop.
    looks_planned : the error level is shared among so many looks.
    """

    name: str
    written_on: str
    policy_diff: tuple[str, ...]
    population: str
    policy_date: str
    before_months: int
    after_months: int
    wait_months: int
    primary_metric: str
    estimator: str
    claim: str
    stop_rule: str
    looks_planned: int = 1


def load(path: Path | str) -> Registration:
    """Read a registration.

    Raises
    ------
    DesignError
        Missing, unknown or wrongly typed keys. PeriodError for dates that are none.
    """
    content = toml_file.read(path, "registration", DesignError)
    known = {field.name: field.type for field in fields(Registration)}
    for key in content:
        if key not in known:
            raise DesignError(f"{path}: key {key!r} is not known; {nearest(key, known)}")
    missing = [name for name in known if name not in content and name != "looks_planned"]
    if missing:
        raise DesignError(f"{path}: {', '.join(missing)} missing; a registration leaves nothing open")
    for key, value in content.items():
        wanted = int if known[key] is int else str if known[key] is str else list
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise DesignError(f"{path}: {key} should be a {wanted.__name__}, not {value!r}")
    if not all(isinstance(one, str) for one in content["policy_diff"]):
        raise DesignError(f"{path}: policy_diff should be a list of texts, not {content['policy_diff']!r}")
    content["policy_diff"] = tuple(content["policy_diff"])
    for key in ("written_on", "policy_date"):
        parse_date(content[key], key)
    if min(content["before_months"], content["after_months"]) < 1 or content.get("looks_planned", 1) < 1:
        raise DesignError(f"{path}: before_months, after_months and looks_planned must be at least 1")
    return Registration(**content)


def write(registration: Registration, path: Path | str) -> str:
    """Write the registration as TOML and return its digest. An existing file is never overwritten."""
    lines = []
    for key, value in asdict(registration).items():
        lines.append(f"{key} = {json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}")
    with Path(path).open("x", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return digest(registration)


def digest(registration: Registration) -> str:
    """SHA-256 over the content in a canonical spelling; the report prints it."""
    text = json.dumps(asdict(registration), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def policy_diff(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Changed keys of two nested policy tables as "a.b: 30 -> 45", sorted; additions and removals are said.

    >>> policy_diff({"terms": {"days": 60}, "hold": 30}, {"terms": {"days": 45}, "cap": 0.1})
    ['cap: absent -> 0.1', 'hold: 30 -> absent', 'terms.days: 60 -> 45']
    """
    changes = []
    for key in sorted(set(old) | set(new)):
        a, b = old.get(key, "absent"), new.get(key, "absent")
        if isinstance(a, dict) and isinstance(b, dict):
            changes += policy_diff(a, b, f"{prefix}{key}.")
        elif a != b:
            changes.append(f"{prefix}{key}: {a} -> {b}")
    return changes


def departures(registration: Registration, effect: Effect) -> list[str]:
    """Where an estimate departs from what was registered: sentences, empty if nowhere."""
    found = []
    if effect.estimator.split(".")[0] != registration.estimator.split(".")[0]:
        found.append(f"estimator {effect.estimator} instead of the registered {registration.estimator}")
    if effect.metric != registration.primary_metric:
        found.append(f"metric {effect.metric} instead of the registered {registration.primary_metric}")
    read = dict(zip(effect.diagnostics["name"], effect.diagnostics["value"], strict=True))
    for name, planned in (("months_before", registration.before_months), ("months_after", registration.after_months)):
        if name in read and read[name] != planned:
            found.append(f"{name} {read[name]:.0f} instead of the registered {planned}")
    return found


class TrialLog:
    """Counts looks: every estimate made for a registration is one line, kept whether it pleased or not."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def add(self, registration: Registration, effect: Effect, *, looked_on: str) -> int:
        """Note a look and return how many there now are for this registration. The same estimate on the same day is one
        look, however often the report is made."""
        parse_date(looked_on, "looked_on")
        line = {
            "registration": digest(registration),
            "looked_on": looked_on,
            "estimator": effect.estimator,
            "metric": effect.metric,
            "estimate": effect.estimate,
            "low": effect.low,
            "high": effect.high,
            "p_value": effect.p_value,
        }
        text = json.dumps(line) + "\n"
        if not (self.path.exists() and text in self.path.read_text(encoding="utf-8").splitlines(keepends=True)):
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(text)
        return len(self.looks(registration))

    def looks(self, registration: Registration | None = None) -> pd.DataFrame:
        """The looks taken: registration, looked_on, estimator, metric, estimate, low, high, p_value."""
        names = ["registration", "looked_on", "estimator", "metric", "estimate", "low", "high", "p_value"]
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        table = pd.DataFrame([json.loads(line) for line in lines], columns=names)
        return table if registration is None else table[table["registration"] == digest(registration)]


def account(path: Path | str, effects: list[Effect], *, looked_on: str) -> pd.DataFrame:
    """What a report must say of a registration: item, value. Every estimate of the registered metric is a look.

    The looks are kept beside the registration (`NAME.looks.jsonl`); `looked_on` is the last day of the data.
    """
    plan, log = load(path), TrialLog(Path(path).with_suffix(".looks.jsonl"))
    named = [effect for effect in effects if effect.metric == plan.primary_metric]
    for effect in named:
        log.add(plan, effect, looked_on=looked_on)
    looks = len(log.looks(plan))
    left = [text for effect in named for text in departures(plan, effect)]
    if not named:
        left = [f"no estimate of the registered metric {plan.primary_metric} in this report"]
    rows = [
        ("registered", f"{plan.name}, {plan.written_on}"),
        ("digest (SHA-256)", digest(plan)),
        ("primary metric", plan.primary_metric),
        ("stop rule", plan.stop_rule),
        ("looks taken", f"{looks} of {plan.looks_planned} planned"),
        ("interval level per look", f"{level_per_look(0.95, max(looks, plan.looks_planned)):.2%}"),
        ("departures", "; ".join(left) or "none"),
    ]
    return pd.DataFrame(rows, columns=["item", "value"])


def level_per_look(level: float, looks: int) -> float:
    """Interval level for each of `looks` looks so that all together keep `level` (Bonferroni).

    >>> level_per_look(0.95, 5)
    0.99
    """
    if looks < 1:
        raise DesignError(f"registration: {looks} looks; at least 1")
    return 1 - (1 - level) / looks
