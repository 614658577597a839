from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.events import ksuid
from lambda_learner.simulate.ids import Mint


def test_an_identifier_is_a_ksuid_of_the_time_that_was_asked_for() -> None:
    mint = Mint(np.random.default_rng(1))
    for unix_s in (1_400_000_000, 1_411_182_310, 5_680_000_000):
        text = mint.at(unix_s)
        assert ksuid.is_valid(text)
        assert ksuid.unix_seconds(text) == unix_s


def test_the_text_is_that_of_the_plain_encoder() -> None:
    payloads = np.random.default_rng(2).bytes(16 * 4096)
    assert Mint(np.random.default_rng(2)).at(1_500_000_000) == ksuid.encode(1_500_000_000, payloads[-16:])


def test_one_seed_gives_the_same_identifiers_and_none_twice() -> None:
    first, second = (Mint(np.random.default_rng(3)) for _ in range(2))
    ids = [first.at(1_500_000_000) for _ in range(10_000)]
    assert ids == [second.at(1_500_000_000) for _ in range(10_000)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("unix_s", [1_399_999_999, 1_400_000_000 + 2**32])
def test_a_time_that_no_ksuid_has_is_refused(unix_s: int) -> None:
    with pytest.raises(ValueError, match="got"):
        Mint(np.random.default_rng(4)).at(unix_s)
