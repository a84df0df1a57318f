"""The house rules of Python files that a check can keep; each returns the faults it finds."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

LONGEST_MODULE = 400
LONGEST_TEST_MODULE = 500
MOST_METHODS = 12
# Whose methods are named by somebody else, and by whom.
WIDE_CLASSES = {
    "channels_streams/layer.py StreamsChannelLayer": "nine of them are those of a channel layer",
    "lingua/serving/daphne_socket.py BoundedWebSocket": "Twisted and autobahn call them",
}
PACKAGES = (
    *("lingua", "sessions_app", "nodes", "operators", "sockets", "scheduling"),
    *("channels_streams", "lua", "lingua_node"),
)
# Packages of their own lie below their project; rules name their files from the package on.
PROJECTS = {
    "channels_streams": "packages/channels-streams/src",
    "lingua_node": "packages/lingua-node/src",
}
TESTS = ("tests", "packages/channels-streams/tests", "packages/lingua-node/tests")
FOLDERS = (*PACKAGES, "scripts", "bench", *TESTS)
# Packages that Django, or whoever uses one, looks into.
FILLED = {
    "lingua/settings/__init__.py": "the settings module that programs name",
    "operators/admin/__init__.py": "the admin loads its pages from here",
    "lingua_node/__init__.py": "authors of nodes write `from lingua_node import Node`",
}
VAGUE_NAMES = {"utils", "helpers", "common", "misc", "manager", "base"}

# Where the environment may be read, and why.
ENVIRONMENT = {
    "lingua/settings/env.py": "the one place that reads settings",
    "lingua/settings/embedded_redis.py": "finds its program before any setting is read",
}
ENVIRONMENT_PACKAGES = {"lingua_node": "a node is configured by its own command line"}

# Where settings may be read, and why; everything else gets values.
SETTINGS = {
    "channels_streams/apps.py": "looks at CHANNEL_LAYERS when a program starts",
    "lingua/composition/": "hands them on",
    "lingua/settings/": "makes them",
}
# Entry points read our own settings, which some of them are about; Django's they do not ask.
ENTRY_POINTS = {
    "lingua/asgi.py": "serves as the settings say",
    "lingua/commands/doctor.py": "judges them",
    "lingua/management/commands/": "take from them what a command line leaves out",
}
_SETTINGS_FOLDERS = (*PACKAGES, "bench", "scripts")
# Modules beside our settings that hold none of them, but help to read and to show them.
_SETTINGS_HELPERS = "addresses|databases|embedded_redis|env|kept_values|redaction|version"
# The package, what is taken out of it, and out of any module of values.
_OWN_SETTINGS = re.compile(
    rf"^lingua\.settings(\.\w+)?$|^lingua\.settings\.(?!({_SETTINGS_HELPERS})\.)"
)

# Where wall-clock time may be read; the two packages that stand alone have one module each.
CLOCK = "scheduling/model/clock.py"
CLOCK_PACKAGES = ("channels_streams", "lingua_node")
_WALL_CLOCK = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime|ctime)"
    r"|(datetime\.)?(datetime|date)\.(now|utcnow|today)"
    r"|(django\.utils\.)?timezone\.(now|localtime|localdate))$"
)

KEYS = {"scheduling/store/keys.py", "channels_streams/keys.py"}
_KEY_PATTERN = re.compile(r":v\d+:|\{(node|session|instance|pool|lang|t):|\{poolcfg\}")

_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)$")
_EXPLAINED = re.compile(r"^(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z-]+(,\s*[a-z-]+)*\])\W+\w+")

# Who may hold a lock over a wait, and why no job ever waits behind it.
LOCKS = {
    "channels_streams/inbox.py": "threads share the inbox; nothing is awaited under it",
    "channels_streams/loops.py": "threads share the loops; nothing is awaited under it",
    "channels_streams/mailboxes.py": "threads share the mailboxes; nothing is awaited under it",
    "channels_streams/presence.py": "threads share the presence; nothing is awaited under it",
    "channels_streams/redis/connection.py": "one connection is opened once",
    "lingua/serving/redis_supervisor.py": "Redis is started or stopped, not both; no job is there",
    "lingua/serving/workers.py": "a place starts one process at a time; its parent has no jobs",
    "lingua_node/http_client.py": "threads share the connections; nothing is awaited under it",
    "lingua_node/translator.py": "a node's own program takes one text at a time",
    "nodes/http_nodes.py": "one node that moves here twice at once",
    "operators/db/history_table.py": "one transaction at a time, where no job is served",
    "scheduling/pools/leader.py": "one pass of the leader at a time",
    "scheduling/pools/follower.py": "one reading of the pools at a time",
}
_LOCK = re.compile(r"^(asyncio|threading)\.(Lock|RLock|Condition)$")

# The layer lists its own keys to flush them, which Channels asks for in tests.
# Erasure looks at every key: docs/decisions/0203-erase-by-looking-at-every-key.md.
KEY_WALKS = {
    "channels_streams/connection.py",
    "scheduling/store/erasure.py",
    "scheduling/store/redis/connection.py",
}
_WALK_METHODS = {"scan", "scan_iter", "keys"}
_CLIENT = re.compile(r"(client|connection|commands|redis)$")
_STORE = re.compile(r"(_store|_stores\.\w+|_connection|_index|_membership)$")

SHARED_REDIS = {"redis_client", "redis_server"}

# Who in tests/ may let time pass by function, and why; everything else waits for an event.
PACERS = {
    "tests/waiting.py:eventually": "the one wait of tests with an event loop",
    "tests/waiting.py:wait_until": "the one wait of tests without",
    "tests/browser/programs.py:speak": "speakers who pause between utterances",
    "tests/chaos/leftovers.py:run": "a sample of the leases now and then",
    "tests/chaos/peers.py:live": "peers come back when they have been away",
    "tests/chaos/peers.py:_beat": "a heartbeat now and then",
    "tests/chaos/peers.py:_run": "nodes work for a while",
    "tests/chaos/peers.py:_speak": "speakers who pause between utterances",
    "tests/chaos/rooms.py:_speak": "members who pause between utterances",
    "tests/chaos/run.py:_join": "peers join a few at a time",
    "tests/chaos/run.py:_do_faults": "faults have their moments",
    "tests/chaos/run.py:_report": "a line of progress now and then",
    "tests/chaos/scene.py:do": "faults last as long as planned",
    "tests/chaos/streaming_speakers.py:_speak": "they pause between sentences",
    "tests/chaos/streaming_speakers.py:_say_rest": "a word takes its time",
    "tests/e2e/test_deadlines_under_load.py:_speak": "so many utterances a second",
    "tests/e2e/test_hedged_stalls.py:say": "speakers who pause between utterances",
    "tests/security/fortress.py:drip": "an attacker sends a byte now and then",
    "tests/security/test_shares.py:_flood": "so many utterances a second, as was seen",
    "tests/store/test_reply_timeout.py:test_a_stall_of_this_process_is_not_held_against_redis": (
        "the stall is what is tested"
    ),
}

_SKIPS = re.compile(r"^pytest\.(mark\.)?(skip|skipif|xfail|importorskip)$")

Rule = Callable[[Path], Iterator[str]]


def locate(root: Path, name: str) -> Path:
    """Return where a file or folder lies that is named from its package on."""
    return root / PROJECTS.get(name.partition("/")[0], "") / name


def name_module(root: Path, path: Path) -> str:
    """Return the name of a file from its package on."""
    name = path.relative_to(root).as_posix()
    for project in PROJECTS.values():
        name = name.removeprefix(f"{project}/")
    return name


def list_modules(root: Path, *, folders: tuple[str, ...] = FOLDERS) -> list[Path]:
    """Return our Python files below `folders`; what Django generates is not ours."""
    return [
        path
        for folder in folders
        for path in sorted(locate(root, folder).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def environment_is_read_in_one_place(root: Path) -> Iterator[str]:
    for path, tree in _parse_packages(root):
        name = name_module(root, path)
        if name in ENVIRONMENT or name.partition("/")[0] in ENVIRONMENT_PACKAGES:
            continue
        # asgi.py tells Django the name of its settings module, which is no reading.
        told = {
            id(node.func.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node).startswith("os.environ.setdefault('DJANGO_SETTINGS_MODULE'")
            and isinstance(node.func, ast.Attribute)
        }
        for node in ast.walk(tree):
            if _reads_environment(node) and id(node) not in told:
                where = f"{name}:{_line(node)}"
                yield f"{where} reads the environment; lingua/settings/env.py does that"


def settings_are_read_in_composition(root: Path) -> Iterator[str]:
    for path in list_modules(root, folders=_SETTINGS_FOLDERS):
        name = name_module(root, path)
        if name.startswith(tuple(SETTINGS)):
            continue
        is_entry_point = name.startswith(tuple(ENTRY_POINTS))
        for node in ast.walk(_parse(path.read_text())):
            imported = _list_imported(node)
            if any(_is_below(each, "django.conf") for each in imported) or (
                not is_entry_point and any(map(_OWN_SETTINGS.match, imported))
            ):
                where = f"{name}:{_line(node)}"
                yield f"{where} reads the settings; lingua/composition hands values on"


def wall_clock_is_read_in_one_place(root: Path) -> Iterator[str]:
    clocks: dict[str, set[str]] = {package: set() for package in CLOCK_PACKAGES}
    for path, tree in _parse_packages(root):
        name = name_module(root, path)
        package = name.partition("/")[0]
        for node in ast.walk(tree):
            if name == CLOCK or not _reads_wall_clock(node):
                continue
            if package in clocks:
                clocks[package].add(name)
            else:
                yield f"{name}:{_line(node)} reads the wall clock; {CLOCK} does that"
    for package, modules in clocks.items():
        if len(modules) > 1:
            yield f"{package} reads the wall clock in {len(modules)} modules: {sorted(modules)}"


def keys_are_spelled_in_one_place(root: Path) -> Iterator[str]:
    for path, tree in _parse_packages(root):
        name = name_module(root, path)
        if name in KEYS:
            continue
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in documentation:
                continue
            if isinstance(node.value, str) and _KEY_PATTERN.search(node.value):
                yield f"{name}:{node.lineno} spells a Redis key; a keys module does that"


def package_files_are_empty(root: Path) -> Iterator[str]:
    for path in list_modules(root):
        name = name_module(root, path)
        if path.name == "__init__.py" and name not in FILLED and path.read_text().strip():
            yield f"{name} is not empty"


def modules_say_what_they_are_for(root: Path) -> Iterator[str]:
    for path in list_modules(root):
        text = path.read_text()
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(text)):
            yield f"{name_module(root, path)} does not say in its first line what it is for"


def modules_stay_short(root: Path) -> Iterator[str]:
    for path in list_modules(root):
        name = name_module(root, path)
        most = LONGEST_TEST_MODULE if name.startswith(TESTS) else LONGEST_MODULE
        lines = len(path.read_text().splitlines())
        if lines > most:
            yield f"{name} has {lines} lines; {most} is the most"


def classes_have_few_methods(root: Path) -> Iterator[str]:
    """Properties count; what a class inherits does not."""
    for path, tree in _parse_packages(root):
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            name = f"{name_module(root, path)} {node.name}"
            count = len(_list_public_methods(node))
            if count > MOST_METHODS and name not in WIDE_CLASSES:
                yield f"{name} has {count} public methods; {MOST_METHODS} is the most"


def modules_are_named_for_an_idea(root: Path) -> Iterator[str]:
    for path in list_modules(root):
        if {path.stem, path.parent.name} & VAGUE_NAMES:
            yield f"{name_module(root, path)} is named for nothing in particular"


def suppressions_have_a_code_and_a_reason(root: Path) -> Iterator[str]:
    for path in list_modules(root):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            found = token.type == tokenize.COMMENT and _SUPPRESSION.search(token.string)
            if found and not _EXPLAINED.match(found["rest"]):
                where = f"{name_module(root, path)}:{token.start[0]}"
                yield f"{where} silences a check without code and reason"


def tests_are_never_skipped(root: Path) -> Iterator[str]:
    for path in list_modules(root, folders=TESTS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and _SKIPS.match(ast.unparse(node)):
                yield f"{name_module(root, path)}:{node.lineno} skips a test, or expects it to fail"


def tests_wait_in_one_place(root: Path) -> Iterator[str]:
    """To give other tasks a turn, `asyncio.sleep(0)`, is no wait."""
    for path in list_modules(root, folders=TESTS[:1]):
        name = name_module(root, path)
        for node, function in walk_functions(_parse(path.read_text())):
            if f"{name}:{function}" not in PACERS and sleeps(node):
                yield f"{name}:{_line(node)} sleeps; tests/waiting.py waits for what should happen"


def no_code_walks_the_key_space(root: Path) -> Iterator[str]:
    for path, tree in _parse_packages(root):
        name = name_module(root, path)
        for node in ast.walk(tree):
            if name not in KEY_WALKS and _walks_keys(node):
                yield f"{name}:{_line(node)} walks the key space; a sorted set names what there is"


def locks_are_few_and_off_the_path_of_jobs(root: Path) -> Iterator[str]:
    for path, tree in _parse_packages(root):
        name = name_module(root, path)
        if name in LOCKS:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _LOCK.match(ast.unparse(node.func)):
                yield f"{name}:{_line(node)} makes a lock; a job may come to wait behind it"


def replies_of_stores_are_awaited(root: Path) -> Iterator[str]:
    """A store's reply is awaited, kept, or given to `unattended`; never a statement by itself."""
    for path, tree in _parse_packages(root):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
                continue
            called = node.value.func
            if isinstance(called, ast.Attribute) and _STORE.search(ast.unparse(called.value)):
                yield f"{name_module(root, path)}:{node.lineno} drops a reply of Redis"


