from __future__ import annotations

import pytest

from lambda_learner.events import ksuid
from lambda_learner.events.wire import BadRecord, decode
from lambda_learner.simulate.bad import BAD_KINDS, bad_body
from lambda_learner.simulate.lines import Line, render

NOW_MS = 1_704_067_200_000
ID = ksuid.encode(NOW_MS // 1000, bytes(16))


@pytest.mark.parametrize("number", range(len(BAD_KINDS) + 1))
@pytest.mark.parametrize("stamped", [True, False])
def test_a_bad_line_is_refused_for_its_reason(number: int, *, stamped: bool) -> None:
    body, reason = bad_body(number, message_id=ID, model="model-0")
    text = render(Line(NOW_MS, 0, "bad", body, reason=reason), stamped=stamped)
    assert text.count(b"\n") == 1
    with pytest.raises(BadRecord) as refused:
        decode(text.rstrip(b"\n"), arrival_ms=NOW_MS)
    assert refused.value.reason == reason


def test_only_the_first_of_many_is_too_large() -> None:
    reasons = [bad_body(number, message_id=ID, model="m")[1] for number in range(3 * len(BAD_KINDS))]
    assert reasons[0] == "too_large"
    assert "too_large" not in reasons[1:]
