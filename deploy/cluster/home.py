"""Makes a FLINK_HOME: the wheel's scripts copied, its jars linked, a config.yaml of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from jobs.embedded_python import put_first
from jobs.java import find_java
from jobs.ports import free_ports

__all__ = ["Home", "make_home"]

CONFIG: Final = Path(__file__).with_name("config.yaml")
# Of an interpreter: where pyflink is, and where what it imports is found.
ASK: Final = "import json, os, sys, pyflink; print(json.dumps([os.path.dirname(pyflink.__file__), sys.path[1:]]))"


@dataclass(frozen=True, slots=True)
class Home:
    """A FLINK_HOME, the Python of its jobs, and where its REST interface will listen."""

    folder: Path
    python: Path
    rest_port: int
    jvm_args: str = ""

    @property
    def address(self) -> str:
        """Of the REST interface."""
        return f"http://127.0.0.1:{self.rest_port}"

    def environ(self) -> dict[str, str]:
        """What the scripts need; without FLINK_HOME the client of Python would use the wheel's plugins and jars."""
        folders = {"HOME": "", "CONF_DIR": "conf", "LOG_DIR": "log", "PID_DIR": "log", "BIN_DIR": "bin"}
        folders |= {"LIB_DIR": "lib", "OPT_DIR": "opt", "PLUGINS_DIR": "plugins"}
        environ = {f"FLINK_{name}": str(self.folder / path) for name, path in folders.items()}
        environ |= {"JAVA_HOME": str(find_java()), "JVM_ARGS": self.jvm_args, "PATH": os.environ.get("PATH", "")}
        # The embedded Python takes its standard library from the first python3 of a TaskManager's PATH, and so does the
        # process that parses: the variables are those of TaskManagers, not only of the client.
        put_first(environ, "PATH", [str(self.python.parent)])
        return environ


def make_home(
    folder: Path,
    python: Path,
    *,
    jars: Iterable[Path] = (),
    options: Mapping[str, str] | None = None,
    jvm_args: str = "",
) -> Home:
    """A FLINK_HOME with Flink of that Python, the jars in lib/ and the options in its configuration.

    Made anew where there is one: then with other ports, and what was in its log folder stays. `jvm_args` are for each
    JVM, the client's too; a TaskManager's memory is set by the options.
    """
    wheel, packages = _ask(python)
    for name in ("bin", "conf"):
        shutil.copytree(wheel / name, folder / name, dirs_exist_ok=True)
    for script in (folder / "bin").iterdir():
        script.chmod(0o755)
    (folder / "log").mkdir(exist_ok=True)
    _link([*(wheel / "lib").glob("*.jar"), *(wheel / "opt").glob("flink-python-*.jar"), *jars], folder / "lib")
    _link((wheel / "opt").glob("*.jar"), folder / "opt")
    _link((wheel / "plugins").iterdir(), folder / "plugins")
    rest_port, rpc_port = free_ports(2)
    ports = {"rest.port": str(rest_port), "jobmanager.rpc.port": str(rpc_port)}
    ours = {"python.executable": str(python), "python.pythonpath": ":".join(packages)}
    ours |= {"io.tmp.dirs": str(folder / "tmp")}
    _write_config(folder / "conf" / "config.yaml", {**_java_options(wheel), **ours, **ports, **(options or {})})
    return Home(folder, python, rest_port, jvm_args)


def _ask(python: Path) -> tuple[Path, list[str]]:
    command = [str(python), "-c", ASK]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a Python that the caller names
    wheel, paths = json.loads(answer.stdout)
    return Path(wheel), [path for path in paths if path.endswith("-packages")]


def _link(paths: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())


def _java_options(wheel: Path) -> dict[str, str]:
    """The options with which Java 17 lets Flink at what it needs of Java."""
    document: Any = yaml.safe_load((wheel / "conf" / "config.yaml").read_text())
    return {"env.java.opts.all": document["env"]["java"]["opts"]["all"]}


def _write_config(path: Path, options: Mapping[str, str]) -> None:
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG.read_text()), **options}, width=100_000))
