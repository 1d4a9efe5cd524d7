from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.transports.short_polling.protocol import Options


def test_a_poll_a_second_with_entity_tags_is_the_default() -> None:
    assert Options() == Options(interval_s=1.0, entity_tags=True)


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf")])
def test_an_interval_takes_time(interval_s: float) -> None:
    with pytest.raises(ValidationError):
        Options(interval_s=interval_s)
