from __future__ import annotations

import pytest

from reconciler.api.transport import origin
from reconciler.errors import Invalid


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com:8443/under/", "https://api.example.com:8443/under"),
        ("http://127.0.0.1:8085", "http://127.0.0.1:8085"),
        ("http://localhost:8085/", "http://localhost:8085"),
        ("http://[::1]:8085", "http://[::1]:8085"),
    ],
)
def test_a_base_url_is_https_or_this_machine(base_url: str, expected: str) -> None:
    assert str(origin(base_url)) == expected


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0:80",
        "https://user:secret@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com:port",
        "https://",
    ],
)
def test_any_other_is_refused_without_quoting_a_secret(base_url: str) -> None:
    with pytest.raises(Invalid) as caught:
        origin(base_url)
    assert "secret" not in str(caught.value)
