"""The deck: what a review says in 8 to 12 slides, one message each, from its findings and its saved
tables.

Titles are sentences the report itself says, asked for by the ids of their records; charts are drawn
from the tables saved beside it. A slide whose table the ledger cannot give is left out; a record or
a table that is not there at all is named (`Story.missing`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from credit_lab import labels, language, spreadsheet, summary
from credit_lab.figures import canvas
from credit_lab.publish import gate, markup, show, slides
from credit_lab.publish.artefacts import Artefact, Figure, Heading, Sentences, Table, texts
from credit_lab.publish.slides import Chart, Grid, Series, Slide

_LONG = ("Ledger", "Evidence")  # facts of the cover and the notes alone


class Story:
    """What a report showed and saved, asked for by the ids of records and the names of tables.

    What is asked for and not there is remembered in `missing`: a slide is left out, never told by a
    neighbour.

    Parameters
    ----------
    name : of the notebook
    folder : with its saved tables
    shown : its records
    facts : of the cover, name → text
    """

    def __init__(
        self, name: str, folder: Path, shown: Sequence[Artefact], facts: dict[str, str]
    ) -> None:
        self.name, self.folder, self.facts = name, folder, facts
        self.heading = next((one for one in shown if isinstance(one, Heading)), None)
        self.currency = self.heading.about.currency if self.heading else ""
        self.missing: list[str] = []
        self.said = frozenset(texts(shown))  # all it may be quoted with
        self._known = {one.id: one for one in shown if one.id}

    def table(self, name: str) -> pd.DataFrame:
        """A saved table; empty where the ledger could not give it."""
        path = self.folder / "tables" / f"{name}.csv"
        try:
            return spreadsheet.read_csv(path)
        except pd.errors.EmptyDataError:
            return pd.DataFrame()
        except OSError:
            self._lacks(f"table {name}")
            return pd.DataFrame()

    def lines(self, id: str) -> tuple[str, ...]:
        """The sentences of a record, notes on day and period left out."""
        found = self._find(id)
        if not isinstance(found, Sentences):
            return ()
        return tuple(
            line for key, line in zip(found.keys, found.lines, strict=True) if key != show.NOTE
        )

    def line(self, id: str, key: str) -> str:
        """One sentence of a record by its key."""
        found = self._find(id)
        said = found.line(key) if isinstance(found, Sentences) else ""
        if found and not said:
            self._lacks(f"{id}, sentence {key}")
        return said

    def figure(self, id: str) -> Figure | None:
        """A figure; None where it is not shown, or withheld from a report that is shared."""
        found = self._find(id)
        return found if isinstance(found, Figure) else None

    def shown(self, id: str) -> Artefact | None:
        """A record; None where there is none."""
        return self._find(id)

    def _find(self, id: str) -> Artefact | None:
        if id not in self._known:
            self._lacks(id)
        return self._known.get(id)

    def _lacks(self, what: str) -> None:
        if what not in self.missing:
            self.missing.append(what)

    def sources(self, table: str, ids: Iterable[str] = ()) -> tuple[str, ...]:
        """Speaker notes: where the numbers of a slide come from; `ids` of formulas."""
        file = f"tables/{table}.csv" if table else "run.json"
        formulas = "; ".join(labels.formula(one, language.current()) for one in ids)
        facts = [f"{name}: {text}" for name, text in self.facts.items()]
        return (
            f"Source: {file}, notebook {self.name}.ipynb",
            f"Formulas: {formulas}" if formulas else "",
            *facts,
        )


def write(
    path: Path,
    story: Story,
    others: Sequence[tuple[str, str]],
    verdicts: dict[str, str],
    *,
    title: str,
    day: str,
) -> Path:
    """Write the deck of a review; `others` are findings of other notebooks: title, sentence.

    Raises
    ------
    Contradiction
        A slide says what no record says.
    """
    made = list(tell(story, others, verdicts, title))
    own = {title, _verdicts(story, verdicts).title, *(finding for _, finding in others)}
    gate.slides([slide.title for slide in made], story.said | own)
    return slides.write(path, made, title=title, day=day)


def lacking(story: Story, others: Sequence[tuple[str, str]], title: str) -> list[str]:
    """Ids and tables the deck asks for that the report does not have."""
    list(tell(story, others, {}, title))
    return story.missing


def tell(
    story: Story, others: Sequence[tuple[str, str]], verdicts: dict[str, str], title: str
) -> Iterator[Slide]:
    """The slides in their order."""
    lines = [story.heading.line] if story.heading else []
    lines += [f"{name}: {text}" for name, text in story.facts.items()]
    yield Slide(title, tuple(lines), "", story.sources(""))
    yield _verdicts(story, verdicts)
    found = story.lines("review.headline")[:6]
    if found:
        yield Slide(found[0], found[1:], _facts(story), story.sources("kpis"))
    builders: tuple[Callable[[Story], Slide | None], ...] = (
        _kpis,
        _aging,
        _dso,
        _bridge,
        _losses,
        _exposure,
        _cash,
        _limits,
        _earlier,
    )
    yield from [slide for build in builders if (slide := build(story)) is not None][
        : 9 if not others else 8
    ]
    if others:
        rows = tuple((name, finding) for name, finding in others if finding)
        yield Slide(
            rows[0][1],
            Grid(("step", "finding"), rows, widths=(0.22, 0.78)),
            _facts(story),
            story.sources(""),
        )


def _facts(story: Story) -> str:
    """Small print: all facts but the long ones, which the notes have."""
    short = {name: text for name, text in story.facts.items() if name not in _LONG}
    return " · ".join(f"{name}: {text}" for name, text in short.items())


def _verdicts(story: Story, verdicts: dict[str, str]) -> Slide:
    parts = [(name, *text.partition(": ")[::2]) for name, text in verdicts.items()]
    bad = [f"{name} ({reason})" for name, light, reason in parts if light in ("act", "stop")]
    open_ = [f"{name} ({reason})" for name, light, reason in parts if light in summary.UNKNOWN]
    said = (
        f"{len(bad)} of {len(parts)} checks ask for action: {'; '.join(bad)}"
        if bad
        else f"{len(open_)} of {len(parts)} checks cannot be judged: {'; '.join(open_)}"
        if open_
        else f"All {len(parts)} checks are ok"
    )
    grid = Grid(
        ("light", "check", "why"),
        tuple((light, name, reason) for name, light, reason in parts),
        widths=(0.1, 0.4, 0.5),
    )
    return Slide(
        said, grid, _facts(story), story.sources(""), tuple(light for _, light, _ in parts)
    )


_COMPARED = ("value", "policy_target", "previous", "change", "year_before", "change_year")


def _kpis(story: Story) -> Slide | None:
    table = story.table("kpis")
    if table.empty:
        return None
    rows = tuple(
        (
            row["name"],
            labels.unit(row["unit"], language.current()),
            row["window"] if isinstance(row["window"], str) else "",
            *(
                markup.cell(_number(row[name]), markup.unit_of(name, "by row", row["unit"]))
                for name in _COMPARED
            ),
        )
        for _, row in table.iterrows()
    )
    last = ("value", "target", "before", "change", "last year", "change")
    head = ("key figure", "unit", "window", *last)
    widths = (0.23, 0.085, 0.235, 0.07, 0.07, 0.07, 0.085, 0.07, 0.085)
    grid = Grid(head, rows, right=tuple(range(3, len(head))), widths=widths)
    title, shown = story.line("review.headline", "dso"), story.shown("kpi.figures")
    note = f"{shown.caption} · {_facts(story)}" if isinstance(shown, Table) else _facts(story)
    return Slide(title, grid, note, story.sources("kpis", table["formula_id"])) if title else None


def _number(value: object) -> float:
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[arg-type]


def _values(column: pd.Series, scale: float = 1.0) -> tuple[float | None, ...]:
    return tuple(None if pd.isna(value) else float(value) / scale for value in column)


def _slide(figure: Figure | None, chart: Chart, sources: tuple[str, ...]) -> Slide | None:
    return Slide(figure.finding, chart, figure.note, sources) if figure and figure.finding else None


def _aging(story: Story) -> Slide | None:
    table, figure = story.table("aging_series"), story.figure("aging.chart")
    if table.empty or figure is None:
        return None
    names = list(table.columns[1 : list(table.columns).index("unapplied_cash")])
    scale, unit = canvas.scale(table["open"].astype(float), story.currency)
    series = tuple(
        Series(
            "not due" if name == "not_due" else f"{name} days", _values(table[name], scale), colour
        )
        for name, colour in zip(names, canvas.AGES, strict=False)
    )
    chart = Chart("columns", tuple(table["as_of"].str[:7]), series, unit, "#,##0.0", figure.alt)
    return _slide(figure, chart, story.sources("aging_series"))


def _dso(story: Story) -> Slide | None:
    table, figure = story.table("kpi_series"), story.figure("kpi.dso")
    if table.empty or figure is None:
        return None
    ids = ("dso.period_end", "dso.countback", "dso.best_possible")
    series = tuple(
        Series(labels.formula(name, language.current()), _values(table[name]), colour)
        for name, colour in zip(ids, (canvas.BLUE, canvas.ORANGE, canvas.GREY), strict=True)
    )
    chart = Chart("lines", tuple(table["month"].str[:7]), series, "days", "#,##0", figure.alt)
    return _slide(figure, chart, story.sources("kpi_series", ids))


def _bridge(story: Story) -> Slide | None:
    table, figure = story.table("bridge"), story.figure("kpi.bridge_chart")
    if table.empty or figure is None:
        return None
    amount = table["amount"].astype(float)
    rows = tuple(
        (
            language.value(str(part), "part", ()),
            markup.cell(_number(days), "days"),
            markup.cell(_number(value), story.currency),
        )
        for part, days, value in zip(table["part"], table["days"], amount, strict=True)
    )
    grid = Grid(
        ("part", "days", language.unit_of(story.currency) or "amount"),
        rows,
        right=(1, 2),
        widths=(0.5, 0.2, 0.3),
    )
    return Slide(figure.finding, grid, figure.note, story.sources("bridge", ("kpi.bridge",)))


def _losses(story: Story) -> Slide | None:
    table = story.table("losses_allowance")
    if table.empty:
        return None
    currency = story.currency
    scale, unit = canvas.scale(table["allowance"].astype(float), currency)
    series = (Series("allowance", _values(table["allowance"], scale), canvas.BLUE),)
    alt = "Columns: loss allowance by age of the open invoices"
    ages = tuple(language.value(name, "bucket", ()) for name in table["bucket"])
    chart = Chart("columns", ages, series, unit, "#,##0.0##", alt)
    said = story.lines("losses.headline")
    return Slide(said[0], chart, _facts(story), story.sources("losses_allowance")) if said else None


def _exposure(story: Story) -> Slide | None:
    table, figure = story.table("balances").head(15).iloc[::-1], story.figure("exposure.chart")
    if table.empty or figure is None:
        return None
    names = table["name"].fillna(table["customer_id"]) if "name" in table else table["customer_id"]
    labels = tuple(slides.cut(str(name), 2.6, 12) for name in names)
    series = (Series("share of receivables", _values(table["share"]), canvas.BLUE),)
    chart = Chart("bars", labels, series, "share of receivables", "0.0%", figure.alt)
    return _slide(figure, chart, story.sources("balances"))


def _cash(story: Story) -> Slide | None:
    table, figure = story.table("collections_weekly"), story.figure("cash.chart")
    if table.empty or figure is None:
        return None
    scale, unit = canvas.scale(table["p90"].astype(float), story.currency)
    kinds = (
        ("p90", "90 % quantile", canvas.GREY),
        ("p50", "median", canvas.BLUE),
        ("p10", "10 % quantile", canvas.GREY),
    )
    series = tuple(
        Series(said, _values(table[name], scale), colour) for name, said, colour in kinds
    )
    chart = Chart(
        "lines", tuple(table["period_end"].str[5:10]), series, unit, "#,##0.0", figure.alt
    )
    return _slide(figure, chart, story.sources("collections_weekly"))


def _limits(story: Story) -> Slide | None:
    table, said = story.table("limits_summary"), story.lines("limits.headline")
    if table.empty or not said:
        return None
    rows = tuple(
        tuple(_cell(row[name], str(name), story.currency) for name in table)
        for row in table.to_dict("records")
    )
    head = tuple(language.title(str(name)) for name in table)
    return Slide(
        said[0],
        Grid(head, rows, tuple(range(1, len(head)))),
        _facts(story),
        story.sources("limits_summary"),
    )


def _cell(value: object, column: str, unit: str) -> str:
    if isinstance(value, str):
        return language.value(value, column, ())
    return markup.cell(value, unit)


def _earlier(story: Story) -> Slide | None:
    table = story.table("earlier_forecasts")
    if table.empty or not table["low"].notna().any():
        return None
    table = table[table["low"].notna()].tail(26)
    scale, unit = canvas.scale(table["high"].astype(float), story.currency)
    kinds = (
        ("high", "upper end", canvas.GREY),
        ("low", "lower end", canvas.GREY),
        ("point", "forecast", canvas.BLUE),
        ("observed", "came", canvas.ORANGE),
    )
    series = tuple(
        Series(said, _values(table[name], scale), colour) for name, said, colour in kinds
    )
    alt = "Lines: forecasts of earlier reviews with their intervals against what came"
    chart = Chart("lines", tuple(table["target"].str[5:10]), series, unit, "#,##0.0", alt)
    said = story.lines("forecasts.headline")
    return (
        Slide(said[0], chart, _facts(story), story.sources("earlier_forecasts")) if said else None
    )
