"""Write the tables of families and of exponential families in the site's pages from the code."""

from collections.abc import Callable
from pathlib import Path

from fastglm import expfam
from fastglm.families import FAMILIES, LINKS

PAGES = Path(__file__).parent / "docs" / "pages"


def families_table() -> str:
    """One row per family: name, class, response, and links with the default first."""
    names = {link: name for name, link in LINKS.items()}
    lines = ["| family | class | response | links, the default first |", "|---|---|---|---|"]
    for name, family in FAMILIES.items():
        default = family.default_link
        links = [default, *(link for link in family.links if link is not default)]
        shown = ", ".join(f"`{names[link]}`" for link in links)
        if len(links) == len(LINKS):
            shown = f"`{names[default]}`, and every other"
        lines.append(f"| `{name}` | `{family.__name__}` | {family().domain} | {shown} |")
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {"families": families_table, "expfam": expfam.table}


def with_table(name: str, text: str) -> str:
    """The text of a page with its table between the markers."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}{TABLES[name]()}{end}{after}"


if __name__ == "__main__":
    for table in TABLES:
        page = PAGES / f"{table}.md"
        page.write_text(with_table(table, page.read_text()))
