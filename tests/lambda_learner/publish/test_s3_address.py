from __future__ import annotations

import pytest

from lambda_learner.publish.s3_address import S3Address, check_endpoint, masked, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://abc", S3Address("abc")),
        ("s3://abc/", S3Address("abc")),
        ("s3://a.b-c.9/x/y/", S3Address("a.b-c.9", "x/y")),
        ("s3://abc/a b/é%20/u@v", S3Address("abc", "a b/é%20/u@v")),
        ("s3://abc?region=eu-west-1", S3Address("abc", region="eu-west-1")),
        ("s3://abc/x?endpoint=http://127.0.0.1:9000", S3Address("abc", "x", "http://127.0.0.1:9000")),
        ("s3://abc/x?endpoint=http%3A%2F%2F[::1]:9%2Fs3&region=r", S3Address("abc", "x", "http://[::1]:9/s3", "r")),
    ],
)
def test_an_address_names_bucket_prefix_endpoint_and_region(url: str, expected: S3Address) -> None:
    assert parse_address(url) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://", "a bucket's name is"),
        ("s3:///x", "a bucket's name is"),
        ("s3:abc", "a bucket's name is"),
        ("S3://abc", "a bucket's name is"),
        ("s3://ab", "a bucket's name is"),
        ("s3://" + "a" * 64, "a bucket's name is"),
        ("s3://../x", "a bucket's name is"),
        ("s3://a..b/x", "a bucket's name is"),
        ("s3://Abc", "a bucket's name is"),
        ("s3://a_bc", "a bucket's name is"),
        ("s3://abc\n", "a bucket's name is"),
        ("s3://abc//", "a prefix is names"),
        ("s3://abc/../x", "a prefix is names"),
        ("s3://abc/x/..", "a prefix is names"),
        ("s3://abc/.hidden", "a prefix is names"),
        ("s3://abc/x\\y", "a prefix is names"),
        ("s3://abc/x\0", "a prefix is names"),
        ("s3://abc?bucket=x", "each once"),
        ("s3://abc?region", "each once"),
        ("s3://abc?region=a&region=b", "each once"),
        ("s3://abc?region=", "region must be"),
        ("s3://abc?region=a/b", "region must be"),
        ("s3://abc?endpoint=", "endpoint must be"),
        ("s3://abc?endpoint=ftp://x", "endpoint must be"),
        ("s3://abc?endpoint=http://", "endpoint must be"),
        ("s3://abc?endpoint=http://x:99999", "endpoint must be"),
        ("s3://abc?endpoint=http://x:y", "endpoint must be"),
        ("s3://abc?endpoint=http://x%23y", "endpoint must be"),
        ("s3://abc?endpoint=http://x+y", "endpoint must be"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA1234:Hunter2@abc/x",
        "s3://AKIA1234:Hunt/er2@abc/x",
        "s3://Hunter2@abc",
        "s3://abc?endpoint=http://user:Hunter2@host",
        "s3://abc?endpoint=http://user:Hunt%2Fer2%40host",
        "s3://abc?aws_secret_access_key=Hunter2",
        "s3://abc?endpoint=http://host%3Fsecret=Hunter2",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="boto3 finds them|each once|without a query") as raised:
        parse_address(url)
    assert "Hunt" not in str(raised.value)
    assert "Hunt" not in masked(url)


def test_credentials_in_an_endpoint_are_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="boto3 finds them") as raised:
        check_endpoint("http://user:Hunter2@host")
    assert "Hunter2" not in str(raised.value)


def test_the_place_is_the_address_without_the_server() -> None:
    assert parse_address("s3://abc/x/?region=r").place == "s3://abc/x"
