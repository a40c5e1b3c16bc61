"""The register of models: an append-only list of what people did, one JSON object per line.

A text file beside the policies, not a table in the registry of runs: reports may be deleted, approvals may not; and a
line of text can be read, reviewed and kept under version control like the policy it approves. Every line carries the
SHA-256 of the line before, so a line changed, taken out or moved afterwards is found when the file is read. A list cut
short at its end is whole in itself: reports therefore keep the digest of the last line they saw (`Register.head`).

Steps are checked when they are written and again when they are read, so a line added by hand that breaks a rule is
refused, too.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from credit_lab.errors import nearest
from credit_lab.governance.identity import KINDS, Identity
from credit_lab.governance.model import STATES, GovernanceError, Model, Validation, named, same_person
from credit_lab.periods import takes_days

DEFAULT = "data/models.jsonl"
_FIELDS = {
    "register": ("kind", "name", "digest", "use", "start", "end"),
    "validate": ("result", "report", "digest"),
    "approve": ("state", "expires_on"),
    "retire": ("reason",),
}


@dataclass(frozen=True)
class Register:
    """What a register says.

    Attributes
    ----------
    path : of the file; it need not exist yet
    entries : as read, oldest first: on (ISO day), action, model (id), by, and the fields of the action
    models : id → model, after all entries
    head : SHA-256 of the last line; "" when there is none
    """

    path: Path
    entries: tuple[Mapping[str, Any], ...]
    models: Mapping[str, Model]
    head: str

    @classmethod
    def read(cls, path: str | Path, *, until: pd.Timestamp | None = None) -> "Register":
        """Read and check a register; one that does not exist is empty. `until`: only what was done by that day.

        Raises
        ------
        GovernanceError
            The file cannot be read, a line is no entry, the chain is broken, or an entry breaks a rule.
        """
        path = Path(path)
        try:
            lines = path.read_bytes().splitlines() if path.exists() else []
        except OSError as error:
            raise GovernanceError(f"models {path} cannot be read: {error.strerror}") from error
        head, models, entries = "", dict[str, Model](), []
        for number, line in enumerate(lines, start=1):
            entry = _entry(line, head, f"models {path}, line {number}")
            if until is None or pd.Timestamp(entry["on"]) <= until:
                models = _after(models, entry, f"models {path}, line {number}")
                entries.append(entry)
            head = hashlib.sha256(line).hexdigest()
        return cls(path, tuple(entries), models, head)

    def find(self, start: str) -> Model:
        """The model whose id begins with `start`.

        Raises
        ------
        GovernanceError
            None, or several.
        """
        found = [model for name, model in self.models.items() if start and name.startswith(start)]
        if len(found) != 1:
            how = "several models begin" if found else "no model begins"
            raise GovernanceError(f"models {self.path}: {how} with {start!r}; {nearest(start, self.models)}")
        return found[0]

    def champion(self, kind: str, use: str) -> Model | None:
        """The model that decides."""
        return _champion(self.models, kind, use)

    def trail(self, model: Model) -> pd.DataFrame:
        """What was done with a model: on, action, by, what."""
        rows = [
            (one["on"], one["action"], one["by"], ", ".join(f"{k} {one[k]}" for k in _FIELDS[one["action"]] if one[k]))
            for one in self.entries
            if one["model"] == model.id
        ]
        return pd.DataFrame(rows, columns=["on", "action", "by", "what"])


@takes_days
def enter(
    path: str | Path, identity: Identity, *, author: str, on: pd.Timestamp, start: str = "", end: str = "",
    use: str = "all",
) -> Model:  # fmt: skip
    """Enter a model as a draft.

    Raises
    ------
    GovernanceError
        It is registered already, or the author is not named.
    """
    fields = {"kind": identity.kind, "name": identity.name, "digest": identity.digest, "use": use, "start": start,
              "end": end}  # fmt: skip
    return _append(path, identity.id, "register", author, on, fields)


@takes_days
def validate(path: str | Path, model: str, *, result: str, report: str | Path, by: str, on: pd.Timestamp) -> Model:
    """Record a validation.

    Parameters
    ----------
    report : folder of a report whose run.json names this model's digest: it judged this model and no other

    Raises
    ------
    GovernanceError
        The report is of another model, says stop although the result is "passed", or the author validates himself.
    """
    found = Register.read(path).find(model)
    try:
        text = Path(report, "run.json").read_bytes()
        said = json.loads(text)
    except (OSError, ValueError) as error:
        raise GovernanceError(f"models: {report} is no report with a run.json ({error})") from error
    if found.digest not in _digests(said):
        raise GovernanceError(
            f"models: the report {report} is not about {found.id} ({found.name}): its run.json does not hold the "
            f"digest; run it on this {found.kind}"
        )
    stops = [name for name, verdict in said.get("verdicts", {}).items() if str(verdict).startswith("stop")]
    if result == "passed" and stops:
        raise GovernanceError(f"models: the report {report} says stop ({', '.join(stops)}); it is no passed validation")
    fields = {"result": result, "report": Path(report).name, "digest": hashlib.sha256(text).hexdigest()}
    return _append(path, found.id, "validate", by, on, fields)


@takes_days
def approve(
    path: str | Path, model: str, *, approver: str, on: pd.Timestamp, state: str = "champion", expires_on: str = ""
) -> Model:
    """Approve a model as challenger or champion; a champion before it in the same use is retired.

    Parameters
    ----------
    expires_on : last day of use; default a year after `on`

    Raises
    ------
    GovernanceError
        The approver is the author, a champion's validation is lacking or failed, the model is retired, or it would
        expire before it is approved.
    """
    last = expires_on or str((on + pd.DateOffset(years=1)).date())
    found = Register.read(path).find(model)
    return _append(path, found.id, "approve", approver, on, {"state": state, "expires_on": last})


@takes_days
def retire(path: str | Path, model: str, *, by: str, on: pd.Timestamp, reason: str) -> Model:
    """Take a model out of use for good.

    Raises
    ------
    GovernanceError
        It is retired already, or no reason is given.
    """
    return _append(path, Register.read(path).find(model).id, "retire", by, on, {"reason": reason})


def _append(path: str | Path, model: str, action: str, by: str, on: pd.Timestamp, fields: Mapping[str, str]) -> Model:
    """Check a step against the rules and write it; the file is replaced whole, so a killed process leaves the old."""
    path = Path(path)
    with _alone(path):
        known = Register.read(path)
        day = str(on.date())
        if known.entries and day < known.entries[-1]["on"]:
            raise GovernanceError(
                f"models {path}: the last entry is of {known.entries[-1]['on']}, this one would be of {day}; is the "
                "clock of this machine right?"
            )
        entry = {"previous": known.head, "on": day, "action": action, "model": model, "by": named(by, "person"),
                 **fields}  # fmt: skip
        models = _after(dict(known.models), entry, "models")
        line = json.dumps(entry, ensure_ascii=False)
        aside = path.with_name(f".{path.name}-{os.getpid()}")
        try:
            before = path.read_bytes() if path.exists() else b""
            with aside.open("wb") as file:
                file.write(before + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            raise GovernanceError(f"models {path} cannot be written: {error.strerror}") from error
        finally:
            aside.unlink(missing_ok=True)
    return models[model]


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time; the lock ends with its process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}-lock").open("a") as lock:
            with contextlib.suppress(ImportError):  # Windows has no fcntl
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise GovernanceError(f"models {path} cannot be written: {error.strerror}") from error


def _entry(line: bytes, head: str, where: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
        needed = ("previous", "on", "action", "model", "by", *_FIELDS[entry["action"]])
        if not all(isinstance(entry[name], str) for name in needed):
            raise ValueError("an entry holds texts only")
        pd.Timestamp(entry["on"])
    except (ValueError, KeyError, TypeError) as error:
        raise GovernanceError(f"{where}: no entry of a register ({error}); restore the file from a copy") from error
    if entry["previous"] != head:
        raise GovernanceError(
            f"{where}: does not follow the line before; a line was changed, taken out or moved: restore the file from "
            "a copy and enter the steps since with `credit-lab models`"
        )
    return entry


def _after(models: Mapping[str, Model], entry: Mapping[str, Any], where: str) -> dict[str, Model]:
    """The models after one more step, if the rules allow it."""
    known, name, by = dict(models), entry["model"], entry["by"]
    if entry["action"] == "register":
        if name in known:
            raise GovernanceError(f"{where}: {name} is registered already, by {known[name].author}")
        if entry["kind"] not in KINDS:
            raise GovernanceError(f"{where}: kind {entry['kind']!r}; {nearest(entry['kind'], KINDS)}")
        given = {field: entry[field] for field in _FIELDS["register"]}
        return {**known, name: Model(id=name, author=named(by, "author"), **given)}
    if name not in known:
        raise GovernanceError(f"{where}: model {name} is not registered; {nearest(name, known)}")
    model = known[name]
    if model.state == "retired":
        raise GovernanceError(f"{where}: {name} ({model.name}) is retired: {model.reason}; register another model")
    if entry["action"] == "retire":
        if not entry["reason"].strip():
            raise GovernanceError(f"{where}: say why {name} is retired")
        return {**known, name: dataclasses.replace(model, state="retired", reason=entry["reason"])}
    if same_person(by, model.author):
        raise GovernanceError(f"{where}: {by} made {name} and cannot {entry['action']} it; four eyes are needed")
    if entry["action"] == "validate":
        if entry["result"] not in ("passed", "failed"):
            raise GovernanceError(f"{where}: result {entry['result']!r}: passed or failed")
        seen = Validation(entry["result"], entry["report"], entry["digest"], by, entry["on"])
        lost = {} if entry["result"] == "passed" or model.state == "draft" else {"state": "draft", "expires_on": ""}
        return {**known, name: dataclasses.replace(model, validation=seen, **lost)}
    return _approved(known, model, entry, where)


def _approved(known: dict[str, Model], model: Model, entry: Mapping[str, Any], where: str) -> dict[str, Model]:
    state = entry["state"]
    if state not in ("challenger", "champion"):
        raise GovernanceError(f"{where}: state {state!r}: {' or '.join(STATES[1:3])}")
    if state == "champion" and (model.validation is None or model.validation.result != "passed"):
        lacking = "its validation failed" if model.validation else "it has no validation"
        raise GovernanceError(
            f"{where}: {model.id} ({model.name}) cannot become champion: {lacking}; `credit-lab models validate` first"
        )
    if not entry["expires_on"] or pd.Timestamp(entry["expires_on"]) < pd.Timestamp(entry["on"]):
        raise GovernanceError(f"{where}: {model.id} would expire on {entry['expires_on']}, before its approval")
    before = _champion(known, model.kind, model.use) if state == "champion" else None
    if before and before.id != model.id:
        known[before.id] = dataclasses.replace(before, state="retired", reason=f"replaced by {model.id}")
    known[model.id] = dataclasses.replace(
        model, state=state, approver=entry["by"], approved_on=entry["on"], expires_on=entry["expires_on"]
    )
    return known


def _champion(models: Mapping[str, Model], kind: str, use: str) -> Model | None:
    return next((m for m in models.values() if (m.kind, m.use, m.state) == (kind, use, "champion")), None)


def _digests(said: Any) -> set[str]:
    """All texts under keys ending in digest or digests, at any depth."""
    found: set[str] = set()
    for key, value in said.items() if isinstance(said, dict) else ():
        if str(key).endswith(("digest", "digests")):
            found.update(map(str, value if isinstance(value, list) else [value]))
        elif isinstance(value, dict):
            found |= _digests(value)
    return found
