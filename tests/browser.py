"""A headless Chromium on notebooks served on this machine, for the tests of the widgets."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "credit_lab" / "commands" / "templates" / "jupyter"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def served(command, folder, ready):
    """Start a Jupyter server by `command` (with {port} and {token}) in `folder`; its address once `ready` answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    here = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    here |= {"IPYTHONDIR": str(folder / ".ipython"), "JUPYTER_CONFIG_DIR": str(folder / ".jupyter")}
    here |= {"JUPYTER_PATH": str(TEMPLATES)}
    words = [sys.executable, "-m", *(word.format(port=port, token=token) for word in command)]
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(words, cwd=folder, env={**os.environ, **here}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert process.poll() is None, f"the server ended: {(folder / 'server.log').read_text()[-2000:]}"
            try:
                urllib.request.urlopen(f"{url}{ready}?token={token}", timeout=120).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError("the server did not come up")
        yield url, token
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@contextmanager
def page(width=1280, height=1000):
    """A page of a browser, and what it said on its console as errors; requests to other machines are refused."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    errors, strangers = [], []
    with sync_api.sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        sheet = browser.new_page(viewport={"width": width, "height": height})
        sheet.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        sheet.on("pageerror", lambda error: errors.append(str(error)))

        def only_here(route):
            if "://127.0.0.1" in route.request.url or route.request.url.startswith(("data:", "blob:")):
                route.continue_()
            else:
                strangers.append(route.request.url)
                route.abort()

        sheet.route("**/*", only_here)
        yield sheet, errors, strangers
        browser.close()
