"""What every event of these tests asks of the services is counted."""

from collections.abc import Iterator

import pytest
from one_service import services_watched


@pytest.fixture(scope="module", autouse=True)
def services_are_watched() -> Iterator[None]:
    with services_watched():
        yield
