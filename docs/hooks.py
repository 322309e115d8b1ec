"""What the site is made of beside the pages of this folder; mkdocs calls these functions while it builds.

Pages that are made at build time (`generate.py`), files of the project that stand elsewhere (`ERRORS.md`, the results
in `experiments/`, source that pages link to), and links that are right in the project's folder, set right for the site.
"""

import os
import posixpath
import re
from pathlib import Path
from typing import Any

import equations
import generate
from mkdocs.structure.files import File, Files
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

ROOT = Path(__file__).parents[1]
PLACES = {  # pages of the site that are files of the project outside of docs/
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "ERRORS.md": "reference/errors.md",
    "README.md": "index.md",
}
KEPT = {".md", ".png", ".csv", ".svg"}  # files of results that the site holds
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s#]*)(#[^)\s]*)?(\))")
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2\s*?$", re.DOTALL | re.MULTILINE)
RESULTS = sorted(ROOT.glob("experiments/*/README.md"))
NUMBERED = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
origins: dict[str, str] = {}  # the place of each page in the project's folder, by its place in the site


def on_config(config: Any) -> Any:
    """Name the generated pages in the navigation: a new cell, task, result or notebook stands there by itself."""
    made["pages"] = generate.pages()
    for section in config.nav:
        for title, entries in section.items():
            if title in GENERATED:
                entries += GENERATED[title]()
    return config


made: dict[str, dict[str, str]] = {}


def _of(folder: str) -> list[str]:
    return sorted(place for place in made["pages"] if place.startswith(f"{folder}/") and not place.endswith("index.md"))


GENERATED = {
    "Tutorials": lambda: _of("tutorials"),
    "Cells": lambda: ["cells/index.md", *_of("cells")],
    "Tasks": lambda: ["tasks/index.md", *_of("tasks")],
    "Results": lambda: [f"results/{path.parent.name}/README.md" for path in RESULTS],
    "Reference": lambda: [{"Python names": ["reference/api/index.md", *_of("reference/api")]}],
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    texts = dict(made["pages"])
    for place in made["pages"]:
        origins[place] = f"docs/{place}"
    for path, place in PLACES.items():
        if path != "README.md":
            texts[place], origins[place] = (ROOT / path).read_text("utf-8"), path
    for path in sorted((ROOT / "experiments").glob("*/*")):
        if path.suffix in KEPT:
            place = f"results/{path.parent.name}/{path.name}"
            origins[place] = path.relative_to(ROOT).as_posix()
            if path.suffix == ".md":
                texts[place] = path.read_text("utf-8")
            else:
                files.append(File.generated(config, place, abs_src_path=str(path)))
    for file in files.documentation_pages():
        texts[file.src_uri], origins[file.src_uri] = file.content_string, f"docs/{file.src_uri}"
    linked = {path for place, text in texts.items() for path in _linked(text, origins[place]) if _is_source(path)}
    for path in sorted(linked):
        code = highlight((ROOT / path).read_text("utf-8"), get_lexer_for_filename(path), NUMBERED)
        texts[f"source/{path}.md"] = f"# {path}\n\n{code}\n"
        origins[f"source/{path}.md"] = path
    for place, text in texts.items():
        if files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Set the links of a page right for the site; show a file's name as its title where it has no heading."""
    place = page.file.src_uri
    if "<!-- README's table -->" in markdown:
        table = (ROOT / "README.md").read_text("utf-8").partition("<!-- table -->")[2].partition("<!-- /table -->")[0]
        markdown = markdown.replace("<!-- README's table -->", table)
    if place.startswith("source/"):
        return markdown
    origin = origins[place]
    return _outside_code(markdown, lambda text: LINK.sub(lambda match: _set_right(match, place, origin), text))


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Typeset the formulas, and let wide tables be scrolled by themselves."""
    return equations.typeset(content)


def _set_right(match: re.Match[str], place: str, origin: str) -> str:
    before, path, anchor, after = match[1], match[2], match[3] or "", match[4]
    if not path or ":" in path.partition("/")[0]:
        return match[0]
    target = _resolved(path, origin)
    if target.startswith("docs/") and (ROOT / target).is_file() and not target.endswith(".py"):
        new = target.removeprefix("docs/")
    elif target in PLACES:
        new = PLACES[target]
    elif target.startswith("experiments/") and Path(target).suffix in KEPT and target.count("/") == 2:
        new = "results/" + target.removeprefix("experiments/")
    elif _is_source(target):
        new, anchor = f"source/{target}.md", re.sub(r"#L(\d+)", r"#L-\1", anchor)
    elif (ROOT / target).is_dir():
        return match[0].partition("](")[0].lstrip("![")
    else:
        return match[0]
    return f"{before}{os.path.relpath(new, posixpath.dirname(place) or '.')}{anchor}{after}"


def _resolved(path: str, origin: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))


def _linked(text: str, origin: str) -> set[str]:
    found: set[str] = set()

    def see(part: str) -> str:
        found.update(_resolved(match[2], origin) for match in LINK.finditer(part) if match[2])
        return part

    _outside_code(text, see)
    return found


def _is_source(path: str) -> bool:
    """True for a file of the project that is shown as source: text, and not a page of the site."""
    file = ROOT / path
    page = path in PLACES or path.startswith("docs/") or (path.startswith("experiments/") and file.suffix in KEPT)
    return not path.startswith("..") and file.is_file() and (not page or path.endswith(".py"))


def _outside_code(text: str, change: Any) -> str:
    """The text with a change made to all but its blocks of code."""
    out, at = [], 0
    for match in FENCE.finditer(text):
        out += [change(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*out, change(text[at:])])
