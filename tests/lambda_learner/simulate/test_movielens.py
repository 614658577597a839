from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from lambda_learner.events.wire import decode
from lambda_learner.simulate import movielens
from lambda_learner.simulate.lines import Line, render
from lambda_learner.simulate.movielens import DataSetError, MovieLens, event_lines, find_folder, read

FILES = {
    "ml-100k.inter": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "2\t11\t4\t874724710\n1\t10\t3\t874724711\n1\t12\t5\t874724710\n"
    ),
    "ml-100k.item": (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "10\tA\t1995\tComedy Film-Noir\n11\tB\t1990\tDrama\n12\tC\tunkonwn\tunknown\n"
    ),
    "ml-100k.user": (
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\t94043\n"
    ),
}
SHIFT_S = 17 * 365 * 86_400 + 4 * 86_400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setitem(movielens.SHA256, name, hashlib.sha256(text.encode()).hexdigest())
    return tmp_path


def lines_of(data: MovieLens, seed: int = 0) -> list[Line]:
    return list(event_lines(data, np.random.default_rng(seed)))


def fields_of(line: Line) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(render(line, stamped=True))
    return fields


def test_ratings_are_decisions_by_time_then_by_place_in_the_file(folder: Path) -> None:
    lines = [line for line in lines_of(read(folder)) if line.kind == "decision"]
    users = [fields_of(line)["context"]["user_id"] for line in lines]
    assert users == ["2", "1", "1"]
    assert [line.arrival_ms // 1000 - SHIFT_S for line in lines] == [874724710, 874724710, 874724711]


def test_a_decision_tells_the_film_and_the_user(folder: Path) -> None:
    fields = fields_of(lines_of(read(folder))[2])
    assert fields["model"] == "movies"
    assert fields["item"] == {"genres": ["Comedy", "Film-Noir"], "year": 0.9975}
    assert fields["context"] == {"user_id": "1", "age": 24, "gender": "M", "occupation": "technician"}
    assert fields["count"] == 20
    assert fields["received_at"] == (874724711 + SHIFT_S) * 1000


def test_a_film_of_an_unknown_year_has_none(folder: Path) -> None:
    assert fields_of(lines_of(read(folder))[1])["item"] == {"genres": ["unknown"]}


def test_the_sample_is_another_film(folder: Path) -> None:
    data = read(folder)
    for seed in range(20):
        for line in lines_of(data, seed):
            if line.kind == "decision":
                fields = fields_of(line)
                assert fields["sample"] != fields["item"]
                assert orjson.dumps(fields["sample"]).decode() in data.movies.values()


def test_a_rating_above_3_is_rewarded_five_seconds_later(folder: Path) -> None:
    lines = lines_of(read(folder))
    rewards = [line for line in lines if line.kind == "reward"]
    assert [fields_of(line)["reward"] for line in rewards] == [1.0, 1.0]
    assert [line.message_ms - line.decision_ms for line in rewards] == [5000, 5000]
    assert {line.decision_id for line in rewards} == {line.decision_id for line in lines[:2]}


def test_lines_are_valid_and_in_order_of_arrival(folder: Path) -> None:
    lines = lines_of(read(folder))
    assert lines == sorted(lines)
    for line in lines:
        event = decode(render(line, stamped=True).rstrip(), arrival_ms=2_000_000_000_000)
        assert event.event_ms == event.arrival_ms == line.arrival_ms


def test_one_seed_gives_the_same_log_and_another_seed_another(folder: Path) -> None:
    data = read(folder)
    assert lines_of(data, 5) == lines_of(data, 5)
    assert lines_of(data, 5) != lines_of(data, 6)


def test_a_changed_file_is_refused_by_its_name(folder: Path) -> None:
    (folder / "ml-100k.item").write_text("other")
    with pytest.raises(DataSetError, match=r"ml-100k\.item is not that of recbole"):
        read(folder)


def test_a_missing_file_is_refused_with_the_command_that_brings_it(folder: Path) -> None:
    (folder / "ml-100k.user").unlink()
    with pytest.raises(DataSetError, match="pip install --no-deps recbole"):
        read(folder)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "find_spec", lambda _name: None)
    with pytest.raises(DataSetError, match=r"pip install --no-deps recbole==1\.2\.1"):
        find_folder()


def test_the_real_data_set_has_100_000_ratings() -> None:
    try:
        data = read(find_folder())
    except DataSetError as error:
        pytest.skip(str(error))
    assert (len(data.ratings), len(data.movies), len(data.users)) == (100_000, 1_682, 943)
    assert sum(stars > 3 for *_, stars in data.ratings) == 55_375
