"""A person's own file, and what packages bring."""

import hashlib
import sys
import threading
from pathlib import Path

import pytest

from execution.errors import ConfigInvalid
from execution.strategies.bias import check_lookahead, check_warmup
from execution.strategies.loading import installed, load_file, together
from execution.strategies.registry import STRATEGIES
from execution.strategies.wishes import wishes
from tests.execution.strategies.user_files import IMPORTS, write
from tests.execution.walks import random_walk

GOOD = (
    '@strategy("mine", warmup_bars=1)\ndef mine(bars, side=1):\n    return np.full(len(bars), side)'
)
LINES = IMPORTS.count("\n")


def complaint(path: Path) -> str:
    with pytest.raises(ConfigInvalid) as error:
        load_file(path)
    return str(error.value)


def test_a_function_in_a_file_is_a_strategy_with_the_hash_of_what_ran(tmp_path: Path):
    path = write(tmp_path, GOOD)

    (mine,) = load_file(path)

    assert ("mine", str(path)) == (mine.name, mine.source)
    assert mine.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(mine.with_params({"side": -1})(random_walk(1, 2))) == [-1, -1]


def test_a_changed_file_is_run_anew_and_an_unchanged_one_is_not(tmp_path: Path):
    path = write(tmp_path, GOOD + '\nprint("ran")')
    first, again = load_file(path), load_file(path)

    path = write(tmp_path, GOOD.replace("side=1", "side=0"))
    (changed,) = load_file(path)

    assert first[0].make is again[0].make
    assert list(changed.with_params({})(random_walk(1, 2))) == [0, 0]


def test_a_file_is_run_once_though_many_ask_for_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The checks of a preflight look side by side."""
    path = write(tmp_path, 'import time\ntime.sleep(0.05)\nprint("ran")\n' + GOOD)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(load_file(path)))) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [1] * 8
    assert capsys.readouterr().out == "ran\n"


def test_a_file_shadows_no_module(tmp_path: Path):
    load_file(write(tmp_path, GOOD, name="json.py"))

    import json

    assert json.loads("1") == 1
    assert str(tmp_path) not in sys.path


def test_what_a_file_imports_is_not_declared_by_it(tmp_path: Path):
    path = write(tmp_path, f"from execution.strategies.donchian import donchian\n{GOOD}")

    assert [one.name for one in load_file(path)] == ["mine"]


def test_a_class_of_parameters_is_a_strategy(tmp_path: Path):
    """Dataclasses look their module up by its name."""
    text = """
from __future__ import annotations
from dataclasses import dataclass
@strategy("held", warmup_bars=1)
@dataclass
class Held:
    side: int = 1
    def __call__(self, bars):
        return np.full(len(bars), self.side)
"""
    path = tmp_path / "held.py"
    future, rest = text.split("annotations", 1)
    path.write_text(f"{future.strip()} annotations\n{IMPORTS}{rest}")

    (held,) = load_file(path)

    assert list(held.with_params({"side": -1})(random_walk(1, 2))) == [-1, -1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def mine(bars)\n    return 1", "line 2: expected ':'"),
        ("x = 1\ny = nothing", "line 3: NameError: name 'nothing' is not defined"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("def mine(bars):\n    return 1", "declares no strategy; put @strategy(NAME, warmup_bars"),
        ("", "declares no strategy"),
        (GOOD.replace("mine", "emergency"), "strategy 'emergency' is reserved"),
        (GOOD.replace(", warmup_bars=1", ""), "missing 1 required keyword-only argument: 'warmup"),
    ],
    ids=[
        "syntax",
        "raises",
        "import",
        "exit",
        "no decorator",
        "empty",
        "reserved",
        "no warm-up",
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line(tmp_path: Path, text: str, problem: str):
    path = write(tmp_path, text)
    before = set(sys.modules)

    told = complaint(path)

    assert told.startswith(f"{path}: ")
    line, _, rest = problem.partition(": ")
    if line.startswith("line "):
        problem = f"line {int(line[5:]) - 1 + LINES}: {rest}"
    assert problem in told
    assert "\n" not in told
    assert complaint(path) == told  # it is not half there the next time
    assert {n for n in set(sys.modules) - before if "declares no" not in told} == set()


def test_a_missing_file_is_named(tmp_path: Path):
    assert complaint(tmp_path / "no.py") == f"{tmp_path / 'no.py'}: cannot be read: No such file or directory"  # fmt: skip  # noqa: E501


def test_a_name_that_is_there_twice_is_refused_with_both_places(tmp_path: Path):
    path = write(tmp_path, GOOD.replace('"mine"', '"donchian"'))

    with pytest.raises(ConfigInvalid) as error:
        together((*STRATEGIES.values(), *load_file(path)))

    assert str(error.value) == (
        "strategy 'donchian' is there twice: in execution.strategies.donchian and in "
        f"{path}; give one of them another name"
    )


def test_a_name_twice_in_one_file_is_refused_though_python_keeps_the_last(tmp_path: Path):
    path = write(tmp_path, f"{GOOD}\n\n{GOOD}")

    with pytest.raises(ConfigInvalid, match="strategy 'mine' is there twice"):
        together(load_file(path))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with one that has an entry point; its module's file."""
    site = tmp_path / "site"
    about = site / "their_signals-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-signals\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[regent.strategies]\ntheirs = their_signals\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "their_signals", raising=False)
    yield write(site, GOOD.replace('"mine"', '"theirs"'), name="their_signals.py")
    sys.modules.pop("their_signals", None)


def test_a_package_brings_strategies_by_its_entry_point(package: Path):
    (theirs,) = installed()

    assert (theirs.name, theirs.source) == ("theirs", "their_signals")
    assert theirs.sha256 == hashlib.sha256(package.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("1 / 0", "cannot be loaded: ZeroDivisionError"), ("x = 1", "must name a module that")],
    ids=["raises", "declares nothing"],
)
def test_an_entry_point_that_cannot_be_used_is_named(package: Path, text: str, problem: str):
    """It may be the one that a run means: to leave it out would trade something else."""
    package.write_text(text)

    with pytest.raises(ConfigInvalid, match=rf"entry point theirs = their_signals .*{problem}"):
        installed()


def test_the_strategy_in_the_readme_is_one(tmp_path: Path):
    """A newcomer begins by copying it."""
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (block,) = [
        part for part in readme.split("```") if part.startswith("python") and "rsi_dip" in part
    ]
    path = tmp_path / "my_strategy.py"
    path.write_text(block.removeprefix("python"))

    (rsi_dip,) = load_file(path)

    strategy = rsi_dip.with_params({"length": 10})
    assert strategy.warmup_bars == 150
    assert {0, 1} == set(wishes(strategy, random_walk(1, 600))["side"])
    assert check_lookahead(strategy, random_walk(1, 600), 40).differences == ()
    assert check_warmup(strategy, random_walk(1, 600), 40).differences == ()
