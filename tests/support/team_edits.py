"""The edits of tests/support/teamwork.py. When one does not find its text any more, edit another place of that file."""

#: By file: a text of the template, and what the team makes of it.
EDITS: dict[str, list[tuple[str, str]]] = {
    ".env.example": [
        ("# LOG_FORMAT=auto\n", "# LOG_FORMAT=auto\n# Where orders are sent.\n# ORDERS_URL=\n"),
        ("# DB_POOL_SIZE=10\n", "# DB_POOL_SIZE=25\n"),
    ],
    ".gitignore": [("/.env\n", "/.env\n/.env.local\n"), ("/.tools/\n", "/.tools/\n/local/\n*.log\n")],
    "AGENTS.md": [("## Conventions\n\n", "## Conventions\n\n- Money is in cents.\n")],
    "CHANGELOG.md": [("- The project, generated from its template.\n", "- The project.\n- Orders.\n")],
    "Makefile": [
        ("COMPOSE ?= docker compose\n", "COMPOSE ?= podman compose\n"),
        ("##@ Housekeeping\n", "##@ Ours\n\n.PHONY: deploy\ndeploy: ## Deploy\n\t@./deploy.sh\n\n##@ Housekeeping\n"),
    ],
    "README.md": [
        ("## Layout\n", "## Team\n\nAsk in the channel.\n\n## Layout\n"),
        ("| `make outdated` |", "| `make deploy` | deploy |\n| `make outdated` |"),
    ],
    "backend/Dockerfile": [
        ("FROM python:3.13-slim AS base\n", "FROM python:3.13.9-slim-bookworm AS base\n"),
        ("WORKDIR /backend\n", "RUN apt-get update && apt-get install --yes libmagic1\nWORKDIR /backend\n"),
    ],
    "backend/app/core/application.py": [
        ('    "tenant": "The caller\'s own tenant.",\n', '    "tenant": "The caller\'s own tenant.",\n    "orders": "Orders.",\n')
    ],
    "backend/app/core/settings.py": [
        (
            "    redis_timeout_seconds: float = Field(0.5, gt=0)\n",
            "    redis_timeout_seconds: float = Field(0.5, gt=0)\n    orders_url: str = ''\n",
        ),
        ("    db_pool_size: int = Field(10, ge=1)\n", "    db_pool_size: int = Field(25, ge=1)\n"),
    ],
    "backend/app/features/observability/settings.py": [('    app_version: str = "unknown"\n', '    app_version: str = "none"\n')],
    "backend/app/main.py": [
        (
            "from app.modules import ROUTERS\n",
            "from app.modules import ROUTERS\nfrom app.modules.status import router as status\n",
        ),
        ("(health, *ROUTERS, *IDENTITY, tenancy)", "(health, status, *ROUTERS, *IDENTITY, tenancy)"),
    ],
    "backend/app/modules/__init__.py": [("= (todos,)\n", "= (todos, orders)\n")],
    "backend/app/modules/todos/schemas.py": [('"""', '"""Ours. ')],
    "backend/pyproject.toml": [
        ('version = "0.1.0"\n', 'version = "3.4.0"\n'),
        ('    "W",\n]\nignore = ["D105",', '    "W",\n]\nignore = ["COM812", "D105",'),
    ],
    "compose.yml": [
        ("    image: postgres:18\n", "    image: postgres:18.4-bookworm\n"),
        ("    image: redis:8-alpine\n", "    image: redis:8.6-alpine\n"),
        ("quay.io/keycloak/keycloak:26.7\n", "quay.io/keycloak/keycloak:26.7.3\n"),
        ("      test: [CMD, redis-cli, ping]\n      interval: 2s\n", "      test: [CMD, redis-cli, ping]\n      interval: 9s\n"),
        (
            "  migrate:\n    <<: *backend\n",
            "  mail:\n    image: axllent/mailpit:v1.28\n    restart: always\n\n  migrate:\n    <<: *backend\n",
        ),
        ("volumes:\n  postgres:\n", "volumes:\n  mail:\n  postgres:\n"),
    ],
    "frontend/Dockerfile": [("ARG NGINX_VERSION=1.30\n", "ARG NGINX_VERSION=1.30.4\n")],
    "frontend/index.html": [("</head>", '  <meta name="theme-color" content="#047857" />\n  </head>')],
    "frontend/nginx/default.conf.template": [
        ("    client_max_body_size 1m;\n", "    client_max_body_size 10m;\n"),
        ("    location = /healthz {\n", "    location /legacy/ {\n        return 410;\n    }\n\n    location = /healthz {\n"),
    ],
    "frontend/package.json": [
        ('    "e2e": "playwright test"\n', '    "e2e": "playwright test",\n    "storybook": "storybook dev"\n')
    ],
    "frontend/src/modules/index.ts": [('title: "Todos"', 'title: "To do"')],
    "frontend/src/modules/theme.css": [("--accent: var(--color-emerald-700);", "--accent: var(--color-sky-700);")],
    "frontend/src/styles.css": [('@import "tailwindcss', '@import "./ours.css";\n@import "tailwindcss')],
    "frontend/vite.config.ts": [("    server,\n", "    server,\n    base: process.env.BASE,\n")],
    "keycloak/realm.json": [('"alice@acme.test",\n      "email"', '"ada@acme.test",\n      "email"')],
    "observability/compose.yml": [
        ('"/usr/bin/loki", "-health"]\n      interval: 10s\n', '"/usr/bin/loki", "-health"]\n      interval: 60s\n'),
        ("retention.time=15d\n", "retention.time=90d\n"),
    ],
}
OURS = "  - package-ecosystem: terraform\n    directory: /ours\n    schedule: {interval: weekly}\n"
#: The same in files that came later: made where the project that is updated has them.
LATER: dict[str, list[tuple[str, str]]] = {
    ".github/dependabot.yml": [("  - package-ecosystem: docker\n", f"{OURS}\n  - package-ecosystem: docker\n")],
    ".github/vulnerabilities.toml": [("# [[exception]]\n", "# Ours are below.\n#\n# [[exception]]\n")],
    ".github/workflows/ci.yml": [
        ("branches: [main, develop]\n  push:", "branches: [main, develop, staging]\n  push:"),
        ("jobs:\n", "jobs:\n  ours:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: 'true'\n\n"),
    ],
    ".github/workflows/template-update.yml": [('cron: "23 5 * * 1"', 'cron: "41 3 * * 5"')],
    ".gitleaks.toml": [
        ("extend = { useDefault = true }\n", "extend = { useDefault = true }\n[[allowlists]]\nregexes = ['^ours$']\n")
    ],
    ".pre-commit-config.yaml": [
        ("repos:\n", "repos:\n  - repo: local\n    hooks:\n      - {id: ours, name: ours, language: system, entry: 'true'}\n")
    ],
}
#: The team's own files, and those that git ignores.
OWN = {
    "backend/app/modules/orders/models.py": b"# Ours.\n",
    "deploy.sh": b"#!/bin/sh\n",
    "docs/decisions/1001-orders.md": b"# Orders\n",
}
IGNORED = {
    ".env": b"ENV=staging\n",
    ".dev/postgres/data": b"\0\1",
    "frontend/dist/index.html": b"built\n",
    "local/notes.txt": b"ours\n",
}
DELETED = ("CLAUDE.md", "backend/tests/unit/test_dev.py", "docs/decisions/017-optional-observability.md")
RENAMED = {"backend/tests/integration/test_serving.py": "backend/tests/integration/test_the_server.py"}
MOVED = {"docs/how-to/create-a-migration.md": "docs/team/database/create-a-migration.md"}
#: Replaced by something that is no text.
BINARY = {"frontend/public/favicon.svg": b"\x1f\x8b\0ours"}
FEATURE = ("observability/", "backend/app/features/observability/")
