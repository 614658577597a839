from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from deploy.audit import INDEX, Fetch, Finding, Package, audited, installed, main, remedy, requirements

OLD, NEW = Package("p", "1"), Package("p", "2")
HOLE = {"id": "PYSEC-1", "fixed_in": ["2"], "withdrawn": None}


def index(of_releases: Mapping[str, list[dict[str, Any]]], *, newest: str = "2") -> Fetch:
    """An index with the vulnerabilities of releases of `p`; it knows the newest by name alone too."""
    documents = {f"{INDEX}/p/{version}/json": version for version in of_releases}
    documents[f"{INDEX}/p/json"] = newest

    def fetch(url: str) -> dict[str, Any] | None:
        version = documents.get(url)
        if version is None:
            return None
        return {"info": {"version": version}, "vulnerabilities": of_releases.get(version, [])}

    return fetch


def test_a_release_has_the_vulnerabilities_that_are_told_of_it() -> None:
    fetch = index({"1": [HOLE], "2": []})
    assert audited(OLD, fetch) == [Finding(OLD, "PYSEC-1", ["2"])]
    assert audited(NEW, fetch) == []


def test_one_that_was_withdrawn_is_none() -> None:
    assert audited(OLD, index({"1": [HOLE | {"withdrawn": "2026-01-01"}]})) == []


def test_of_an_index_without_releases_only_the_newest_is_known() -> None:
    assert audited(NEW, index({})) == []
    assert audited(OLD, index({})) is None
    assert audited(Package("q", "1"), index({})) is None


@pytest.mark.parametrize(("fixed_in", "code", "told"), [(["2", "3"], 1, "mended in 2, 3"), ([], 0, "not mended yet")])
def test_it_fails_where_there_is_a_remedy(
    fixed_in: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([OLD, NEW], index({"1": [HOLE | {"fixed_in": fixed_in}], "2": []}), {}) == code
    assert capsys.readouterr().out == f"p 1: PYSEC-1, {told}\n2 of 2 packages audited\n"


def test_what_nobody_tells_of_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([OLD, NEW], index({}), {}) == 0
    assert capsys.readouterr().out == "1 of 2 packages audited\nnobody tells of: p 1\n"


def test_an_index_that_does_not_answer_is_told_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    def fetch(_: str) -> None:
        raise TimeoutError("timed out")  # noqa: EM101

    assert main([OLD], fetch, {}) == 0
    assert capsys.readouterr().out.startswith("NOT AUDITED: ")


def test_all_that_the_job_runs_on_is_audited() -> None:
    names = {package.name for package in installed()}
    assert {"apache-flink", "numpy", "pyarrow"} <= names
    assert names & {"lambda-learner-flink", "pip"} == set()


def test_a_remedy_that_another_package_forbids_is_none() -> None:
    finding, held = Finding(OLD, "PYSEC-1", ["2", "3"]), [("q", SpecifierSet("<4")), ("r", SpecifierSet("<2"))]
    assert remedy(finding, {"p": held}) == (False, "mended in 2, 3, but r requires <2")
    assert remedy(finding, {"p": held[:1]}) == (True, "mended in 2, 3")


def test_it_is_known_what_packages_require_of_one_another() -> None:
    assert not any(allowed.contains("999") for who, allowed in requirements()["pyarrow"] if who == "apache-flink")
