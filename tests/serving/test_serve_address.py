"""The address that a server takes before it loads its model."""

from __future__ import annotations

from contextlib import closing

import pytest

from acgan.serving.app import listen
from avatar_common.errors import UserError


def test_a_second_server_on_the_port_gets_a_line() -> None:
    """At once, and not when the first has loaded: both may have been started together."""
    with closing(listen("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=rf"127\.0\.0\.1:{port}: address already in use"):
            listen("127.0.0.1", port)


def test_a_host_that_is_none_gets_a_line() -> None:
    for host in ("a" * 10_000, "a..b", "nobody.invalid"):
        with pytest.raises(UserError) as error:
            listen(host, 0)
        assert len(str(error.value)) < 300
