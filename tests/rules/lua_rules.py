"""The rules of Lua scripts: headers that tell the truth, guards, budgets, snippets."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

LONGEST_BODY = 60
LAYER = "packages/channels-streams/src/channels_streams/scripts"
INCLUDE = re.compile(r'^--- @include "(shared/[a-z_]+)"$', re.MULTILINE)

_HEADER = re.compile(r"\A--\[\[\n(?P<text>.*?)\n\]\]\n(?P<body>.*)\Z", re.DOTALL)
_TITLE = re.compile(r"\A(?P<name>[a-z_]+): \S.*\.")
_DECLARED = re.compile(r"^(KEYS|ARGV)\[(\d+)(\.\.|…)?\] +\S", re.MULTILINE)
_NUMBERED = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
_COUNTED = re.compile(r"\b(KEYS|ARGV)\b(?!\[\d)")
_COMMENT = re.compile(r"--\[\[.*?\]\]|--[^\n]*", re.DOTALL)
_REFUSAL = re.compile(r"\{0, '([a-z_]+)'")
_FORBIDDEN = (
    (re.compile(r"call\(\s*['\"](KEYS|SCAN)['\"]", re.IGNORECASE), "walks the key space"),
    (re.compile(r"call\(\s*['\"][A-Z]*[a-z]"), "writes a command in lower case"),
    (re.compile(r"\bunpack\(\s*[\w.]+\s*\)"), "unpacks a table of any length"),
    (re.compile(r"['\"][^'\"\n]*\{(node|session|instance|pool|lang|t):"), "builds a key"),
)


def list_scripts(root: Path) -> list[Path]:
    """Return every script of the tree; shared snippets are not scripts."""
    return sorted([*root.glob("lua/*.lua"), *root.glob(f"{LAYER}/*.lua")])


def list_snippets(root: Path) -> list[Path]:
    """Return every shared snippet of the tree."""
    return sorted(root.glob("lua/shared/*.lua")) + sorted(root.glob(f"{LAYER}/shared/*.lua"))


def resolve(script: Path) -> str:
    """Return what Redis runs: the script with its includes in their places."""
    return INCLUDE.sub(
        lambda line: (script.parent / f"{line[1]}.lua").read_text().rstrip(), script.read_text()
    )


def find_script_faults(script: Path) -> list[str]:
    """Return what is wrong with one script, each fault a sentence that begins with its name."""
    header = _HEADER.match(script.read_text())
    if not header:
        return [f"{script.name} does not begin with a --[[ header ]]"]
    missing = [
        name
        for name in INCLUDE.findall(header["body"])
        if not (script.parent / f"{name}.lua").is_file()
    ]
    if missing:
        return [f"{script.name} includes {name}, which does not exist" for name in missing]
    faults = [
        *_find_header_faults(script.stem, header["text"]),
        *_find_argument_faults(header["text"], header["body"]),
        *_find_body_faults(header["body"]),
        *_find_reply_faults(header["text"], resolve(script)[header.start("body") :]),
    ]
    return [f"{script.name} {fault}" for fault in faults]


def find_snippet_faults(root: Path) -> list[str]:
    """Return what is wrong with the shared snippets of the tree."""
    included = {
        script.parent / f"{name}.lua"
        for script in list_scripts(root)
        for name in INCLUDE.findall(script.read_text())
    }
    faults = []
    for snippet in list_snippets(root):
        text = snippet.read_text()
        code = _COMMENT.sub("", text)
        functions = re.findall(r"^local function (\w+)\(", code, re.MULTILINE)
        loose = [line for line in code.splitlines() if re.match(r"\S", line) and not _frames(line)]
        checks = (
            (functions == [snippet.stem], "defines one local function, named as the file"),
            (not loose, "holds nothing beside its function"),
            (not re.search(r"\b(KEYS|ARGV)\b", code), "works on its arguments alone"),
            (not INCLUDE.search(text), "includes no other snippet"),
            (snippet in included, "is included by a script"),
        )
        faults += [f"{snippet.name} breaks: {rule}" for kept, rule in checks if not kept]
    return faults


def run_luacheck(script: Path, *, config: Path) -> str:
    """Return what luacheck says about the script as Redis runs it; empty when nothing.

    :raises FileNotFoundError: there is no luacheck; Debian's package is lua-check
    """
    options = ("--config", str(config), "--filename", script.name, "--codes", "--no-color")
    told = subprocess.run(
        ["luacheck", *options, "--quiet", "-"],
        input=resolve(script),
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if told.returncode == 0 else told.stdout + told.stderr


def _frames(line: str) -> bool:
    return line.startswith("local function ") or line.rstrip() == "end"


def _find_header_faults(stem: str, header: str) -> Iterator[str]:
    title = _TITLE.match(header)
    if not title:
        yield "has no '<name>: <one sentence>.' as its first line"
    elif title["name"] != stem:
        yield f"calls itself {title['name']}"
    if not re.search(r"^Returns  \S", header, re.MULTILINE):
        yield "does not say what it Returns"
    for kind in ("KEYS", "ARGV"):
        numbers = [int(entry[1]) for entry in _DECLARED.findall(header) if entry[0] == kind]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"declares {kind} out of order: {numbers}"


def _find_argument_faults(header: str, body: str) -> Iterator[str]:
    code = _COMMENT.sub("", body)
    declared = {(kind, number) for kind, number, _ in _DECLARED.findall(header)}
    lists = {(kind, number) for kind, number, dots in _DECLARED.findall(header) if dots}
    used = set(_NUMBERED.findall(code))
    for kind, number in sorted(used - declared):
        yield f"uses {kind}[{number}], which its header does not declare"
    for kind, number in sorted(declared - used - lists):
        yield f"declares {kind}[{number}] and does not use it"
    bindings, rest = _split_bindings(code)
    for kind, number in sorted(set(_NUMBERED.findall(rest))):
        yield f"uses {kind}[{number}] below its first lines"
    for kind in sorted(set(_COUNTED.findall(bindings + rest)) - {kind for kind, _ in lists}):
        yield f"uses {kind} as a list, and its header declares none ({kind}[n…])"


def _split_bindings(code: str) -> tuple[str, str]:
    """Return the leading `local … = KEYS[1] …` statements, and what follows them."""
    lines = code.splitlines()
    end = 0
    for number, line in enumerate(lines):
        if line.startswith("local ") and not line.startswith("local function "):
            statement = [line]
            for more in lines[number + 1 :]:
                if not more.startswith((" ", "}", ")")):
                    break
                statement.append(more)
            text = "".join(statement)
            if not re.search(r"\b(KEYS|ARGV)\b", text) or "redis." in text:
                break
            end = number + len(statement)
        elif line.strip() and number >= end:
            break
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def _find_body_faults(body: str) -> Iterator[str]:
    code = _COMMENT.sub("", body)
    length = sum(1 for line in code.splitlines() if line.strip())
    if length > LONGEST_BODY:
        yield f"has {length} lines of code; {LONGEST_BODY} is the most"
    for pattern, what in _FORBIDDEN:
        found = pattern.search(code)
        if found:
            yield f"{what}: {found[0]}"
    if re.search(r"call\('TIME'", code):
        yield "reads the time itself, not through the shared snippet"


def _find_reply_faults(header: str, resolved: str) -> Iterator[str]:
    code = _COMMENT.sub("", resolved)
    _, _, returns = header.partition("\nReturns ")
    told = set(_REFUSAL.findall(returns))
    for reason in sorted(set(_REFUSAL.findall(code)) - told):
        yield f"refuses with '{reason}', which its header does not tell"
    for reason in sorted(told):
        if f"'{reason}'" not in code:
            yield f"tells of the refusal '{reason}', which it never gives"
