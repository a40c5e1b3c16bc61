"""The files a policy is written in: a file may name another one as its base and give what differs.

    base = "2025-baseline"

    [meta]
    id = "2026-proposal"
    valid_from = 2026-01-01
    approved_by = "proposal"
    description = "longer terms"

    [holds]
    overdue_days = 60

Tables are merged setting by setting, lists (grades, stages, alerts) are replaced whole. `[meta]` is
the file's own, but for the currency: that of the inherited amounts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from credit_lab import file_names, toml_file, workbench
from credit_lab.errors import PolicyError, nearest

SHIPPED = "data/policies"


@dataclass(frozen=True)
class Layer:
    """One file of a policy.

    path : as it was given or found
    content : what stands in it, the name of its base included
    """

    path: Path
    content: dict[str, Any]


def read(path: str | Path) -> tuple[Layer, ...]:
    """A policy file and its bases, the file itself first.

    Parameters
    ----------
    path : of the file

    Raises
    ------
    PolicyError
        A file is missing or no TOML; a base is unknown, in another currency, or leads in a circle.
    """
    layers = [_layer(path)]
    while "base" in layers[-1].content:
        found = _base(layers[-1])
        ways = [*(layer.path for layer in layers), found]
        if found.resolve() in [layer.path.resolve() for layer in layers]:
            circle = " -> ".join(map(str, ways))
            raise PolicyError(
                f"policy {path}: base leads in a circle: {circle}; one of these files must give "
                "every setting and no base"
            )
        layers.append(_layer(found))
    _one_currency(layers)
    return tuple(layers)


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """The settings of a policy, those of a file before those of its base.

    Parameters
    ----------
    layers : as `read` gives them
    """
    whole: dict[str, Any] = {}
    for layer in reversed(layers):
        currency = _currency(whole)
        inherited = {} if currency is None else {"currency": currency}
        whole = _over({**whole, "meta": inherited}, layer.content)
    whole.pop("base", None)
    return whole


def giver(layers: Sequence[Layer], place: Sequence[str | int]) -> Path:
    """The file that gives a setting, or would have to where none does.

    Parameters
    ----------
    layers : as `read` gives them
    place : section, setting and what is in it, as in ("holds", "wait_days")
    """
    if place[0] == "meta":
        return layers[0].path
    for layer in layers:
        value: Any = layer.content
        for part in place:
            if not isinstance(value, dict):
                return layer.path
            if part not in value:
                break
            value = value[part]
        else:
            return layer.path
    return layers[-1].path


def bases(path: str | Path) -> tuple[Path, ...]:
    """Files that a policy file builds on; none where it is no policy file or cannot be read.

    Parameters
    ----------
    path : of a file
    """
    try:
        return tuple(layer.path for layer in read(path)[1:])
    except PolicyError:
        return ()


def _layer(path: str | Path) -> Layer:
    return Layer(Path(path), toml_file.read(path, "policy", PolicyError, SHIPPED))


def _base(layer: Layer) -> Path:
    """The file of a layer's base: beside it, else among those of the workbench or the package."""
    name, where = layer.content["base"], f"policy {layer.path}: base"
    if not isinstance(name, str):
        raise PolicyError(f"{where}: give a file's name without .toml, in quotes (given: {name!r})")
    plain = file_names.inside(name, where, PolicyError)
    folders = [layer.path.parent, *_shipped()]
    for folder in folders:
        if (file := folder / f"{plain}.toml").is_file():
            return file
    known = {file.stem for folder in folders for file in folder.glob("*.toml")} - {layer.path.stem}
    places = f"{layer.path.parent} or {SHIPPED}"
    way_out = nearest(plain, known)
    raise PolicyError(f"{where} {name!r}: there is no {plain}.toml in {places}; {way_out}")


def _shipped() -> Iterator[Path]:
    yield Path(*workbench.paths(SHIPPED))
    if home := workbench.bundled():
        yield home / SHIPPED


def _one_currency(layers: Sequence[Layer]) -> None:
    """Amounts that are inherited keep their currency: 4,000 CNY are no 4,000 USD."""
    given = [layer for layer in layers if _currency(layer.content) is not None]
    for own, base in pairwise(given):
        code, other = _currency(own.content), _currency(base.content)
        if code != other:
            raise PolicyError(
                f"policy {own.path}: meta.currency: {code}, but amounts inherited from {base.path} "
                f"are in {other}; leave meta.currency out, or give every setting and no base"
            )


def _currency(content: Mapping[str, Any]) -> Any:
    meta = content.get("meta")
    return meta.get("currency") if isinstance(meta, dict) else None


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged, everything else replaced."""
    both = {
        key: _over(base[key], value)
        for key, value in own.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **own, **both}
