"""The names at the package's top level, and what they cost: which modules they import."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lambda_learner
import lambda_learner.learn as learn_package

ROOT = Path(__file__).parents[2]

# lambda_learner.md §2: every public name of the original.
ORIGINAL = re.findall(
    r"\w+",
    """
    Name Term Value NameTerm Feature TrainingRecord TRAINING_RECORD_REPR_SEPARATOR IndexMap INDEX_MAP_REPR_SEPARATOR
    IndexedDataset IndexedModel nt_domain_data_to_index_domain_data nt_domain_coeffs_to_index_domain_coeffs
    index_domain_coeffs_to_nt_domain_coeffs coefficient_dict_to_feature_list feature_list_coefficient_dict
    HessianType Trainer with_previous_theta_transform_memoized KEY VALUE TrainerLBGFS TrainerLogisticLossWithL2
    TrainerSequentialBayesianLogisticLossWithL2 TrainerSquareLossWithL2 score_linear_model auc rmse METRICS_FUNCS
    evaluate flatten count_nans current_time_in_ms get_public_attrs represent_container_class dedupe_preserve_order
    sparse_diag_matrix CONTAINER_CLASS_REPR_SEPARATOR PRIVATE_MEMBER_PREFIX Singleton
    """,
)

# Runs first in a fresh interpreter, where {absent} then cannot be imported.
WITHOUT = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"{{name}} is not in the base install", name=name)

sys.meta_path.insert(0, Absent())
"""


def in_base_install(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that can import, of all that is installed here, only our package and its base requirements."""
    present = {"lambda-learner-flink", *base_requirements()}
    packages = importlib.metadata.packages_distributions()
    absent = {package for package, distributions in packages.items() if not present & set(distributions)}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(absent=absent) + program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def base_requirements() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}


def test_every_name_of_the_original_is_there() -> None:
    assert sorted(lambda_learner.__all__) == sorted(ORIGINAL)
    for name in ORIGINAL:
        assert getattr(lambda_learner, name) is not None
        assert name in dir(lambda_learner)


def test_the_names_are_all_that_their_modules_export() -> None:
    modules = [importlib.import_module(f"lambda_learner.{path}") for path in lambda_learner._MODULES]
    assert sorted(name for module in modules for name in module.__all__) == sorted(ORIGINAL)


def test_type_checkers_see_the_same_names() -> None:
    source = (ROOT / "lambda_learner/__init__.py").read_text("utf-8")
    block = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    seen = re.findall(r"\w+", re.sub(r"from [\w.]+ import", "", block))
    assert sorted(seen) == sorted(ORIGINAL)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Featur"):
        lambda_learner.Featur  # type: ignore[attr-defined]  # noqa: B018


def test_the_base_install_needs_three_packages() -> None:
    assert base_requirements() == {"numpy", "orjson", "scipy"}


def test_every_name_imports_with_the_base_install() -> None:
    done = in_base_install("import lambda_learner\nfor name in lambda_learner.__all__: getattr(lambda_learner, name)")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_in_the_base_install_is_blocked_here() -> None:
    done = in_base_install("import lambda_learner.publish.rows")
    assert "pyarrow is not in the base install" in done.stderr


def test_the_package_itself_imports_nothing_heavy() -> None:
    program = "import lambda_learner, sys\nprint({'numpy', 'scipy', 'orjson'} & set(sys.modules))"
    assert in_base_install(program).stdout == "set()\n"


@pytest.mark.parametrize("module", ["lambda_learner.policy", "operators.prefetch", "jobs.cli"])
def test_what_only_reads_settings_and_states_waits_for_no_learner(module: str) -> None:
    program = f"import {module}, sys\nprint({{'numba', 'scipy'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True) == "set()\n"


def test_every_name_of_the_learning_core_is_there_and_the_typed_ones_are_the_same() -> None:
    source = Path(learn_package.__file__).read_text("utf-8")
    block = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    seen = re.findall(r"\w+", re.sub(r"from [\w.]+ import", "", block))
    assert sorted(seen) == sorted(learn_package.__all__)
    for name in learn_package.__all__:
        assert getattr(learn_package, name) is not None


def test_the_walk_through_runs_with_the_base_install() -> None:
    script = ROOT / "docs/examples/lambda_learner_walkthrough.py"
    done = in_base_install(f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')")
    assert done.stderr == ""
    found = re.findall(r": (\d+) clicks of 1000", done.stdout)
    thompson, at_random = map(int, found)
    assert thompson > 2 * at_random
