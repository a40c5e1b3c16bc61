"""The deck: what a review says in 8 to 12 slides, one message each, from its findings and its saved tables.

Titles are sentences the report itself says; charts are drawn from the tables saved beside it. A slide whose table the
ledger cannot give is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from credit_lab import labels, language, spreadsheet, summary
from credit_lab.figures import canvas
from credit_lab.publish import show, slides
from credit_lab.publish.artefacts import Artefact, Figure, Heading, Sentences
from credit_lab.publish.slides import Chart, Grid, Series, Slide


class Story:
    """What the review notebook showed and saved, by number of section and by name of table."""

    def __init__(self, name: str, folder: Path, shown: Sequence[Artefact], facts: dict[str, str]) -> None:
        self.name, self.folder, self.shown, self.facts = name, folder, shown, facts
        self.currency = facts.get("Amounts in", "").partition(",")[0]

    def table(self, name: str) -> pd.DataFrame:
        """A saved table; empty if the ledger could not give it."""
        path = self.folder / "tables" / f"{name}.csv"
        try:
            return spreadsheet.read_csv(path)
        except (OSError, pd.errors.EmptyDataError):
            return pd.DataFrame()

    def sentence(self, section: str, at: int = 0) -> str:
        """A finding of a section: "" before the first one, else its number."""
        lines = [line for one in self._of(section) if isinstance(one, Sentences) for line in one.lines]
        return lines[at] if at < len(lines) else ""

    def figure(self, section: str, at: int = 0) -> Figure | None:
        """A figure of a section."""
        found = [one for one in self._of(section) if isinstance(one, Figure)]
        return found[at] if at < len(found) else None

    def _of(self, section: str) -> list[Artefact]:
        return [one for one in self.shown if one.section.partition(" ")[0] == section]

    def sources(self, table: str, ids: Iterable[str] = ()) -> tuple[str, ...]:
        """Speaker notes: where the numbers of a slide come from; `ids` of formulas."""
        file = f"tables/{table}.csv" if not self.table(table).empty else "run.json"
        formulas = "; ".join(labels.formula(one, language.current()) for one in ids)
        facts = [f"{name}: {text}" for name, text in self.facts.items()]
        return (
            f"Source: {file}, notebook {self.name}.ipynb",
            f"Formulas: {formulas}" if formulas else "",
            *facts,
        )


def write(
    path: Path, story: Story, others: Sequence[tuple[str, str]], verdicts: dict[str, str], *, title: str, day: str
) -> Path:
    """Write the deck of a review; `others` are findings of other notebooks: title, sentence."""
    return slides.write(path, list(tell(story, others, verdicts, title)), title=title, day=day)


def tell(story: Story, others: Sequence[tuple[str, str]], verdicts: dict[str, str], title: str) -> Iterator[Slide]:
    """The slides in their order."""
    head = next((one for one in story.shown if isinstance(one, Heading)), None)
    lines = [head.line] if head else []
    lines += [f"{name}: {text}" for name, text in story.facts.items()]
    yield Slide(title, tuple(lines), "", story.sources(""))
    yield _verdicts(story, verdicts)
    found = [story.sentence("", at) for at in range(6)]
    if found[0]:
        yield Slide(found[0], tuple(line for line in found[1:] if line), _facts(story), story.sources("kpis"))
    builders: tuple[Callable[[Story], Slide | None], ...] = (
        _kpis, _aging, _dso, _bridge, _losses, _exposure, _cash, _limits, _earlier,
    )  # fmt: skip
    yield from [slide for build in builders if (slide := build(story)) is not None][: 9 if not others else 8]
    if others:
        rows = tuple((name, finding) for name, finding in others if finding)
        yield Slide(rows[0][1], Grid(("step", "finding"), rows, widths=(0.22, 0.78)), _facts(story), story.sources(""))


def _facts(story: Story) -> str:
    """Small print: all facts but the path of the ledger, which the notes have."""
    return " · ".join(f"{name}: {text}" for name, text in story.facts.items() if name != "Ledger")


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
        ("light", "check", "why"), tuple((light, name, reason) for name, light, reason in parts), widths=(0.1, 0.4, 0.5)
    )
    return Slide(said, grid, _facts(story), story.sources(""), tuple(light for _, light, _ in parts))


def _kpis(story: Story) -> Slide | None:
    table = story.table("kpis")
    if table.empty:
        return None
    rows = tuple(
        (row.name_, *(show.cell(_number(value), row.unit) for value in (row.value, row.previous, row.change)),
         labels.unit(row.unit, language.current()))
        for row in table.rename(columns={"name": "name_"}).itertuples()
    )  # fmt: skip
    head = ("key figure", "now", "before", "change", "unit")
    grid = Grid(head, rows, right=(1, 2, 3), widths=(0.4, 0.15, 0.15, 0.15, 0.15))
    said = story.sentence("", 1) or story.sentence("")
    return Slide(said, grid, _facts(story), story.sources("kpis", table["formula_id"]))


def _number(value: object) -> float:
    return float("nan") if pd.isna(value) else float(value)  # type: ignore[arg-type]


def _values(column: pd.Series, scale: float = 1.0) -> tuple[float | None, ...]:
    return tuple(None if pd.isna(value) else float(value) / scale for value in column)


def _slide(figure: Figure | None, chart: Chart, sources: tuple[str, ...]) -> Slide | None:
    return Slide(figure.finding, chart, figure.note, sources) if figure and figure.finding else None


def _aging(story: Story) -> Slide | None:
    table, figure = story.table("aging_series"), story.figure("2")
    if table.empty or figure is None:
        return None
    names = list(table.columns[1 : list(table.columns).index("unapplied_cash")])
    scale, unit = canvas.scale(table["open"].astype(float), story.currency)
    series = tuple(
        Series("not due" if name == "not_due" else f"{name} days", _values(table[name], scale), colour)
        for name, colour in zip(names, canvas.AGES, strict=False)
    )
    chart = Chart("columns", tuple(table["as_of"].str[:7]), series, unit, "#,##0.0", figure.alt)
    return _slide(figure, chart, story.sources("aging_series"))


def _dso(story: Story) -> Slide | None:
    table, figure = story.table("kpi_series"), story.figure("3", 0)
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
    table, figure = story.table("bridge"), story.figure("3", 1)
    if table.empty or figure is None:
        return None
    amount = table["amount"].astype(float)
    rows = tuple(
        (language.value(str(part), "part", ()), show.cell(_number(days), "days"), show.cell(_number(value)))
        for part, days, value in zip(table["part"], table["days"], amount, strict=True)
    )
    grid = Grid(
        ("part", "days", language.unit_of(story.currency) or "amount"), rows, right=(1, 2), widths=(0.5, 0.2, 0.3)
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
    chart = Chart(
        "columns", tuple(language.value(name, "bucket", ()) for name in table["bucket"]), series, unit, "#,##0.0##", alt
    )
    return Slide(story.sentence("4"), chart, _facts(story), story.sources("losses_allowance"))


def _exposure(story: Story) -> Slide | None:
    table, figure = story.table("balances").head(15).iloc[::-1], story.figure("5")
    if table.empty or figure is None:
        return None
    names = table["name"].fillna(table["customer_id"]) if "name" in table else table["customer_id"]
    labels = tuple(slides.cut(str(name), 2.6, 12) for name in names)
    series = (Series("share of receivables", _values(table["share"]), canvas.BLUE),)
    chart = Chart("bars", labels, series, "share of receivables", "0.0%", figure.alt)
    return _slide(figure, chart, story.sources("balances"))


def _cash(story: Story) -> Slide | None:
    table, figure = story.table("collections_weekly"), story.figure("9")
    if table.empty or figure is None:
        return None
    scale, unit = canvas.scale(table["p90"].astype(float), story.currency)
    kinds = (
        ("p90", "90 % quantile", canvas.GREY),
        ("p50", "median", canvas.BLUE),
        ("p10", "10 % quantile", canvas.GREY),
    )
    series = tuple(Series(said, _values(table[name], scale), colour) for name, said, colour in kinds)
    chart = Chart("lines", tuple(table["period_end"].str[5:10]), series, unit, "#,##0.0", figure.alt)
    return _slide(figure, chart, story.sources("collections_weekly"))


def _limits(story: Story) -> Slide | None:
    table, said = story.table("limits_summary"), story.sentence("10")
    if table.empty or not said:
        return None
    rows = tuple(tuple(map(_cell, row, table)) for row in table.itertuples(index=False))
    head = tuple(language.title(str(name)) for name in table)
    return Slide(said, Grid(head, rows, tuple(range(1, len(head)))), _facts(story), story.sources("limits_summary"))


def _cell(value: object, column: str) -> str:
    return language.value(value, column, ()) if isinstance(value, str) else show.cell(value)


def _earlier(story: Story) -> Slide | None:
    table = story.table("earlier_forecasts")
    if table.empty or not table["low"].notna().any():
        return None
    table = table[table["low"].notna()].tail(26)
    scale, unit = canvas.scale(table["high"].astype(float), story.currency)
    kinds = (
        ("high", "upper end", canvas.GREY), ("low", "lower end", canvas.GREY), ("point", "forecast", canvas.BLUE),
        ("observed", "came", canvas.ORANGE),
    )  # fmt: skip
    series = tuple(Series(said, _values(table[name], scale), colour) for name, said, colour in kinds)
    alt = "Lines: forecasts of earlier reviews with their intervals against what came"
    chart = Chart("lines", tuple(table["target"].str[5:10]), series, unit, "#,##0.0", alt)
    return Slide(story.sentence("13"), chart, _facts(story), story.sources("earlier_forecasts"))
