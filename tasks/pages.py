"""Reports as text from a template, and text as a file that is whole or not there."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tasks import figures


def template(name: str) -> Template:
    """A template of this package; in HTML every text is escaped, whoever wrote it."""
    environment = Environment(
        loader=PackageLoader("tasks"),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "quantity": figures.quantity,
        "price": figures.price,
        "money": figures.money,
        "percent": figures.percent,
        "bps": figures.bps,
        "number": figures.number,
        "when": figures.when,
        "terms": figures.terms,
        "words": lambda text: str(text).replace("_", " "),
    }
    return environment.get_template(name)


def write_whole(path: Path, text: str) -> None:
    """Write a file, and its folder, in one step: nobody reads half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
