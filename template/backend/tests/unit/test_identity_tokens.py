import base64
import functools
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.identity import tokens
from app.identity.jwks import KeyCache
from app.identity.scopes import Scope
from app.identity.tokens import MAX_TOKEN_BYTES, AccessToken, InvalidTokenError, TokenVerifier
from tests.identity_provider import LocalProvider, SigningKey

LEEWAY = 1000
"""Seconds; so much that a busy machine does not get from one side of it to the other."""


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def encode(document: dict[str, Any]) -> str:
    return base64url(json.dumps(document).encode())


def join_segments(segments: list[bytes]) -> str:
    return ".".join(base64url(segment) for segment in segments)


def verifier_for(provider: LocalProvider) -> TokenVerifier:
    async def fetch() -> list[Any]:
        return [key.public for key in provider.keys]

    keys = KeyCache(fetch, max_age=300, refresh_interval=30)
    return TokenVerifier(keys, issuer=provider.issuer, leeway=LEEWAY)


@pytest.fixture(scope="module")
async def verifier(provider: LocalProvider) -> AsyncIterator[TokenVerifier]:
    return verifier_for(provider)


async def verify(verifier: TokenVerifier, raw: str) -> AccessToken:
    return await verifier.verify_access_token(raw, "api")


async def test_a_good_token_is_read(verifier: TokenVerifier, provider: LocalProvider) -> None:
    tenant = uuid4()
    raw = provider.token(
        tenant_id=tenant, subject="alice", scopes=["statements/read"], roles=["tenant-admin"]
    )
    token = await verify(verifier, raw)
    assert token.issuer == provider.issuer
    assert token.subject == "alice"
    assert token.tenant_id == tenant
    assert token.scopes == {Scope.STATEMENTS_READ}
    assert token.roles == {"tenant-admin"}
    assert token.email == "alice@example.test"
    assert token.client_id == "frontend"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_keys_of_several_kinds_are_accepted(algorithm: str) -> None:
    with LocalProvider() as provider:
        provider.rotate_keys(algorithm)
        assert await verify(verifier_for(provider), provider.token())


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://elsewhere.test/realms/test"}, "another issuer"),
        ({"iss": None}, "lacks the claim iss"),
        ({"aud": "frontend"}, "another audience"),
        ({"aud": []}, "lacks the claim aud"),
        ({"aud": None}, "lacks the claim aud"),
        ({"aud": {"api": True}}, "another audience"),
        ({"exp": None}, "lacks the claim exp"),
        ({"exp": "soon"}, "not intact"),
        ({"exp": 1e308}, "cannot be used"),
        ({"exp": float("inf")}, "not intact"),
        ({"iat": float("nan")}, "not intact"),
        ({"iat": None}, "lacks the claim iat"),
        ({"jti": None}, "lacks the claim jti"),
        ({"jti": 5}, "not intact"),
        ({"jti": "\0"}, "cannot be used"),
        ({"jti": "\ud800"}, "cannot be used"),
        ({"sub": None}, "lacks the claim sub"),
        ({"sub": ""}, "cannot be used"),
        ({"sub": "x" * 256}, "cannot be used"),
        ({"tenant_id": "acme"}, "not a UUID"),
        ({"tenant_id": 5}, "not a UUID"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    verifier: TokenVerifier, provider: LocalProvider, claims: dict[str, Any], reason: str
) -> None:
    raw = provider.keys[-1].sign(provider.claims(**claims))
    with pytest.raises(InvalidTokenError, match=reason) as caught:
        await verify(verifier, raw)
    assert 'error="invalid_token"' in caught.value.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("claim", "offset", "accepted"),
    [
        ("exp", -LEEWAY + 90, True),
        ("exp", -LEEWAY - 3, False),
        ("nbf", LEEWAY - 3, True),
        ("nbf", LEEWAY + 90, False),
        ("iat", LEEWAY - 3, True),
        ("iat", LEEWAY + 90, False),
    ],
)
async def test_clocks_may_differ_by_the_leeway(
    verifier: TokenVerifier, provider: LocalProvider, claim: str, offset: int, accepted: bool
) -> None:
    raw = provider.token(**{claim: int(time.time()) + offset})
    if accepted:
        assert await verify(verifier, raw)
    else:
        with pytest.raises(InvalidTokenError):
            await verify(verifier, raw)


@pytest.mark.parametrize(("claim", "text"), [("iat", False), ("nbf", False), ("iat", True)])
async def test_a_clock_behind_the_issuers_is_logged(
    verifier: TokenVerifier, provider: LocalProvider, claim: str, text: bool
) -> None:
    later: Any = int(time.time()) + 3600
    raw = provider.token(**{claim: str(later) if text else later})
    with structlog.testing.capture_logs() as logs, pytest.raises(InvalidTokenError, match="yet"):
        await verify(verifier, raw)
    assert [entry["event"] for entry in logs] == ["clock behind the issuer's"]
    assert text or 3540 < logs[0]["seconds"] <= 3600


