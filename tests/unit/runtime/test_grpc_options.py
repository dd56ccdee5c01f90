"""gRPC ignores an option whose name it does not know, so that a slip in one says nothing."""

from pathlib import Path

import pytest
from grpc._cython import cygrpc

from services.runtime.channel import OPTIONS
from services.runtime.server import _OPTIONS

LIBRARY = Path(cygrpc.__file__).read_bytes()


@pytest.mark.parametrize("name", sorted({name for name, _ in (*OPTIONS, *_OPTIONS)}))
def test_the_library_knows_the_option(name: str) -> None:
    assert name.encode() in LIBRARY
