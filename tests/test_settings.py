"""What the user has set for other programs changes no report and stops no command."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd
import pytest

from credit_lab.figures import canvas
from credit_lab.figures import receivables as figures
from credit_lab.publish import show

ROOT = Path(__file__).parents[1]
BRIDGE = pd.DataFrame({"line": list("abcdef"), "amount": [1e6, 2e5, -1.5e5, 1.5e5, 1e4, 1.21e6]})
# usetex needs a TeX, which stops every figure where there is none; the others change how it looks.
MATPLOTLIBRC = """text.usetex: True
lines.linewidth: 7
font.size: 20
axes.facecolor: yellow
savefig.bbox: tight
savefig.transparent: True
timezone: Asia/Shanghai
no.such.key: 3
"""


def drawn():
    drawn = figures.bridge_chart(BRIDGE, ("2025-09-30", "2025-12-31"), currency="CNY", source="made by hand")
    return show.figure(drawn, "a bridge").record


def test_figures_follow_the_house_and_leave_the_users_settings_alone():
    usual = drawn()
    own = {
        "text.usetex": True,
        "lines.linewidth": 7,
        "font.size": 20,
        "axes.facecolor": "yellow",
        "savefig.bbox": "tight",
    }
    with mpl.rc_context(own):
        assert drawn() == usual
        assert {name: mpl.rcParams[name] for name in own} == own


def test_every_chart_is_drawn_in_the_house_style():
    charts = [
        (file.name, node)
        for file in (ROOT / "credit_lab" / "figures").glob("*.py")
        if file.stem != "canvas"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and "Figure" in ast.unparse(node.returns)
    ]
    assert len(charts) > 20
    for file, node in charts:
        assert any("style()" in ast.unparse(one) for one in node.decorator_list), (file, node.name)


def test_the_style_ends_where_a_drawing_fails():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), canvas.style():
        assert mpl.rcParams["axes.edgecolor"] == "#8A94A0"
        1 / 0  # noqa: B018
    assert dict(mpl.rcParams) == before


NOTEBOOK = """
import pandas as pd
from pathlib import Path
from credit_lab.figures import receivables as figures
from credit_lab.publish import show
bridge = pd.DataFrame({"line": list("abcdef"), "amount": [1e6, 2e5, -1.5e5, 1.5e5, 1e4, 1.21e6]})
show.save({"bridge": bridge.assign(name="中文 =1", day=pd.Timestamp("2025-01-31"))}, Path(out) / "tables")
show.figure(figures.bridge_chart(bridge, ("2025-09-30", "2025-12-31"), currency="CNY", source="s"), "alt")
"""
TABLES = 'show.table(bridge.assign(names=[{"a", "b", "c"} == 1 for _ in bridge["line"]]), "as of 2025-01-31")'
RUN = """
from credit_lab import publish
publish.run.report("n.ipynb", {}, "out", title="T", progress=False)
"""


def reported(folder, **settings):
    """Bytes of a report made in a process of its own."""
    folder.mkdir(exist_ok=True)
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(source) for source in ("out: str = ''", NOTEBOOK, TABLES)]
    for number, cell in enumerate(book.cells):
        cell["id"] = f"c{number}"
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, folder / "n.ipynb")
    here = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list((folder / "out").glob(".*"))
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted((folder / "out").rglob("*"))
        if path.suffix in (".html", ".csv")
    }


def test_a_report_has_the_same_bytes_whatever_the_user_has_set(tmp_path):
    home = tmp_path / "home"
    files = {
        ".config/matplotlib/matplotlibrc": MATPLOTLIBRC,
        ".ipython/profile_default/startup/00.py": "print('mine'); __import__('pandas').options.display.precision = 1",
        ".ipython/profile_default/ipython_kernel_config.py": "get_config().IPKernelApp.exec_lines = ['print(1)']",
        ".jupyter/jupyter_config.py": "raise RuntimeError('broken')",
        ".local/share/jupyter/kernels/python3/kernel.json": '{"argv": ["/bin/false"], "display_name": "mine"}',
        "startup.py": "print('mine too')",
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    mine = tmp_path / "mine $HOME"
    mine.mkdir()
    (mine / "matplotlibrc").write_text(MATPLOTLIBRC)
    usual = reported(tmp_path / "usual")
    assert len(usual) == 2
    hostile = reported(
        mine, HOME=str(home), MPLBACKEND="TkAgg", PYTHONSTARTUP=str(home / "startup.py"), TZ="Asia/Kathmandu",
        LC_ALL="C", PYTHONIOENCODING="ascii", COLUMNS="20", PYTHONHASHSEED="7", PYTHONWARNINGS="default",
        JUPYTER_PREFER_ENV_PATH="0",
    )  # fmt: skip
    assert hostile == usual


def command(*words, **settings):
    here = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run([sys.executable, "-m", "credit_lab", *words], cwd=ROOT, env=here, capture_output=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
    ],
)
def test_no_console_ends_a_command(settings):
    """The help of `review` says 中文, the policy has a Chinese title: neither sign is in these encodings."""
    shown = command("review", "--help", **settings)
    assert shown.returncode == 0, shown.stderr
    assert rb"\u4e2d\u6587" in b"".join(shown.stdout.split())
    policy = "data/policies/2025-baseline.toml"
    assert command("policy", policy, **settings).returncode == 0
    told = command("policy", policy, "--json", **settings)
    assert told.returncode == 0, told.stderr
    assert pd.io.json.ujson_loads(told.stdout.decode("ascii"))


def test_a_name_that_is_no_text_ends_no_command(tmp_path):
    """Linux allows any bytes in names; what is no UTF-8 is shown by its code."""
    book = os.fsdecode(os.fsencode(tmp_path) + b"/led\xff")
    Path(book).mkdir()
    invoices = "invoice_id,customer_id,issue_date,due_date,amount,currency\nI1,C1,2024-01-10,2024-02-09,100,CNY\n"
    Path(book, "invoices.csv").write_text(invoices)
    Path(book, "payments.csv").write_text(
        "payment_id,customer_id,paid_date,amount,currency,invoice_id\nP1,C1,2024-02-20,100,CNY,I1\n"
    )
    for more in ([], ["--json"]):
        done = command("check", "--ledger", book, *more)
        assert done.returncode == 0, done.stderr
        assert rb"led\udcff" in done.stdout
    reviewed = command("review", "--ledger", book, "--period", "2024-01", "--out", str(tmp_path / "r"), "--quiet")
    assert reviewed.returncode == 1
    assert rb"led\udcff': a report cannot hold a name that is not UTF-8; rename it" in reviewed.stderr
    assert not list((tmp_path / "r").rglob("*.html"))
