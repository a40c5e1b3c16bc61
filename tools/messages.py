"""Keep the catalogue of the reports' language in step with the code.

    python tools/messages.py            add new messages to credit_lab/locale/zh.po, drop those that are gone
    python tools/messages.py --check    exit code 1 if a message has no translation or its places differ

Messages are: strings of `credit_lab/studies`, `figures` and `publish` and of the notebooks that hold words (not
docstrings, errors, names), f-strings with their values as numbered places, and lines of the notebooks' prose. What
other rows and data say stands in the catalogue with the comment `word`; one whose sentence is said nowhere any more is
a fault, too, so that a change of it is seen in whatever module. Codes and single words are in `credit_lab/labels.toml`.
"""

import ast
import functools
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
PO = ROOT / "credit_lab" / "locale" / "zh.po"
# Modules whose sentences reach a reader of a report.
MODULES = (
    "credit_lab/inputs.py",
    "credit_lab/knowledge.py",
    "credit_lab/scoring/rows.py",
    "credit_lab/when.py",
    "credit_lab/studies/*.py",
    "credit_lab/figures/*.py",
    "credit_lab/publish/*.py",
    "credit_lab/ledger/known.py",
    "credit_lab/ledger/quarantine.py",
    "credit_lab/ledger/reconcile.py",
)
# Not for readers of a report: code of a kernel, questions to the registry of runs, errors of a run and of the gate,
# progress on the screen.
SILENT = {"gate.py", "kernel.py", "registry.py", "run.py", "time_left.py"}
DAY = datetime(2026, 1, 1, tzinfo=UTC)  # the same for every version: git knows when
PLACE = re.compile(r"\{\d+\}")
# What other rows say is put together there, of f-strings and of names; three words in a row are written in one piece.
PIECES = re.compile(r"\{\d+\}|[^\w\s'%/-]")
# Strings with blanks that no reader sees: fonts, places of a legend, rules of the workbook's formulas.
UNSEEN = re.compile(
    r"(upper|lower) (left|right|center)|offset points|by row|.*( -[a-z]|\{:\.\d).*|(open|pd|terms) [a-z_ ]*"
    r"|(Noto|Source|WenQuanYi|Microsoft|PingFang|DejaVu) .*|.*: finished before|Spiegelhalter .*|# credit_lab"
)


def source(file: Path) -> str:
    """Text of a file; tests put another in its place."""
    return file.read_text(encoding="utf-8")


def messages() -> dict[str, list[str]]:
    """Message → files it comes from."""
    found: dict[str, list[str]] = {}
    for file in sorted(path for pattern in MODULES for path in ROOT.glob(pattern)):
        if file.name not in SILENT:
            for text in strings(ast.parse(source(file))):
                found.setdefault(text, []).append(str(file.relative_to(ROOT)))
    for file in sorted((ROOT / "notebooks").glob("[0-8]*.ipynb")):
        for text in of_notebook(json.loads(source(file))):
            found.setdefault(text, []).append(str(file.relative_to(ROOT)))
    return found


def of_notebook(notebook: dict) -> Iterator[str]:
    """Headings, paragraphs and strings of one notebook."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from (line.strip() for line in source.split("\n") if re.search("[a-z]{2}", line))
        elif "parameters" not in cell["metadata"].get("tags", ()):
            yield from strings(ast.parse(source))


def strings(tree: ast.AST) -> Iterator[str]:
    """Messages among the strings of code."""
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = pattern(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if isinstance(node.parent, ast.JoinedStr | ast.Expr) else node.value.strip()  # type: ignore
        if text and readable(text) and not silent(node):
            yield text


def pattern(node: ast.JoinedStr) -> str:
    """An f-string with its values as numbered places."""
    text, number = "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        else:
            number += 1
            text += f"{{{number}}}"
    return text.strip()


def readable(text: str) -> bool:
    """Whether a string holds words for a reader: two at least, or one beside places."""
    plain = PLACE.sub("", text).strip()
    if UNSEEN.fullmatch(text) or not re.search("[A-Za-z]{2}", plain) or " " not in text:
        return False
    code = re.search(r"[<>\\]|[=/]\S*[=/]|\w\(\)|^#|utf-8|'", text)
    return not (code and not re.search(r" \w+ \w+ ", text)) and (" " in plain or len(plain) > 2)


def silent(node: ast.AST) -> bool:
    """Whether a string stands in an error or a type."""
    while (node := getattr(node, "parent", None)) is not None:
        if isinstance(node, ast.Raise | ast.AnnAssign | ast.arg) and not isinstance(
            getattr(node, "value", None), ast.Dict
        ):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            return True
    return False


@functools.cache
def written() -> str:
    """Every text in the code of the package, in cells of notebooks and in policies and claims, docstrings left out."""
    texts = [source(file) for file in sorted((ROOT / "data").rglob("*.toml"))]
    trees = [ast.parse(source(file)) for file in sorted((ROOT / "credit_lab").rglob("*.py"))]
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(source(file))["cells"]
        trees += [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    for tree in trees:
        remarks = set()
        for node in ast.walk(tree):  # a statement comes before what stands in it
            if isinstance(node, ast.Expr):
                remarks.add(id(node.value))
            elif isinstance(node, ast.JoinedStr):
                texts.append(pattern(node))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in remarks:
                texts.append(node.value)
    return "\n".join(texts).replace("_", " ")


def update(found: dict[str, list[str]]) -> list[str]:
    """Write the catalogue with all messages found and the words it had; returns the messages without translation."""
    old = read() if PO.exists() else Catalog(locale="zh_CN")
    new = Catalog(
        locale="zh_CN", project="credit_lab", header_comment="# Chinese of the reports of credit_lab.",
        creation_date=DAY, revision_date=DAY,
    )  # fmt: skip
    for text, files in found.items():
        known = old.get(text)
        new.add(text, known.string if known else "", auto_comments=sorted({Path(file).name for file in files}))
    for one in old:
        if one.id and "word" in one.user_comments and one.id not in found:
            new.add(one.id, one.string, user_comments=["word"])
    with PO.open("wb") as file:
        write_po(file, new, width=0, sort_output=False)
    return faults(found)


def read() -> Catalog:
    """The catalogue as it is."""
    with PO.open("rb") as file:
        return read_po(file, locale="zh_CN")


def faults(found: dict[str, list[str]]) -> list[str]:
    """What is wrong with the catalogue: a line for each message."""
    known, wrong, texts = read(), list[str](), written()
    for text, files in found.items():
        if (one := known.get(text)) is None or not one.string:
            wrong.append(f"{files[0]}: no translation of {text!r}")
    for one in known:
        if one.id and one.string and set(PLACE.findall(one.id)) != set(PLACE.findall(one.string)):
            wrong.append(f"{PO.name}: places of {one.id!r} and {one.string!r} differ")
        if one.id and one.id not in found and not ("word" in one.user_comments and there(one.id, texts)):
            wrong.append(f"{PO.name}: {one.id!r} is said nowhere any more")
    return wrong


def there(message: str, texts: str) -> bool:
    """Whether the pieces of a message of three words and more stand in the texts."""
    pieces = (piece.strip() for piece in PIECES.split(message))
    return all(piece in texts for piece in pieces if piece.count(" ") > 1)


def main() -> None:
    """The command."""
    found = messages()
    wrong = faults(found) if "--check" in sys.argv else update(found)
    sys.stdout.write("\n".join([*wrong, f"{len(found)} messages, {len(wrong)} faults\n"]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
