from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.publish.errors import DamagedManifest, NewerFormat
from lambda_learner.publish.manifest import FileEntry, Manifest, dumps, loads

KEY = "coefficients/movies/g/00/manifest.json"
FOLDER = "coefficients/movies/g/00/"

ENTRIES = st.builds(
    FileEntry,
    key=st.text(max_size=8).map(lambda name: FOLDER + name),
    rows=st.integers(0, 2**60),
    kind=st.sampled_from(["delta", "base"]),
    close_ms=st.integers(0, 2**60),
    checksum=st.text(max_size=8),
)
MANIFESTS = st.builds(
    Manifest,
    epoch=st.integers(0, 2**60),
    committed_close_ms=st.integers(-1, 2**60),
    files=st.lists(ENTRIES, max_size=4).map(tuple),
    active_base=st.text(max_size=8),
)


@given(MANIFESTS)
def test_any_manifest_comes_back_and_gives_one_text(manifest: Manifest) -> None:
    text = dumps(manifest)
    assert loads(text, KEY) == manifest
    assert dumps(loads(text, KEY)) == text


def test_the_text_is_json_in_order_of_field() -> None:
    manifest = Manifest(2, 5000, (FileEntry(FOLDER + "a.parquet", 3, "delta", 5000, "ff"),))
    assert dumps(manifest).decode() == (
        '{\n  "active_base": "",\n  "committed_close_ms": 5000,\n  "epoch": 2,\n  "files": [\n    {\n'
        '      "checksum": "ff",\n      "close_ms": 5000,\n'
        '      "key": "coefficients/movies/g/00/a.parquet",\n      "kind": "delta",\n      "rows": 3\n'
        '    }\n  ],\n  "format_version": 1\n}\n'
    )


GOOD = dumps(Manifest(1, 5000, (FileEntry(FOLDER + "a", 3, "delta", 5000, "ff"),)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"epoch": 1', b'"epoch": -1', "epoch must be an integer ≥ 0, got -1"),
        (b'"epoch": 1', b'"epoch": true', "epoch must be an integer ≥ 0, got True"),
        (b'"epoch"', b'"era"', "epoch must be an integer ≥ 0, got None"),
        (b"5000,\n  ", b'"5000",\n  ', "committed_close_ms must be an integer"),
        (b'"rows": 3', b'"rows": 3.5', "files\\[0\\].rows must be an integer ≥ 0, got 3.5"),
        (b'"delta"', b'"other"', "files\\[0\\].kind must be one of delta, base, got 'other'"),
        (b"movies/g/00/a", b"movies/g/01/a", "key must be a key under coefficients/movies/g/00/"),
        (b"}", b"", "it is not JSON"),
        (b'"format_version": 1', b'"format_version": 0', "format_version must be an integer ≥ 1"),
    ],
)
def test_a_damaged_manifest_names_key_field_and_what_to_do(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(DamagedManifest, match=message) as caught:
        loads(GOOD.replace(old, new), KEY)
    assert KEY in str(caught.value)
    assert "restore it from a copy" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"\xff", b"{", GOOD[:100]])
def test_what_is_no_manifest_at_all_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedManifest):
        loads(data, KEY)


def test_a_manifest_of_a_newer_format_is_refused_even_if_its_fields_are_unknown() -> None:
    with pytest.raises(NewerFormat, match=r"manifest.json has format version 2, this release reads up to 1"):
        loads(b'{"format_version": 2, "shape": "unknown"}', KEY)
