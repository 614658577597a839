from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import ConfigError, load
from config.settings import Model, Settings
from lambda_learner.retrain.schedule import Every

Load = Callable[[str], Settings]
Fail = Callable[[str], list[str]]

SHIPPED = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def of(text: str) -> Settings:
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return load(tmp_path / "c.yaml")

    return of


@pytest.fixture
def problems(loaded: Load) -> Fail:
    """The problems of a text, a line each."""

    def of(text: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            loaded(text)
        return [str(problem) for problem in raised.value.problems]

    return of


def test_what_is_not_named_has_its_default(loaded: Load) -> None:
    settings = loaded("project: one\n")
    assert settings == Settings(project="one")
    assert settings.stream.out_of_orderness_ms == 30_000
    assert settings.model_for("anything") == Model()


def test_a_model_with_nothing_said_of_it_has_the_defaults(loaded: Load) -> None:
    assert loaded("models: {songs: null, films: }\n").models == {"songs": Model(), "films": Model()}


def test_an_empty_section_has_the_defaults(loaded: Load) -> None:
    assert loaded("stream:\nbucket:\ntraining:\nmodels:\n") == Settings()


def test_durations_are_held_in_milliseconds(loaded: Load) -> None:
    settings = loaded("stream: {publish_interval: 2 min, out_of_orderness: 1500 ms, gc_grace: 3}\n")
    assert settings.stream.publish_interval_ms == 120_000
    assert settings.stream.out_of_orderness_ms == 1_500
    assert settings.stream.gc_grace_ms == 3_000


def test_one_path_and_a_list_of_paths_both_name_the_entity(loaded: Load) -> None:
    settings = loaded(
        "models:\n"
        "  a: {learner: {entity: context.user_id}}\n"
        "  b: {learner: {entity: [context.user_id, item.id]}}\n"
        "  c: {learner: {entity: }}\n"
    )
    entities = {name: model.learner.entity for name, model in settings.models.items()}
    assert entities == {"a": ("context.user_id",), "b": ("context.user_id", "item.id"), "c": ()}


def test_forgetting_is_a_number_or_a_mapping(loaded: Load) -> None:
    settings = loaded(
        "models:\n"
        "  a: {learner: {forgetting: 0.95}}\n"
        "  b: {learner: {forgetting: {factor: 0.5, per: time, tau: 1 day}}}\n"
    )
    assert settings.models["a"].learner.forgetting.factor == 0.95
    forgetting = settings.models["b"].learner.forgetting
    assert (forgetting.factor, forgetting.per, forgetting.tau_ms) == (0.5, "time", 86_400_000)


def test_the_configuration_of_the_gym_is_read(loaded: Load) -> None:
    settings = loaded(
        "organization: acme\nproject: demo\naws_region: us-east-1\n"
        "models:\n  greetings:\n  songs: {training: {hyperparameters: {max_trees: 50}}}\n"
        "training:\n  schedule: rate(4 hours)\n  instance_type: ml.m5.2xlarge\n  instance_count: 4\n"
        "  max_runtime: 2 hours\n  volume_size: 10 GB\n"
        "  hyperparameters: {max_decision_records: 8000000, max_checkpoint_age: 24 hours, explore: 'yes'}\n"
    )
    assert settings.training.schedule == Every(4 * 3_600_000)
    assert settings.training.max_runtime_ms == 2 * 3_600_000
    assert settings.training.volume_size_gb == 10
    assert settings.models["songs"].training.hyperparameters == {"max_trees": 50}


def test_the_shipped_files_load() -> None:
    assert "movies" in load(SHIPPED / "demo.yaml").models
    assert "movies" in load(SHIPPED / "example.yaml").models


def test_the_example_shows_the_defaults_of_all_but_its_model() -> None:
    example = load(SHIPPED / "example.yaml")
    assert example.models["songs"] == Model()
    assert (example.stream, example.bucket, example.track) == (
        Settings().stream,
        Settings().bucket,
        Settings().track,
    )


def test_every_problem_is_listed_in_the_order_of_the_file(problems: Fail) -> None:
    text = (
        "organization: Acme Inc\n"
        "stream:\n"
        "  publish_interval: 1500 ms\n"
        "  shards: 0\n"
        "models:\n"
        "  movies:\n"
        "    learner: {prior_precison: 4, kind: logistical}\n"
    )
    assert problems(text) == [
        "line 1: organization: got 'Acme Inc'; accepted: lower-case letters a-z and digits",
        "line 3: stream.publish_interval: got '1500 ms'; accepted: a duration of whole seconds, "
        "at least 1 s, such as 10 s",
        "line 4: stream.shards: got 0; accepted: an integer from 1 to 256",
        "line 7: models.movies.learner.kind: got 'logistical'; accepted: logistic or linear",
        "line 7: models.movies.learner.prior_precison: unknown key; did you mean prior_precision?",
    ]


def test_the_message_names_the_file_and_counts_the_problems(loaded: Load) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml: 2 problems\n  line 1: .*\n  line 2: "):
        loaded("projct: x\nmodel: {}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stream: {out_of_orderness: 500 ms}", "got '500 ms'; accepted: a duration of at least 1 s"),
        ("stream: {out_of_orderness: soon}", "got 'soon': not a number with a unit; accepted: a duration"),
        ("stream: {parallelism: 0}", "got 0; accepted: an integer from 1 to 128"),
        ("stream: {parallelism: true}", "got True; accepted: an integer from 1 to 128"),
        ("stream: {parallelism: '2'}", "got '2'; accepted: an integer from 1 to 128"),
        ("stream: {parallelism: 2.0}", "got 2.0; accepted: an integer from 1 to 128"),
        ("stream: {shards: 257}", "got 257; accepted: an integer from 1 to 256"),
        ("stream: {python_mode: fast}", "got 'fast'; accepted: thread or process"),
        ("stream: {clock: utc}", "got 'utc'; accepted: events or wall"),
        ("stream: {idle_timeout: 0.5}", "got 0.5; accepted: a duration of at least 1 s, such as 3 s"),
        ("stream: {state: s3://b/x}", "only folders of this machine"),
        ("stream: {checkpoints: state/checkpoints}", "not of the form s3://BUCKET/PREFIX"),
        ("stream: {checkpoints: s3://b/x}", "got 's3://b/x': must be s3://BUCKET/PREFIX"),
        ("stream: 5", "got 5; accepted: a mapping with the keys source, clock, idle_timeout"),
        ("stream: {source: {kind: kafka, topics: t}}", "source.connection: must be given"),
        ("stream: {source: {kind: kinesis}}", "source.kind: got 'kinesis'; accepted: files or kafka"),
        ("stream: {source: {kind: pipe}}", "got 'pipe'; accepted: files or kafka"),
        ("stream: {source: {path: ''}}", "got '': no path; accepted: the path of a file or folder"),
        ("stream: {source: {path: 2024}}", "got 2024; accepted: the path of a file or folder"),
        ("stream: {source: {follow: maybe}}", "got 'maybe'; accepted: true or false"),
        ("bucket: {models: s3://b/models}", "got 's3://b/models': must be s3://BUCKET/PREFIX"),
        ("bucket: {train: 's3:'}", "got 's3:': not of the form file:PATH or s3://BUCKET/PREFIX"),
        ("bucket: {train: s3://bkt/../x}", "a prefix is names joined by '/'"),
        ("bucket: {endpoint: 'minio:9000'}", "got 'minio:9000': endpoint must be http://HOST:PORT or https://HOST"),
        ("bucket: {endpoint: 9000}", "got 9000; accepted: http://HOST:PORT or https://HOST"),
        ("bucket: {region: Ireland}", "got 'Ireland': region must be a name such as eu-west-1"),
        ("bucket: {models: bucket/models}", "not of the form file:PATH"),
        ("bucket: {train: 'file:'}", "not of the form file:PATH"),
        ("bucket: {train: 'file://host/x'}", "not of the form file:PATH"),
        ("track: {port: 0}", "accepted: an integer from 1 to 65535"),
        ("track: {accept: all}", "got 'all'; accepted: strict or original"),
        ("track: {sink: {folder: s3://b/x}}", "only folders of this machine"),
        ("track: {sink: {folder: 7}}", "got 7; accepted: the path of a folder"),
        ("track: {sink: {rotate_after: 0.5}}", "got 0.5; accepted: a duration of at least 1 s, such as 2 s"),
        ("track: {sink: {rotate_bytes: 0}}", "got 0; accepted: an integer from 1 to 134217728"),
        ("track: {sink: {rotate_bytes: 134217729}}", "got 134217729; accepted: an integer from 1 to 134217728"),
        ("training: {schedule: hourly}", "accepted: rate(TIME), at least a minute: rate(4 hours)"),
        ("training: {volume_size: 10}", 'accepted: a volume such as "10 GB"'),
        ("training: {hyperparameters: {max_tree: 1}}", "'max_tree'; did you mean max_trees?"),
        (
            "training: {hyperparameters: {max_trees: [1]}}",
            "max_trees must be a number, a text, true or false",
        ),
        ("unknown_models: drop", "got 'drop'; accepted: learn, archive or reject"),
        ("models: [movies]", "accepted: a mapping of the names of models to their settings"),
        ("models: {movies: 4}", "got 4; accepted: a mapping with the keys reward, learner, training"),
        (
            "models: {learner: {learner: {kind: 1}}}",
            "models.learner.learner.kind: got 1; accepted: logistic or",
        ),
        ("models: {a: {learner: {zzzzzz: 1}}}", "unknown key; known here: kind, entity, features"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_accepted(problems: Fail, text: str, expected: str) -> None:
    (problem,) = problems(text + "\n")
    assert expected in problem


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        ("forgetting: 0", "got 0; accepted: a number > 0 and ≤ 1"),
        ("forgetting: 1.01", "got 1.01; accepted: a number > 0 and ≤ 1"),
        ("forgetting: {factor: 0.9, per: time}", "`per: time` needs `tau`"),
        ("forgetting: {factor: 0.9, tau: 1 day}", "the other ways take no `tau`"),
        ("forgetting: often", "got 'often'; accepted: a number > 0 and ≤ 1, or {factor"),
        ("prior_precision: 0", "got 0; accepted: a number > 0"),
        ("prior_precision: .inf", "got inf; accepted: a number > 0"),
        ("prior_precision: .nan", "got nan; accepted: a number > 0"),
        ("prior_precision: true", "got True; accepted: a number > 0"),
        ("noise_variance: -1", "noise_variance: got -1; accepted: a number > 0, or estimate"),
        ("noise_variance: .nan", "got nan; accepted: a number > 0, or estimate"),
        ("noise_variance: .inf", "got inf; accepted: a number > 0, or estimate"),
        ("noise_variance: true", "got True; accepted: a number > 0, or estimate"),
        ("noise_variance: estimated", "got 'estimated'; accepted: a number > 0, or estimate"),
        ("noise_variance: [1]", "got [1]; accepted: a number > 0, or estimate"),
        ("noise_variance: estimate", "noise_variance: got 'estimate': a logistic model has no noise variance"),
        ("intercept: {precision: 0}", "intercept.precision: got 0; accepted: a number > 0"),
        ("update_interval: 0.5 s", "accepted: a duration of whole seconds, at least 1 s"),
        ("entity_ttl: never", "accepted: a duration of at least 1 s, such as 30 days"),
        ("entity: user_id", "a path is item or context"),
        ("entity: [context.a, context.a]", "'context.a' stands twice"),
        ("entity: 7", "neither text nor a list of texts"),
        ("features: [item, items.genre]", "a path is item or context"),
        ("features: [item × item × item]", "a cross has two paths"),
        ("features: [item..genre]", "a path is item or context"),
        ("max_features: 0", "got 0; accepted: an integer ≥ 1"),
        ("exploration: -0.1", "got -0.1; accepted: a number ≥ 0"),
    ],
)
def test_a_wrong_learner_is_refused(problems: Fail, learner: str, expected: str) -> None:
    (problem,) = problems("models: {m: {learner: {" + learner + "}}}\n")
    assert expected in problem