def tests_draw_their_keys(root: Path) -> Iterator[str]:
    """Who shares a Redis with other tests takes the prefix that was drawn for it."""
    for path in list_modules(root, folders=TESTS):
        tree = ast.parse(path.read_text())
        if not any(isinstance(n, ast.arg) and n.arg in SHARED_REDIS for n in ast.walk(tree)):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _spells_prefix(node):
                yield f"{name_module(root, path)}:{node.lineno} spells a prefix on a shared Redis"


RULES: tuple[Rule, ...] = (
    environment_is_read_in_one_place,
    settings_are_read_in_composition,
    wall_clock_is_read_in_one_place,
    keys_are_spelled_in_one_place,
    package_files_are_empty,
    modules_say_what_they_are_for,
    modules_stay_short,
    classes_have_few_methods,
    modules_are_named_for_an_idea,
    suppressions_have_a_code_and_a_reason,
    tests_are_never_skipped,
    tests_wait_in_one_place,
    no_code_walks_the_key_space,
    locks_are_few_and_off_the_path_of_jobs,
    replies_of_stores_are_awaited,
    tests_draw_their_keys,
)


def _parse_packages(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in list_modules(root, folders=PACKAGES):
        yield path, _parse(path.read_text())


@functools.cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _list_public_methods(node: ast.ClassDef) -> set[str]:
    """Return the names: a property that can be set, or an overloaded method, is one."""
    methods = [
        line for line in node.body if isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {method.name for method in methods if not method.name.startswith("_")}


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return any(alias.name in {"environ", "environb", "getenv"} for alias in node.names)
    if not isinstance(node, ast.Attribute) or ast.unparse(node.value) != "os":
        return False
    return node.attr in {"environ", "environb", "getenv"}


def _list_imported(node: ast.AST) -> list[str]:
    """Return what an import names, each with the whole of its path."""
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _is_below(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


def _reads_wall_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "time":
        return any(alias.name in {"time", "time_ns", "localtime"} for alias in node.names)
    return isinstance(node, ast.Attribute) and bool(_WALL_CLOCK.match(ast.unparse(node)))


def _walks_keys(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in _WALK_METHODS:
        return bool(_CLIENT.search(ast.unparse(node.func.value)))
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Constant) and first.value in {"KEYS", "SCAN"}


def _spells_prefix(node: ast.Call) -> bool:
    words = node.args[:1] if ast.unparse(node.func) == "Keys" else []
    return any(isinstance(word, ast.Constant) for word in words)


def walk_functions(node: ast.AST, function: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Every node below this one, with the function around it; a turn for others is left out."""
    for child in ast.iter_child_nodes(node):
        is_sleep = isinstance(child, ast.Call) and sleeps(child.func)
        if is_sleep and ast.unparse(child) == "asyncio.sleep(0)":
            continue
        yield child, function
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from walk_functions(child, child.name if is_function else function)


def sleeps(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}:
        return any(alias.name == "sleep" for alias in node.names)
    if not isinstance(node, ast.Attribute) or node.attr != "sleep":
        return False
    return ast.unparse(node) in {"time.sleep", "asyncio.sleep"}


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)
