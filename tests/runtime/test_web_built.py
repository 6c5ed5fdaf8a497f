"""The page that `make page` built: `write_page` writes all its files, and it runs a bundle in a browser."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import cvae_runtime as cvae
import cvae_runtime.web
from cvae_runtime._web import write as _web

JS = Path(__file__).parents[2] / "runtime/js"
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

pytestmark = pytest.mark.skipif(
    not (_web.PAGE / "single.html").is_file(), reason="the web page is not built here: make page"
)
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None or shutil.which("node") is None or not (JS / "node_modules/playwright-core").is_dir(),
    reason="needs Chromium, and Node.js with what npm install puts into runtime/js",
)

# Open the page, compare with the golden vectors, and print the page's message.
VISIT = """
import { chromium } from "playwright-core";
const browser = await chromium.launch({ executablePath: process.argv[1], args: ["--no-sandbox"] });
const page = await browser.newPage();
const errors = [];
page.on("pageerror", ({ message }) => errors.push(message));
const asked = new Set();
page.on("request", (request) => asked.add(request.url()));
await page.goto(process.argv[2]);
await page.waitForSelector('#engine[data-state="ready"]');
await page.click("#check");
await page.waitForFunction(() => document.getElementById("checked").textContent.startsWith("These"));
const text = (id) => page.textContent(`#${id}`);
const said = { engine: await text("engine-name"), facts: await text("facts"), checked: await text("checked"), errors, asked: [...asked] };
await browser.close();
console.log(JSON.stringify(said));
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def visit(url):
    command = ["node", "--input-type=module", "-e", VISIT, CHROMIUM, url]
    result = subprocess.run(command, cwd=JS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def served(tmp_path):
    """Serve ``tmp_path`` like ``python -m http.server``; yield the URL."""
    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_folder_has_all_files_of_the_page(tmp_path):
    written = cvae.web.write_page(cvae.read_bundle(), tmp_path / "out")
    assert {"index.html", "sw.js", "bundle/manifest.json"} <= set(written)
    assert not any(name.endswith((".gz", "single.html")) for name in written)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert len(named) >= 3
    assert set(named) <= set(written)
    # No other files: a build removes those of an earlier build.
    text = page + "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out/assets").glob("*.js"))
    assets = [name.removeprefix("assets/") for name in written if name.startswith("assets/")]
    assert [name for name in assets if name not in text] == []


def test_one_file_loads_no_other_file(tmp_path):
    cvae.web.write_page(cvae.read_bundle(), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count('<script type="application/octet-stream;base64" data-file="') == 7
    assert "<!--cvae:files-->" not in text
    assert re.findall(r'<(?:script|img)[^>]* src="[^"]*|<link rel="(?!icon)[^>]*', text) == []


@in_a_browser
def test_the_folder_runs_the_bundle_in_a_browser(tmp_path, served):
    bundle = cvae.read_bundle()
    cvae.web.write_page(bundle, tmp_path / "out")
    said = visit(f"{served}out/")
    assert said["errors"] == []
    assert f"{served}out/bundle/manifest.json" in said["asked"]
    assert [url for url in said["asked"] if not url.startswith((f"{served}out/", "data:", "blob:"))] == []
    assert bundle.sha256[:16] in said["facts"]
    assert said["checked"].startswith("These are the numbers the model should give")


@in_a_browser
def test_one_file_runs_the_bundle_from_the_disk(tmp_path):
    bundle = cvae.read_bundle()
    cvae.web.write_page(bundle, tmp_path / "page.html")
    url = (tmp_path / "page.html").as_uri()
    said = visit(url)
    assert said["errors"] == []
    assert [other for other in said["asked"] if other != url and not other.startswith(("data:", "blob:"))] == []
    assert said["engine"] == "WebAssembly"
    assert bundle.sha256[:16] in said["facts"]
    assert said["checked"].startswith("These are the numbers the model should give")
