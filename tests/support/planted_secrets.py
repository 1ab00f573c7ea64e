"""Secrets to be found: random characters from a fixed seed, in the forms of real ones. None has ever opened anything.

They are put together here, so that no file of this repository holds one.
"""

import base64
import json
import random
import string
from collections.abc import Callable
from typing import Final

_RANDOM: Final = random.Random(1789)  # noqa: S311 - the same in each run
_UPPER: Final = string.ascii_uppercase
_LOWER: Final = string.ascii_lowercase
_DIGITS: Final = string.digits
_ALNUM: Final = string.ascii_letters + _DIGITS
_HEX: Final = "0123456789abcdef"
_BASE32: Final = _UPPER + "234567"


def _some(count: int, alphabet: str = _ALNUM) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


def _uuid() -> str:
    return "-".join(_some(count, _HEX) for count in (8, 4, 4, 4, 12))


def _jwt() -> str:
    def part(value: dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': _some(12), 'name': _some(10)})}.{_some(43)}"


def _private_key(kind: str) -> str:
    body = "\n".join(_some(64, _ALNUM + "+/") for _ in range(12))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


#: Kind, and a line or more in which such a secret is often left.
MAKERS: Final[dict[str, Callable[[], str]]] = {
    "aws access key": lambda: f'aws_access_key_id = "AKIA{_some(16, _BASE32)}"',
    "aws secret key": lambda: f'aws_secret_access_key = "{_some(40, _ALNUM + "+/")}"',
    "github token": lambda: f"GITHUB_TOKEN=ghp_{_some(36)}",
    "github fine-grained token": lambda: f"token: github_pat_{_some(82, _ALNUM + '_')}",
    "github app token": lambda: f'"ghs_{_some(36)}"',
    "gitlab token": lambda: f"GITLAB_TOKEN=glpat-{_some(20)}",
    "slack bot token": lambda: f"SLACK_BOT_TOKEN=xoxb-{_some(12, '123456789')}-{_some(12, '123456789')}-{_some(24)}",
    "slack webhook": lambda: f"https://hooks.slack.com/services/T{_some(8, _UPPER)}/B{_some(10, _UPPER)}/{_some(24)}",
    "stripe key": lambda: f'stripe.api_key = "sk_live_{_some(24)}"',
    "stripe restricted key": lambda: f"STRIPE_KEY=rk_live_{_some(24)}",
    "google api key": lambda: f'key: "AIza{_some(35)}"',
    "google oauth secret": lambda: f'client_secret = "GOCSPX-{_some(28)}"',
    "openai key": lambda: f"OPENAI_API_KEY=sk-{_some(20)}T3BlbkFJ{_some(20)}",
    "anthropic key": lambda: f"ANTHROPIC_API_KEY=sk-ant-api03-{_some(93)}AA",
    "hugging face token": lambda: f"HF_TOKEN=hf_{_some(34, string.ascii_letters)}",
    "sendgrid key": lambda: f"SENDGRID_API_KEY=SG.{_some(22)}.{_some(43)}",
    "mailchimp key": lambda: f'MAILCHIMP_API_KEY = "{_some(32, _HEX)}-us20"',
    "mailgun key": lambda: f'mailgun_private_key = "key-{_some(32, _HEX)}"',
    "twilio key": lambda: f"TWILIO_API_KEY=SK{_some(32, _HEX)}",
    "npm token": lambda: f"//registry/:_authToken=npm_{_some(36)}",
    "pypi token": lambda: f"password = pypi-AgEIcHlwaS5vcmc{_some(70, _ALNUM + '_-')}",
    "docker hub token": lambda: f"DOCKER_PASSWORD=dckr_pat_{_some(27)}",
    "digitalocean token": lambda: f"DIGITALOCEAN_TOKEN=dop_v1_{_some(64, _HEX)}",
    "heroku key": lambda: f'HEROKU_API_KEY = "{_uuid()}"',
    "datadog key": lambda: f'DATADOG_API_KEY = "{_some(40, _LOWER + _DIGITS)}"',
    "new relic key": lambda: f'NEW_RELIC_KEY = "NRAK-{_some(27, _UPPER + _DIGITS)}"',
    "grafana token": lambda: f"GRAFANA_TOKEN=glsa_{_some(32)}_{_some(8, _HEX)}",
    "hashicorp vault token": lambda: f"VAULT_TOKEN=hvs.{_some(95)}",
    "terraform cloud token": lambda: f'token = "{_some(14)}.atlasv1.{_some(64)}"',
    "azure ad secret": lambda: f"AZURE_CLIENT_SECRET={_some(3)}8Q~{_some(34)}",
    "telegram bot token": lambda: f'TELEGRAM_BOT_TOKEN = "{_some(9, "123456789")}:A{_some(34)}"',
    "discord bot token": lambda: f"M{_some(23)}.{_some(6)}.{_some(27)}",
    "shopify token": lambda: f"SHOPIFY_TOKEN=shpat_{_some(32, _HEX)}",
    "square token": lambda: f"SQUARE_TOKEN=EAAA{_some(60)}",
    "facebook token": lambda: f"FACEBOOK_TOKEN=EAAC{_some(110)}",
    "json web token": lambda: f'Authorization: "Bearer {_jwt()}"',
    "rsa private key": lambda: _private_key("RSA "),
    "openssh private key": lambda: _private_key("OPENSSH "),
    "password in a url": lambda: f"DATABASE_URL=postgresql://app:{_some(18)}@db.internal/app",
    "password in code": lambda: f'DB_PASSWORD = "{_some(20)}"',
}


def planted() -> dict[str, str]:
    """Return forty kinds of secret, each in the text that gives it away."""
    return {kind: make() for kind, make in MAKERS.items()}
