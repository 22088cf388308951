"""Write the table of families and links in README.md from the registries."""

from pathlib import Path

from fastglm.families import FAMILIES, LINKS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"


def table() -> str:
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
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The text of the README with the table between its markers."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
