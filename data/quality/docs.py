"""Data Docs: a folder of pages that a person can open, and that asks nobody for anything.

Great Expectations' own pages load styles, scripts, fonts and pictures from nine other hosts,
which would learn who looks at what; here all of that is left out and a style of ours is in.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from data.quality.rules import Severity
from data.quality.run import Judged, file_name
from execution.errors import LedgerUnavailable

INDEX = "index.html"
# What Great Expectations puts into its pages that is from outside, or does nothing without it.
FOREIGN = re.compile(
    r"<link\b[^>]*>|<script\b.*?</script>|<style\b.*?</style>|<img\b[^>]*>|<title></title>"
    r"|<footer\b.*?</footer>|<nav\b.*?</nav>|<a href=\"\.\./[^>]*>|Data asset: None<br>",
    re.DOTALL,
)
# A browser then loads nothing and runs nothing, whatever a page holds.
NOTHING_FROM_OUTSIDE = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)


def write_docs(judged: Sequence[Judged], folder: Path, now: datetime) -> Path:
    """Write an index and a page a table to `folder`, whole or not at all; return the index.

    `now` is said on the index. Raises LedgerUnavailable where the folder cannot be written.
    """
    fresh, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    try:
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)
        fresh.mkdir(parents=True)
        (fresh / INDEX).write_text(_index(judged, now), encoding="utf-8")
        for one in judged:
            (fresh / page_name(one)).write_text(_page(one), encoding="utf-8")
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise LedgerUnavailable(f"{folder}: {error.strerror}; no Data Docs written") from error
    return folder / INDEX


def page_name(judged: Judged) -> str:
    """The file of a table's page."""
    subject = file_name(judged.subject)
    return f"{subject}.html" if subject == judged.suite else f"{judged.suite}-{subject}.html"


def _page(judged: Judged) -> str:
    """A table's page as Great Expectations draws it, without what is foreign."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    content = ValidationResultsPageRenderer(run_info_at_end=True).render(judged.validation)
    view: Any = DefaultJinjaPageView()
    page = FOREIGN.sub("", view.render(content))
    style = files("data.quality").joinpath("templates/page.css").read_text(encoding="utf-8")
    page = page.replace("<head>", f"<head>\n{NOTHING_FROM_OUTSIDE}", 1)
    page = page.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
    title = escape(f"{judged.suite} · {judged.subject}")
    page = page.replace("Data documentation compiled by Great Expectations", title, 1)
    return page.replace("<body>", f'<body>\n<p class="up"><a href="{INDEX}">All tables</a></p>', 1)


def _index(judged: Sequence[Judged], now: datetime) -> str:
    environment = Environment(
        loader=PackageLoader("data.quality"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = []
    for one in judged:
        results = sorted((f.result for f in one.found), key=lambda r: r.met)
        named = {"subject": one.subject, "suite": one.suite, "page": page_name(one)}
        tables.append(named | {"results": results})
    return environment.get_template(INDEX).render(
        tables=tables, now=now, error=Severity.ERROR, policy=NOTHING_FROM_OUTSIDE
    )
