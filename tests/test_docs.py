"""The documentation: it builds without a warning, its links lead somewhere, its commands and code exist and run."""

import ast
import functools
import http.server
import importlib
import logging
import re
import shlex
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

from credit_lab.__main__ import app
from tests import browser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Files the pages ask the reader to have, and what commands leave.
READERS_OWN = ("data/labels.toml", "data/ledger", "data/sample/truth", "data/models.jsonl")


def blocks(page, *languages):
    return [body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


class Links(HTMLParser):
    """Where a page leads, what it loads, and its anchors."""

    def __init__(self, page):
        super().__init__()
        self.leads, self.loads, self.anchors = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and values.get("href"):
            self.leads.append(values["href"])
        elif tag == "link" and values.get("rel") != "canonical":
            self.loads.append(values.get("href", ""))
        elif values.get("src"):
            self.loads.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is not installed (extra docs)")
    pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings-python is not installed (extra docs)")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))  # a warning is an Abort
    return folder


@pytest.mark.filterwarnings("default")
def test_every_internal_link_and_anchor_of_the_site_leads_somewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(pages) > 40
    for path, page in pages.items():
        for link in page.leads + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert link in page.leads, f"{path.name} loads {link}"  # a link out is fine, loading is not
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target in pages and parts.fragment != "__skip":
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.relative_to(site)}: {link}"
    assert "credit_lab.limits.portfolio.optimise" in pages[site / "reference" / "limits.html"].anchors


@pytest.mark.filterwarnings("default")
def test_the_site_asks_no_other_machine_and_its_search_finds(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with browser.page() as (sheet, errors, strangers):
            sheet.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            sheet.keyboard.press("/")
            sheet.keyboard.type("countback")
            found = sheet.locator(".md-search-result__link").first
            found.wait_for(timeout=20_000)
            assert found.get_attribute("href")
            assert (strangers, errors) == ([], [])
    finally:
        server.shutdown()
        server.server_close()


def commands():
    """Every `credit-lab ...` line of a shell block, with its page; an inline mention counts too."""
    for page in PAGES:
        lines = [line for block in blocks(page, "", "bash") for line in block.splitlines()]
        lines += re.findall(r"(?<!`)`(credit-lab [^`]+)`(?!`)", page.read_text(encoding="utf-8"))
        for line in lines:
            if "credit-lab " in line and not line.startswith("credit-lab:"):
                text = re.sub(r"\s#.*$| \|\|.*$| > .*$|\$\(.*\)+", "", line[line.index("credit-lab ") :])
                yield page.name, shlex.split(text.replace('"', "").replace("'", ""))[1:]


def test_every_command_and_option_of_the_pages_exists():
    tree = typer.main.get_command(app)
    seen = 0
    for page, words in commands():
        names = words[0].split("|") if words and not words[0].startswith("-") else []
        for name in names:  # `credit-lab alerts|worklist|cash` speaks of three
            command = tree.commands.get(name)
            assert command is not None, f"{page}: credit-lab {' '.join(words)}"
            if hasattr(command, "commands") and len(words) > 1 and not words[1].startswith("-"):
                assert set(words[1].split("|")) <= set(command.commands), f"{page}: {words}"
                command = command.commands[words[1].split("|")[0]]
            known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= known, f"{page}: credit-lab {' '.join(words)}: {given - known}"
            seen += 1
    assert seen > 80


def test_every_file_the_pages_speak_of_exists():
    pattern = re.compile(r"(?:data|docs|notebooks|tests|benchmarks|tools)/[\w./-]*\w(?![\w-])")
    for page in PAGES:
        for name in pattern.findall(re.sub(r"https?://\S+", "", page.read_text(encoding="utf-8"))):
            if not name.startswith(READERS_OWN):
                assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_relative_links_of_the_front_pages_lead_somewhere():
    for page in PAGES[:3]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_python_on_the_pages_is_python_and_imports_what_there_is():
    for page in PAGES:
        for block in blocks(page, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("credit_lab"):
                    module = importlib.import_module(node.module)
                    lacking = [name.name for name in node.names if not hasattr(module, name.name)]
                    for name in lacking:
                        importlib.import_module(f"{node.module}.{name}")


@pytest.mark.parametrize(
    "page", ["README.md", "docs/how-to/add-a-limit-method.md", "docs/how-to/in-your-own-notebook.md"]
)
def test_the_example_runs(page, monkeypatch, tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)  # an example may write
    exec(compile("".join(blocks(ROOT / page, "python")), page, "exec"), {})


def test_both_readmes_have_the_same_code_and_commands():
    english, chinese = (ROOT / name for name in ("README.md", "README.zh.md"))
    assert ast.dump(ast.parse(blocks(english, "python")[0])) == ast.dump(ast.parse(blocks(chinese, "python")[0]))
    said = [[words[0] for name, words in commands() if name == page.name] for page in (english, chinese)]
    assert sorted(set(said[0])) == sorted(set(said[1]))


def test_the_reference_has_a_page_for_every_part():
    import credit_lab

    folder = ROOT / "credit_lab"
    parts = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    inner = {"__init__", "__main__", "commands", "summary", "toml_file", "ids", "file_names", "compiled"}
    inner |= {"labels", "lazy", "origin", "time_left"}
    assert parts - inner == set(credit_lab.__all__)
