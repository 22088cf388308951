"""What the generator is told besides its configuration.

The README is the first page, the architecture another; links between files of the repository
become links between pages; the Python of a page is run, and what it prints and draws stands below
it.
"""

import ast
import contextlib
import html
import io
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "scripts" / "docs" / "pages"

#: Pages that lie elsewhere in the repository.
ELSEWHERE = {ROOT / "README.md": "index.md", ROOT / "fastglm/ARCHITECTURE.md": "architecture.md"}
PICTURES = {path: f"results/{path.name}" for path in (ROOT / "benchmarks/results").glob("*.png")}
WORKER = "assets/javascripts/iframe-worker.js"
SCRIPTS = {ROOT / "scripts/docs/iframe-worker.js": WORKER}

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n?", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s#]+)((?:#[^)\s]*)?)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside the folder of pages."""
    for path, name in (ELSEWHERE | PICTURES | SCRIPTS).items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Take the script of the search from the site, where the theme would load it."""
    path = os.path.relpath(WORKER, Path(page.file.dest_uri).parent)
    return output.replace("https://unpkg.com/iframe-worker/shim", path)


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """The same for the page of addresses that do not exist."""
    return output.replace("https://unpkg.com/iframe-worker/shim", f"/{WORKER}")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend the links, run the Python."""
    source = next((path for path, name in ELSEWHERE.items() if name == page.file.src_uri), None)
    source = source or PAGES / page.file.src_uri
    markdown = _LINK.sub(lambda link: _mended(link, source, page.file.src_uri), markdown)
    if config.extra["run"] and "```python\n" in markdown:
        markdown = with_output(markdown, page, config, files)
    return markdown


def _mended(link: re.Match[str], source: Path, page: str) -> str:
    """A link between files as one between pages."""
    target = Path(os.path.normpath(source.parent / link[1]))
    inside = (ELSEWHERE | PICTURES).get(target)
    if inside is None and target.is_relative_to(PAGES) and target.exists():
        inside = target.relative_to(PAGES).as_posix()
    if inside is None:
        return link[0]
    return f"]({os.path.relpath(inside, Path(page).parent)}{link[2]})"


def with_output(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with the output of each block of Python below it."""
    scope: dict[str, Any] = {}
    name = page.file.src_uri.removesuffix(".md").replace("/", "-")
    count = 0

    def run(block: re.Match[str]) -> str:
        nonlocal count
        if block[1] != "python":
            return block[0]
        text, drawn = _run(block[2], scope)
        parts = [block[0].rstrip()]
        if text:
            parts.append(f'<pre class="output"><code>{html.escape(text, quote=False)}</code></pre>')
        for picture in drawn:
            count += 1
            uri = f"pictures/{name}-{count}.png"
            files.append(File.generated(config, uri, content=picture))
            inside = os.path.relpath(uri, Path(page.file.src_uri).parent)
            parts.append(f"![What the block above draws]({inside})")
        return "\n\n".join(parts) + "\n"

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return _BLOCK.sub(run, markdown)
        finally:
            os.chdir(before)


def _run(code: str, scope: dict[str, Any]) -> tuple[str, list[bytes]]:
    """Run a block as a reader would at a prompt: what it prints, and its pictures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown: list[tuple[str, str]] = []
    for statement in ast.parse(code).body:
        out, source = io.StringIO(), ""
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), "page", "eval"), scope)
                if value is not None and not _is_drawn(value):
                    source = f">>> {ast.get_source_segment(code, statement)}\n"
                    print(repr(value))
            else:
                exec(compile(ast.Module([statement], []), "page", "exec"), scope)
        shown.append((source, out.getvalue()))
    # Where several values are shown, each says what it is the value of.
    several = sum(bool(source) for source, _ in shown) > 1
    text = "".join((source if several else "") + given for source, given in shown)
    pictures = []
    for number in pyplot.get_fignums():
        target = io.BytesIO()
        pyplot.figure(number).savefig(target, dpi=110, bbox_inches="tight")
        pictures.append(target.getvalue())
    pyplot.close("all")
    return text.rstrip("\n"), pictures


def _is_drawn(value: Any) -> bool:
    """Whether a value is a figure or axes, which are shown as pictures."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.size:
        value = value.flat[0]
    return type(value).__module__.startswith("matplotlib")