@pytest.mark.parametrize("reward", ["window: 999 ms", "window: 0", "window: 1.5 s", "function: avg", "max: 0"])
def test_a_wrong_reward_is_refused(problems: Fail, reward: str) -> None:
    (problem,) = problems("models: {m: {reward: {" + reward + "}}}\n")
    assert problem.startswith("line 1: models.m.reward.")


@pytest.mark.parametrize("name", ["-a", "a b", "ä", "../up", "a/b", "a" * 65, '"a\\n"', '""', "_owner.json"])
def test_a_model_whose_name_is_no_part_of_a_key_is_refused(problems: Fail, name: str) -> None:
    (problem,) = problems(f"models:\n  {name}: {{}}\n")
    assert problem.startswith("line 2: models.")
    assert "model must be 1–64" in problem


@pytest.mark.parametrize("name", ["no", "2024", "1e3", "null", "owner.json", "a.b-c_d", "a" * 64])
def test_a_model_is_called_what_is_written(loaded: Load, name: str) -> None:
    assert list(loaded(f"models:\n  {name}:\n    reward: {{default: 1}}\n").models) == [name]


def test_a_number_in_scientific_notation_needs_no_point(loaded: Load) -> None:
    settings = loaded("models: {m: {learner: {prior_precision: 1e-3}}}\n")
    assert settings.models["m"].learner.prior_precision == 0.001


