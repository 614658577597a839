"""Known vulnerabilities of what is installed, as PyPI's JSON tells them; `make audit`, and each run of CI.

Ends with 1 where one has a remedy: a release that mends it, and that no other package forbids. One without is told. Not
every mirror of PyPI answers for a release; then what it says of the newest one counts where that is the one installed.
What nobody could tell is named.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from typing import Any, Final, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

__all__ = ["Finding", "Package", "audited", "main"]

INDEX: Final = "https://pypi.org/pypi"
WAIT_SECONDS: Final = 20
ASKED_AT_ONCE: Final = 16
NOT_FOUND: Final = 404
# Ourselves, and what every virtual environment has.
NO_DEPENDENCY: Final = {"lambda-learner-flink", "pip", "setuptools"}

Required = Mapping[str, Sequence[tuple[str, SpecifierSet]]]
Fetch = Callable[[str], dict[str, Any] | None]  # the JSON at an address; None where there is none


class Package(NamedTuple):
    """A distribution in one release."""

    name: str
    version: str


class Finding(NamedTuple):
    """A vulnerability of a package, and the releases that mend it."""

    package: Package
    id: str
    fixed_in: Sequence[str]


def installed() -> list[Package]:
    """All distributions of this environment that we depend on."""
    found = {Package(canonicalize_name(each.metadata["Name"]), each.version) for each in distributions()}
    return sorted(package for package in found if package.name not in NO_DEPENDENCY)


def requirements() -> dict[str, list[tuple[str, SpecifierSet]]]:
    """Of each package who requires it, and which releases of it."""
    found: dict[str, list[tuple[str, SpecifierSet]]] = {}
    for each in distributions():
        for requirement in map(Requirement, each.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                known = found.setdefault(canonicalize_name(requirement.name), [])
                known.append((each.metadata["Name"], requirement.specifier))
    return found


def audited(package: Package, fetch: Fetch) -> list[Finding] | None:
    """The vulnerabilities of a package; None where nobody tells."""
    name, version = package
    document = fetch(f"{INDEX}/{name}/{version}/json")
    if document is None:
        document = fetch(f"{INDEX}/{name}/json")
        if document is None or document["info"]["version"] != version:
            return None
    known = (each for each in document["vulnerabilities"] if not each.get("withdrawn"))
    return [Finding(package, each["id"], each["fixed_in"]) for each in known]


def fetched(url: str) -> dict[str, Any] | None:
    """The JSON at an address; OSError where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:  # noqa: S310 - of INDEX
            document: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    return document


def main(packages: Sequence[Package], fetch: Fetch, required: Required) -> int:
    """Audit them, tell what is found, and give the exit code."""
    try:
        with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
            answers = list(threads.map(lambda package: audited(package, fetch), packages))
    except OSError as error:
        _say([f"NOT AUDITED: {INDEX} does not answer ({error})"])
        return 0
    findings = [finding for answer in answers for finding in answer or ()]
    untold = [package for package, answer in zip(packages, answers, strict=True) if answer is None]
    remedies = [remedy(finding, required) for finding in findings]
    _say(_told(zip(findings, remedies, strict=True), untold, len(packages)))
    return int(any(can_be_mended for can_be_mended, _ in remedies))


def remedy(finding: Finding, required: Required) -> tuple[bool, str]:
    """Whether a release mends it that everybody allows, and what is to be said of that."""
    if not finding.fixed_in:
        return False, "not mended yet"
    told = f"mended in {', '.join(finding.fixed_in)}"
    for who, allowed in required.get(finding.package.name, ()):
        if not any(allowed.contains(release, prereleases=True) for release in finding.fixed_in):
            return False, f"{told}, but {who} requires {allowed}"
    return True, told


def _told(
    findings: Iterable[tuple[Finding, tuple[bool, str]]], untold: Sequence[Package], number: int
) -> Iterator[str]:
    for (package, found, _), (_, told) in findings:
        yield f"{package.name} {package.version}: {found}, {told}"
    yield f"{number - len(untold)} of {number} packages audited"
    if untold:
        yield f"nobody tells of: {', '.join(' '.join(package) for package in untold)}"


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(installed(), fetched, requirements()))
