from __future__ import annotations

from pathlib import Path

import pytest

from config.kafka import Secret, SecretError


def test_a_secret_is_in_an_environment_variable() -> None:
    assert Secret(env="A").read({"A": "it is"}) == "it is"


def test_a_secret_is_the_first_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("it is \r\nnot this\n")
    assert Secret(file=str(path)).read() == "it is "


def test_a_variable_that_is_not_set_is_told() -> None:
    with pytest.raises(SecretError, match="nothing in the environment variable A"):
        Secret(env="A").read({})


@pytest.mark.parametrize(("data", "message"), [(b"\nx", "nothing in"), (b"\xff", "cannot be read as text")])
def test_a_file_without_a_secret_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(data)
    with pytest.raises(SecretError, match=message):
        Secret(file=str(path)).read()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="none cannot be read"):
        Secret(file=str(tmp_path / "none")).read()