async def test_an_unsigned_token_is_refused(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    for name in ("none", "None", "nOnE", ""):
        header = {"alg": name, "typ": "JWT", "kid": provider.keys[-1].id}
        raw = ".".join([encode(header), encode(provider.claims()), ""])
        with pytest.raises(InvalidTokenError):
            await verify(verifier, raw)


async def test_a_public_key_does_not_serve_as_a_secret(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    """Who knows the public key could sign with it if HS256 were taken with an RSA key."""
    key = provider.keys[-1]
    public = key.private.public_key()
    spellings = [
        public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    algorithm = jwt.get_algorithm_by_name("HS256")
    header = encode({"alg": "HS256", "typ": "JWT", "kid": key.id})
    for secret in [*spellings, json.dumps(key.public).encode()]:
        signed = f"{header}.{encode(provider.claims())}"
        signature = base64url(algorithm.sign(signed.encode(), secret))
        with pytest.raises(InvalidTokenError, match="accepted algorithm"):
            await verify(verifier, f"{signed}.{signature}")


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES256", "EdDSA"])
async def test_a_key_is_not_used_with_an_algorithm_that_is_not_its_own(
    verifier: TokenVerifier, provider: LocalProvider, algorithm: str
) -> None:
    key = provider.keys[-1]
    signed = f"{encode({'alg': algorithm, 'kid': key.id})}.{encode(provider.claims())}"
    signer = jwt.get_algorithm_by_name(algorithm if algorithm[0] in "RP" else "RS256")
    with pytest.raises(InvalidTokenError):
        await verify(verifier, f"{signed}.{base64url(signer.sign(signed.encode(), key.private))}")


async def test_another_key_under_a_known_id_is_refused(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    impostor = SigningKey()
    impostor.id = provider.keys[-1].id
    with pytest.raises(InvalidTokenError, match="not intact"):
        await verify(verifier, impostor.sign(provider.claims()))


async def test_a_token_brings_no_key_of_its_own(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    impostor = SigningKey()
    raw = impostor.sign(provider.claims(), jwk=impostor.public, jku="https://elsewhere.test/keys")
    with pytest.raises(InvalidTokenError, match="does not have"):
        await verify(verifier, raw)


async def test_a_critical_header_that_is_not_understood_is_refused(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    raw = provider.keys[-1].sign(provider.claims(), crit=["hold"], hold=1)
    with pytest.raises(InvalidTokenError):
        await verify(verifier, raw)


async def test_a_huge_token_is_refused_before_it_is_parsed(
    verifier: TokenVerifier, provider: LocalProvider
) -> None:
    raw = provider.token(filler="x" * MAX_TOKEN_BYTES)
    # Parsed, the second would be refused for what it is.
    for huge in (raw, "e" * 10_000_000):
        with pytest.raises(InvalidTokenError, match="longer than"):
            await verify(verifier, huge)


alphabet = st.characters(min_codepoint=0, max_codepoint=0x2FF)
ODD: tuple[Any, ...] = (
    None,
    0,
    -1,
    True,
    1.5,
    10**400,
    1e308,
    "",
    "x",
    "\0",
    "\ud800",
    [],
    ["x"],
    {},
)
ALGORITHM_NAMES = (
    *("none", "None", "NONE", "HS256", "HS512", "RS256", "rs256", "RS256 ", "RS512", "PS256"),
    *("ES256", "EdDSA", "ES256K", "RSA-OAEP", "dir", "A128KW", *ODD, ["RS256"]),
)
KEY_IDS = ("../../../dev/null", "/etc/passwd", "' OR 1=1 --", "http://x.test/key", *ODD)


async def test_a_signature_is_checked_once(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, raw = verifier_for(provider), provider.token()
    first = await verify(verifier, raw)
    monkeypatch.setattr(verifier, "_jwt", None)

    assert await verify(verifier, raw) == first
    with pytest.raises(AttributeError):
        await verifier.verify_access_token(raw, "another audience")


async def test_a_token_that_was_accepted_is_refused_when_it_ends(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = int(time.time()) - LEEWAY + 90
    verifier, raw = verifier_for(provider), provider.token(exp=end)
    await verify(verifier, raw)
    # To the token it is the same whether the time goes on or the leeway shrinks.
    monkeypatch.setattr(verifier, "_leeway", LEEWAY - 100)

    with pytest.raises(InvalidTokenError, match="expired"):
        await verify(verifier, raw)


async def test_a_token_that_was_accepted_is_refused_when_its_key_is_withdrawn() -> None:
    now = 0.0
    with LocalProvider() as provider:

        async def fetch() -> list[Any]:
            return [key.public for key in provider.keys]

        keys = KeyCache(fetch, max_age=300, refresh_interval=30, clock=lambda: now)
        verifier = TokenVerifier(keys, issuer=provider.issuer, leeway=LEEWAY)
        raw = provider.token()
        await verify(verifier, raw)
        provider.rotate_keys()
        now = 700.0

        with pytest.raises(InvalidTokenError, match="does not have"):
            await verify(verifier, raw)


async def test_few_tokens_are_remembered(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_ACCEPTED", 3)
    verifier = verifier_for(provider)
    for _ in range(5):
        await verify(verifier, provider.token())

    assert len(verifier._accepted) == 3


@functools.cache
def forgeries(provider: LocalProvider) -> st.SearchStrategy[bytes]:
    """Return tokens that nobody may accept: none is what a key of the provider has signed.

    Header, claims and signature are each made as an attacker would make them, and each sometimes as
    they should be; what is then joined may be torn, repeated, spaced or padded.
    """
    key = provider.keys[-1]
    good_header = {"alg": "RS256", "typ": "JWT", "kid": key.id}
    good_claims = provider.claims(sub="alice")
    signature = key.sign(provider.claims(sub="mallory")).rpartition(".")[2]
    public = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    headers = st.fixed_dictionaries(
        {"alg": st.sampled_from(ALGORITHM_NAMES), "kid": st.sampled_from((key.id, *KEY_IDS))},
        optional={
            "typ": st.sampled_from(("at+jwt", *ODD)),
            "crit": st.sampled_from((["b64"], ["exp"], *ODD)),
            "b64": st.sampled_from((False, *ODD)),
            "enc": st.just("A256GCM"),
            "zip": st.just("DEF"),
            "jku": st.just("https://elsewhere.test/keys"),
            "x5u": st.just("file:///etc/passwd"),
            "jwk": st.just(SigningKey().public),
        },
    )
    claims = st.dictionaries(names, st.sampled_from(ODD) | json_values, max_size=4).map(
        lambda odd: {**provider.claims(sub="alice"), **odd}
    )

    def write(document: dict[str, Any], style: int) -> bytes:
        text = json.dumps(document)
        return (
            text.encode(),
            # Twice all; with NaN; nested; UTF-8 with a mark; UTF-16; torn; no object.
            f"{text[:-1]}, {text[1:]}".encode(),
            f'{text[:-1]}, "exp": NaN, "iat": Infinity, "n": {"9" * 5000}}}'.encode(),
            f'{text[:-1]}, "a": {"[" * 900}{"]" * 900}}}'.encode(),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode("utf-16"),
            text.encode()[:-1] + b"\xff",
            b"[" * 3000,
        )[style]

    documents = st.tuples(
        st.just(good_header) | headers, st.just(good_claims) | claims, *[st.integers(0, 7)] * 2
    ).map(lambda drawn: (write(drawn[0], drawn[2]), write(drawn[1], drawn[3])))

    def sign(signed: bytes, way: int) -> bytes:
        return (
            b"",
            signature.encode(),
            signature.encode()[:-4],
            base64url(hmac.digest(public, signed, "sha256")).encode(),
            base64url(hmac.digest(json.dumps(key.public).encode(), signed, "sha512")).encode(),
            base64url(bytes(256)).encode(),
            b"A" * 6000,
        )[way]

    def join(parts: tuple[bytes, bytes], way: int, wrap: bytes) -> bytes:
        signed = b".".join(base64url(part).encode() for part in parts)
        return wrap % (signed + b"." + sign(signed, way))

    wraps = (b"%s", b" %s ", b"%s=", b"%s.", b".%s", b"%s.e30.e30", b'"%s"', b"%s, x", b"%s\xff")
    return st.builds(join, documents, st.integers(0, 6), st.sampled_from(wraps)) | st.binary(
        max_size=300
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(
    ["iss", "aud", "sub", "jti", "sid", "exp", "iat", "nbf", "scope", "roles", "tenant_id", "email"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_changed_token_is_only_ever_refused(
    verifier: TokenVerifier, provider: LocalProvider, data: st.DataObject
) -> None:
    raw = provider.token(subject="alice")
    assert await verify(verifier, raw)
    start = data.draw(st.integers(0, len(raw) - 1))
    length = data.draw(st.integers(0, 4))
    changed = raw[:start] + data.draw(st.text(alphabet, max_size=4)) + raw[start + length :]
    if changed == raw:
        return
    with pytest.raises(InvalidTokenError):
        await verify(verifier, changed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_forged_token_is_only_ever_refused(
    verifier: TokenVerifier, provider: LocalProvider, data: st.DataObject
) -> None:
    forged = data.draw(forgeries(provider))
    with pytest.raises(InvalidTokenError):
        await verify(verifier, forged.decode("latin-1"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=st.dictionaries(names, json_values, max_size=4))
async def test_a_signed_token_with_odd_claims_is_read_or_refused(
    verifier: TokenVerifier, provider: LocalProvider, claims: dict[str, Any]
) -> None:
    raw = provider.keys[-1].sign({**provider.claims(), **claims})
    try:
        token = await verify(verifier, raw)
    except InvalidTokenError:
        return
    for text in (token.subject, token.token_id, token.session_id, token.email, token.name):
        assert text is None or (text.encode() and "\0" not in text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.text(max_size=200) | st.lists(st.binary(max_size=60)).map(join_segments))
async def test_any_text_is_refused(verifier: TokenVerifier, raw: str) -> None:
    with pytest.raises(InvalidTokenError):
        await verify(verifier, raw)
