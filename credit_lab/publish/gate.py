"""The consistency gate: what a report says in two places is one thing, or nothing is published.

It reads what was shown (`artefacts`) and saved (`tables/*.csv`, from which deck and workbook are
made), and computes nothing of the business. A fact is an id and a raw value (`credit_lab.facts`):
sentences, figures, notes and lights carry those they state, tables give theirs by `RULES`. It
refuses

- two values of one fact, whatever the notebooks they stand in;
- a text or a figure's words that print another number than the fact they state;
- a limit that is raised while an alert holds the customer's new orders;
- a green light that rests on no fact, on one that is not known, or on words that say as much.

Equal means equal as raw values: only the noise of adding binary fractions is let pass, and in saved
tables what `show.save` rounds.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from credit_lab import spreadsheet, summary
from credit_lab.errors import ReportError
from credit_lab.language import say
from credit_lab.ledger import sharing
from credit_lab.publish.artefacts import Artefact, Figure, Heading, Note, Sentences, Table, Verdicts
from credit_lab.rules.holds import holds_orders

# By id of a record and name of a saved table: the facts their rows give. A fact's id may name
# columns of the row, the report's day (as_of) and the last period (until); rows with the same id
# are added up. A column may also be "#" (rows) or "#column" (different values of it).
_ALLOWANCE = (("allowance@{as_of}", "allowance"), ("open@{as_of}", "open"))
_BACK = (("allowance_then@{as_of}", "allowance"), ("lost_since@{as_of}", "lost"))
_CASH = (("cash@{period_end}", "mean"), ("cash_to@{until}", "mean"))
_DECIDED = (
    ("change:{customer_id}", "change"),
    ("limit:{customer_id}", "credit_limit"),
    ("grade:{customer_id}", "grade"),
)
_HELD = (("hold:{customer_id}", "action"),)
_KPIS = (("{formula_id}@{as_of}", "value"),)
_LETTERS = (("asked.customers@{as_of}", "#customer_id"), ("asked.amount@{as_of}", "amount"))
_LIMITS = (
    ("limits.total@{as_of}", "after"),
    ("limits.{change}@{as_of}", "customers"),
    ("limits.{change}_after@{as_of}", "after"),
)
_OVER = (("over.holders@{as_of}", "#holder"), ("over.headroom@{as_of}", "headroom"))
_OVERDUE = (("overdue@{as_of}", "open_amount"),)
_OWED = (("balance@{as_of}", "exposure"), ("overdue@{as_of}", "overdue"))
_ROWS = (("rows.{disposition}", "rows"), ("rows.read", "rows"))
_SERIES = (("balance@{as_of}", "balance"), ("open@{as_of}", "open"))
_WORK = (("asked.customers@{as_of}", "#customer_id"), ("asked.amount@{as_of}", "open_amount"))
RULES: Mapping[str, Sequence[tuple[str, str]]] = {
    **dict.fromkeys(("quality.rows", "accounting", "quality_accounting"), _ROWS),
    **dict.fromkeys(("control.identity", "identity"), (("control.{line}@{as_of}", "amount"),)),
    **dict.fromkeys(("aging.series", "aging_series"), _SERIES),
    **dict.fromkeys(("aging.buckets", "aging_now"), (("balance@{as_of}", "open_amount"),)),
    **dict.fromkeys(("kpi.figures", "kpis"), _KPIS),
    "kpi_series": tuple(
        (f"{name}@{{month}}", name)
        for name in ("dso.period_end", "dso.countback", "dso.best_possible", "add", "cei")
    ),
    **dict.fromkeys(("exposure.largest", "balances"), _OWED),
    **dict.fromkeys(
        ("exposure.concentration", "concentration"), (("share.{measure}@{as_of}", "value"),)
    ),
    **dict.fromkeys(("overdue.items", "overdue"), _OVERDUE),
    **dict.fromkeys(("losses.allowance", "losses_allowance"), _ALLOWANCE),
    **dict.fromkeys(("losses.backtest", "losses_backtest"), _BACK),
    **dict.fromkeys(
        ("losses.dso_bridge", "losses_bridge"), (("dso_moved.{segment}@{as_of}", "total"),)
    ),
    **dict.fromkeys(("cash.weekly", "cash_weekly", "collections_weekly"), _CASH),
    "collection.letters": (("asked.customers@{as_of}", "letters"), *_LETTERS),
    "collections_letters": (("asked.customers@{as_of}", "letters"), _LETTERS[1]),
    "desk_letters": _LETTERS,
    **dict.fromkeys(("collection.worklist", "desk_worklist"), _WORK),
    **dict.fromkeys(("warning.alerts", "alerts", "warning.now", "warning_now"), _HELD),
    **dict.fromkeys(("limits.summary", "limits_summary"), _LIMITS),
    **dict.fromkeys(("limits.over", "limits_over"), _OVER),
    "limits.changes": _DECIDED,
    "limits.notices": _DECIDED[1:2],
    "limits_decisions": (("limits.total@{as_of}", "credit_limit"), *_DECIDED),
    "limits.proposed": _DECIDED[2:],
    "proposals": _DECIDED[2:],
    **dict.fromkeys(("limits.workload", "limits_workload"), (("hours.{policy}@{as_of}", "hours"),)),
    "evaluation.grades": (("evaluated.{grade}@{as_of}", "customers"),),
    "claims.verdicts": (("claim.{claim}", "estimate"),),
    "claims": (("claim.{claim}", "estimate"),),
}
# A number as it is printed, and what stands behind it.
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])[-+]?(\d[\d,]*)(\.\d+)?\s?(%|pp|percentage points|thousand|million|万|亿)?"
)
_TIMES = {
    "%": 0.01,
    "pp": 0.01,
    "percentage points": 0.01,
    "thousand": 1e3,
    "million": 1e6,
    "万": 1e4,
    "亿": 1e8,
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOST = 20  # contradictions that are named


class Contradiction(ReportError):
    """A report says two things of one, or more than it has evidence for; both places are named."""


class Fact(NamedTuple):
    """What one place says: id, raw value (None: not known), place, and how far it was rounded."""

    id: str
    value: Any
    place: str
    rounded: float = 0.0


def check(parts: Mapping[str, tuple[Sequence[Artefact], Path, Mapping[str, str]]]) -> None:
    """Refuse what contradicts itself.

    Parameters
    ----------
    parts : name of a notebook → what it showed, its folder, its verdicts as run.json has them

    Raises
    ------
    Contradiction
        One line for each: what, and both places with their values.
    """
    facts: list[Fact] = []
    wrong: list[str] = []
    for name, (shown, folder, verdicts) in parts.items():
        for one in shown:
            place = f"{name}.ipynb, {one.id or type(one).__name__.lower()}"
            wrong += [line for said in _texts(one) for line in _unsaid(*said, place)]
            facts += _stated(one, place)
        wrong += _unlit(name, shown, verdicts)
        facts += _saved(shown, name, folder)
    wrong += [*_differing(facts), *_held_and_raised(facts)]
    if wrong:
        more = f"\nand {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        lines = "\n".join(dict.fromkeys(wrong[:_MOST]))
        said = "the report contradicts itself, so it is not published"
        raise Contradiction(f"{said}:\n{lines}{more}")


def slides(titles: Iterable[str], said: Collection[str]) -> None:
    """Refuse a deck one of whose messages no record says.

    Parameters
    ----------
    titles : of the slides, each the message of one
    said : what the records of the report say, compared by `check`

    Raises
    ------
    Contradiction
        Which slide, and its message.
    """
    own = [f"slide {at}: {title}" for at, title in enumerate(titles, start=1) if title not in said]
    if own:
        raise Contradiction("the deck says what no record says:\n" + "\n".join(own))


def _stated(one: Artefact, place: str) -> Iterator[Fact]:
    """The facts of a record."""
    for facts, _ in _texts(one):
        yield from (Fact(id, value, place) for id, value in facts.items())
    if isinstance(one, Heading) and one.about.as_of:
        yield Fact("as_of", one.about.as_of, place)
        yield Fact("currency", one.about.currency, place)
    if isinstance(one, Table) and not one.masked:
        names = [column.name for column in one.columns]
        rules = list(RULES.get(one.id, ()))
        if "customer_id" in names:
            rules += [(f"{name}:{{customer_id}}", name) for name in names if name.endswith("grade")]
        if len(one.rows) < one.total_rows:  # what is not there cannot be added up
            rules = [rule for rule in rules if "{customer_id}" in rule[0]]
        cells = [dict(zip(names, row, strict=True)) for row in one.rows]
        yield from _of_rows(cells, dict.fromkeys(rules), one.about.as_of, place)


def _saved(shown: Sequence[Artefact], name: str, folder: Path) -> Iterator[Fact]:
    """The facts of the saved tables, from which slides and sheets are made."""
    as_of = next((one.about.as_of for one in shown if one.about.as_of), "")
    if sharing.current().min_cell:
        return  # rows of single customers and small groups are not in them
    for path in sorted((folder / "tables").glob("*.csv")):
        if rules := RULES.get(path.stem):
            text = path.read_text(encoding="utf-8-sig").strip()
            frame = spreadsheet.read_csv(path) if text else None
            rows = [] if frame is None else frame.to_dict("records")
            cells = [{key: summary.plain(cell) for key, cell in row.items()} for row in rows]
            place = f"{name}/tables/{path.name}"
            yield from _of_rows(cells, rules, as_of, place, saved=True)


def _of_rows(
    rows: Sequence[Mapping[str, Any]],
    rules: Iterable[tuple[str, str]],
    as_of: str,
    place: str,
    saved: bool = False,
) -> Iterator[Fact]:
    """The facts that rows give by rules; none where a column is not there, or a value to add."""
    about = {"as_of": as_of, "until": rows[-1].get("period_end") if rows else ""}
    for template, column in rules:
        cells: dict[str, list[Any]] = defaultdict(list)
        key = column.strip("#")
        for row in rows:
            if key in row:
                try:
                    cells[template.format_map({**about, **row})].append(row[key])
                except KeyError:
                    break
        for id, values in cells.items():
            if column.startswith("#"):
                yield Fact(id, len(set(values)), place)
            elif template.startswith("hold:"):
                if any(holds_orders(str(value)) for value in values):
                    yield Fact(id, True, place)
            elif all(isinstance(value, int | float) for value in values):
                slack = sum(0.005 if abs(value) >= 1000 else 5e-9 for value in values)
                whole = all(isinstance(value, int) for value in values)
                total = sum(values) if whole else math.fsum(values)
                yield Fact(id, total, place, slack if saved else 0.0)
            elif len(values) == 1 or None not in values:
                yield from (Fact(id, value, place) for value in dict.fromkeys(values))


def _differing(facts: Iterable[Fact]) -> Iterator[str]:
    """Facts with two values, each once."""
    first: dict[str, Fact] = {}
    named = set[str]()
    for fact in facts:
        other = first.setdefault(fact.id, fact)
        if fact.id not in named and not _same(fact, other):
            named.add(fact.id)
            yield (
                f"{fact.id}: {_value(other.value)} ({other.place}), but {_value(fact.value)} "
                f"({fact.place})"
            )


def _same(a: Fact, b: Fact) -> bool:
    if not all(isinstance(one.value, int | float) for one in (a, b)):
        return bool(a.value == b.value)
    noise = 1e-14 * max(abs(a.value), abs(b.value))  # of adding binary fractions
    return abs(a.value - b.value) <= noise + a.rounded + b.rounded


def _value(value: Any) -> str:
    if value is None:
        return summary.NOT_KNOWN
    return f"{value:,}" if isinstance(value, int | float) else str(value) or "empty"


def _held_and_raised(facts: Iterable[Fact]) -> Iterator[str]:
    """Customers whose new orders are held and whose limit is raised."""
    facts = list(facts)
    held = {fact.id.partition(":")[2]: fact for fact in facts if fact.id.startswith("hold:")}
    for fact in facts:
        name, _, customer = fact.id.partition(":")
        if name == "change" and fact.value == "raise" and customer in held:
            place = held.pop(customer).place
            yield (
                f"{customer}: new orders are held ({place}), but the limit is raised ({fact.place})"
            )


def _texts(one: Artefact) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Texts of a record with the facts they state."""
    match one:
        case Sentences():
            yield from zip(one.facts, one.lines, strict=False)
        case Note():
            yield one.facts, one.text
        case Figure():
            yield one.facts, " ".join((one.finding, *one.panels, one.alt))
        case Verdicts():
            yield from ((light.facts, light.reason) for light in one.lights)