def test_a_bucket_of_s3_holds_the_server_it_is_at(loaded: Load) -> None:
    urls = "models: s3://bkt/models/, train: 's3://bkt?region=us-west-2'"
    bucket = loaded(f"bucket: {{{urls}, endpoint: 'http://h:1', region: eu-west-1}}\n").bucket
    assert bucket.models == "s3://bkt/models?endpoint=http://h:1&region=eu-west-1"
    assert bucket.train == "s3://bkt?endpoint=http://h:1&region=us-west-2"


def test_a_bucket_of_s3_without_a_server_leaves_it_to_boto3(loaded: Load) -> None:
    bucket = loaded("bucket: {models: s3://bkt/models}\n").bucket
    assert (bucket.models, bucket.train) == ("s3://bkt/models", "file:bucket/train")


def test_a_folder_is_the_same_with_a_server_of_s3_beside_it(loaded: Load) -> None:
    assert loaded("bucket: {train: 'file:///a/b', endpoint: 'https://h'}\n").bucket.train == "file:/a/b"


@pytest.mark.parametrize(
    "section",
    [
        "models: 's3://KEY:Hunter2@bkt/models'",
        "train: 's3://KEY:Hunt/er2@bkt/models'",
        "models: 's3://bkt?secret=Hunter2'",
        "train: 's3://bkt?endpoint=http://me:Hunter2@h'",
        "endpoint: 'http://me:Hunter2@h'",
        "endpoint: 'http://h?secret=Hunter2'",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_shown(problems: Fail, section: str) -> None:
    (problem,) = problems(f"bucket: {{{section}}}\n")
    assert problem.startswith(f"line 1: bucket.{section.partition(':')[0]}: got ")
    assert "Hunt" not in problem


def test_credentials_in_the_address_of_checkpoints_are_refused_and_not_shown(problems: Fail) -> None:
    (problem,) = problems("stream: {checkpoints: 's3://KEY:Hunter2@bkt/p'}\n")
    assert problem.startswith("line 1: stream.checkpoints: got 's3://…'")
    assert "Hunt" not in problem


def test_checkpoints_in_s3_are_at_the_server_of_the_buckets_unless_they_name_one(loaded: Load) -> None:
    bucket = "bucket: {endpoint: 'http://h:1', region: eu-west-1}\n"
    settings = loaded(f"stream: {{checkpoints: s3://bkt/p/}}\n{bucket}")
    assert settings.checkpoints == "s3://bkt/p?endpoint=http://h:1&region=eu-west-1"
    settings = loaded(f"stream: {{checkpoints: 's3://bkt/p?endpoint=http://other'}}\n{bucket}")
    assert settings.checkpoints == "s3://bkt/p?endpoint=http://other&region=eu-west-1"
    assert loaded(bucket).checkpoints is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().stream.parallelism = 2  # type: ignore[misc]
