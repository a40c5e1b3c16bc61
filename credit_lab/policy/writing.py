"""Writing a policy file: the record as TOML, every setting with its unit and meaning as a comment."""

import json
import math
from pathlib import Path
from typing import Any

from credit_lab.errors import PolicyError
from credit_lab.policy.sections import Policy, Section

HEAD = (
    "# Credit policy: every setting is required, an unknown one is refused.",
    "# Shares are fractions (2 % is 0.02), money is in meta.currency, days are calendar days.",
)


def to_toml(policy: Policy) -> str:
    """The text of a policy file that `load` reads back as the same policy."""
    lines = [*HEAD]
    for name, section in policy:
        lines += ["", f"[{name}]  # {(type(section).__doc__ or '').strip().splitlines()[0].rstrip('.')}"]
        for key, info in type(section).model_fields.items():
            value = getattr(section, key)
            extra = info.json_schema_extra
            unit = extra.get("unit", "") if isinstance(extra, dict) else ""
            remark = f"  # {f'{unit}: ' if unit else ''}{info.description}"
            if isinstance(value, tuple) and value and isinstance(value[0], Section):
                lines += [f"{key} = [{remark}", *(f"    {_inline(item)}," for item in value), "]"]
            else:
                lines.append(f"{key} = {_value(value)}{remark}")
    return "\n".join(lines) + "\n"


def save(policy: Policy, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a policy file, whole or not at all.

    Raises
    ------
    PolicyError
        There is a file of that name already, or the folder cannot be written to.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise PolicyError(f"policy {path} exists already; choose another name, a policy in use is not overwritten")
    put(path, to_toml(policy))
    return path


def put(path: Path, text: str) -> None:
    """Write a text to a file, whole or not at all, line breaks as they are.

    Parameters
    ----------
    path : of the file; its folder is made where there is none
    text : the whole content

    Raises
    ------
    PolicyError
        The folder cannot be written to.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        raise PolicyError(f"policy {path} cannot be written ({error.strerror}); choose another folder") from error


def _inline(section: Section) -> str:
    given = ((key, value) for key, value in section if value is not None)
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in given) + " }"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, float):
        whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
        return str(int(value)) if whole else repr(value)
    return str(value)