def _unsaid(facts: Mapping[str, Any], text: str, place: str) -> Iterator[str]:
    """Numbers of facts that their own text does not print."""
    printed = list(_printed(text))
    for id, value in facts.items():
        if isinstance(value, int | float) and not any(
            abs(abs(value) - number) <= half for number, half in printed
        ):
            yield f"{id}: {_value(value)} ({place}), but its text says: {text}"


def _printed(text: str) -> Iterator[tuple[float, float]]:
    """The numbers of a text: as printed, and half a unit of their last digit."""
    for whole, digits, unit in _NUMBER.findall(_DAY.sub("", text)):
        times = _TIMES.get(unit, 1.0)
        half = 0.5 * 10.0 ** -max(len(digits) - 1, 0) * (1 + 1e-9)
        number = float(whole.replace(",", "") + digits)
        yield from ((number * factor, half * factor) for factor in {times, 1.0})


def _unlit(name: str, shown: Sequence[Artefact], verdicts: Mapping[str, str]) -> Iterator[str]:
    """Green lights without evidence."""
    verdict = (one for one in shown if isinstance(one, Verdicts))
    lights = {light.name: (one.id, light) for one in verdict for light in one.lights}
    for title, (id, light) in lights.items():
        if light.light != summary.OK:
            continue
        unknown = [fact for fact, value in light.facts.items() if value is None]
        words = (*summary.UNKNOWN, *map(say, summary.UNKNOWN), "nothing was")
        unknown += [word for word in dict.fromkeys(words) if word in light.reason]
        if unknown or not light.facts:
            why = f"{', '.join(unknown)} in it" if unknown else "no fact it rests on"
            yield f"{title}: green ({name}.ipynb, {id}: {light.reason}), but {why}"
    for title, text in verdicts.items():
        if say(title) in lights:
            yield from _unsaid(lights[say(title)][1].facts, text, f"{name}/run.json")
        if text.startswith(f"{summary.OK}:") and (
            say(title) not in lights or lights[say(title)][1].light != summary.OK
        ):
            yield f"{title}: green ({name}/run.json: {text}), but no light shown says so"
