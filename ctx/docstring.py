"""A docstring as a text and its summary: the first paragraph, and what the rest says in plain words.

Written for the two usual layouts, numpydoc's and Google's. Sections that list rather than say something (examples, see
also, references) go, and so do code, formulas, markup and types; a parameter stays as ``name: what it is``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SUMMARY, BODY, LONGEST = (4, 30), 30, 200  # words: the summary's range, the body's fewest, where it is cut

LISTS = {"example", "examples", "see also", "reference", "references", "methods", "usage", "example usage", "link"}
PROSE = {
    *(
        "parameters",
        "parameter",
        "params",
        "other parameters",
        "args",
        "arguments",
        "keyword args",
        "inputs",
        "options",
    ),
    *(
        "returns",
        "return",
        "yields",
        "outputs",
        "attributes",
        "raises",
        "warns",
        "note",
        "notes",
        "warning",
        "warnings",
    ),
    *("keyword arguments", "shape", "details"),
}
RESULTS = {"returns", "return", "yields"}
UNDERLINE = re.compile(r"\s*([-=~^*#])\1{2,}(?:\s+\1{3,})*\s*$")  # also a table's rules
HEADER = re.compile(r"[A-Z][A-Za-z ]{2,20}:{1,2}$")
NUMPY = re.compile(r"(?P<name>\*{0,2}\w+(?:, \*{0,2}\w+)*) ?:(?: .*)?$")  # name : type
GOOGLE = re.compile(r"(?P<name>\*{0,2}[\w.]+) ?\(.*?\) ?:(?=\s|$)")  # name (type): what it is

MARKUP = (
    (re.compile(r":math:`[^`]*\\[^`]*`|\$[^$]*\\[^$]*\$+"), ""),
    (re.compile(r"(?::[\w+-]+)+:`~[^`]*?([^`.]+)`"), r"\1"),  # :class:`~torch.nn.Linear`
    (re.compile(r"(?::[\w+-]+)+:`([^`<]*?)\s*(?:<[^`]*>)?`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`_*"), r"\1"),  # `text <address>`_
    (re.compile(r"\[([^\]]+)\]\([^)\s]+\)"), r"\1"),  # [text](address)
    (re.compile(r"\s*\[\w+\]_"), ""),  # a citation
    (re.compile(r"<?https?://\S+|%\(\w+\)s"), ""),
    (re.compile(r"`+_*"), ""),
    (re.compile(r"(?<!\w)\*{1,2}(\w[^*]*?\w|\w)\*{1,2}(?!\w)"), r"\1"),
)
IDENTIFIER = re.compile(r"\S*(?:[a-z][A-Z]|[A-Z]{2}|[\d_.]\w)\S*")
CODE = re.compile(r"[\\{}<>|=~^]|::|%\(|--|>>>|\bTODO\b|[Cc]opyright")


def pair(docstring: str) -> tuple[str, str] | None:
    """The plain body, cut to 200 words, and its summary; None where either is too short, too long or code.

    ``docstring`` is dedented, as `ast.get_docstring` gives it.
    """
    first, _, rest = docstring.partition("\n\n")
    summary = _plain(first)
    if not SUMMARY[0] <= len(summary.split()) <= SUMMARY[1] or CODE.search(summary) or not summary[0].isalpha():
        return None
    words = _plain("\n".join(_said(rest.expandtabs().split("\n")))).split()
    if len(words) < BODY:
        return None
    return " ".join(words[:LONGEST]), summary


def pattern(text: str) -> str:
    """The text without its names and numbers, by which near copies are found (a tokenizer for each of many models)."""
    return IDENTIFIER.sub("#", text).casefold()


def _said(lines: list[str]) -> Iterator[str]:
    """The lines that say something, in order."""
    section, hidden, fenced = "", -1, False  # hidden: indentation of what introduced code, -1 outside of code
    for number, line in enumerate(lines):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if text.startswith(("```", "$$")):
            fenced = not fenced and text not in ("$$",) and not text.endswith("$$", 2)
            continue
        if text and indent <= hidden:
            hidden = -1
        if fenced or hidden >= 0 or UNDERLINE.match(line):
            continue
        if text and (UNDERLINE.match(following) or (indent == 0 and HEADER.match(text) and _known(text))):
            section = text.rstrip(":").casefold()
        elif section in LISTS or text.startswith((">>>", "... ")):
            continue
        elif text.startswith("..") or text.endswith("::"):
            hidden = indent
            yield "" if text.startswith("..") else text[:-1]
        else:
            yield _described(text, indent, section)


def _known(header: str) -> bool:
    return header.rstrip(":").casefold() in LISTS | PROSE


def _described(text: str, indent: int, section: str) -> str:
    """A line without the types of what it describes, and without its bullet."""
    if section in PROSE:
        if indent == 0 and (found := NUMPY.match(text)):
            return f"{found['name']}:"
        if found := GOOGLE.match(text):
            return f"{found['name']}:{text[found.end() :]}"
    if section in RESULTS and indent == 0 and len(text.split()) <= 3 and not text.endswith("."):
        return ""  # a bare type
    return text[2:] if text.startswith(("- ", "* ")) else text


def _plain(text: str) -> str:
    for found, instead in MARKUP:
        text = found.sub(instead, text)
    return " ".join(text.split())
