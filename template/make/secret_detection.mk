# Secrets are looked for before each commit, and by CI in every file and in the whole history.

PRE_COMMIT_VERSION := 4.7.0
PRE_COMMIT := .tools/pre-commit/bin/pre-commit
PRE_COMMIT_STAMP := .tools/pre-commit/.$(PRE_COMMIT_VERSION)
# At the version of the hook.
DETECT_SECRETS = $(UV:../%=%) tool run --quiet --from $$(grep -o -m 1 'detect-secrets==[0-9.]*' .pre-commit-config.yaml)

##@ Secrets (docs/features/secret_detection.md)

.PHONY: hooks secrets secrets-baseline
hooks: $(PRE_COMMIT_STAMP) ## Look for secrets before each commit from now on
	@$(PRE_COMMIT) install --install-hooks

secrets: $(PRE_COMMIT_STAMP) ## Look for secrets in every file and in the whole history
	@mkdir -p reports && echo '*' > reports/.gitignore && rm -f reports/gitleaks.sarif
	@test "$$(git rev-parse --is-shallow-repository)" != true || { echo 'NOT RUN: this clone holds only the end of the history. Fetch the rest: git fetch --unshallow'; exit 2; }
	@for hook in gitleaks-history detect-secrets detect-secrets-lock-files; do grep -qs "id: $$hook *\$$" .pre-commit-config.yaml || { echo "NOT RUN: .pre-commit-config.yaml has no hook $$hook. Copy it from a new project (docs/explanation/ownership.md)."; exit 2; }; done
	@$(PRE_COMMIT) run --all-files --hook-stage manual > reports/secrets.txt; status=$$?; cat reports/secrets.txt; exit $$status

secrets-baseline: | tools ## Look at what detect-secrets finds, and accept what is no secret
	@$(DETECT_SECRETS) detect-secrets scan --baseline .secrets.baseline
	@$(DETECT_SECRETS) detect-secrets audit .secrets.baseline

# git's hook calls what lies in .tools/, which `make clean` removes: whatever installs the rest again installs it, too.
install: $(if $(shell grep -s .tools/pre-commit .git/hooks/pre-commit),$(PRE_COMMIT_STAMP))

$(PRE_COMMIT_STAMP): | tools
	@echo "Installing pre-commit into .tools/ ..."
	@$(UV:../%=%) venv --quiet --allow-existing --python $(PYTHON3) .tools/pre-commit
	@$(UV:../%=%) pip install --quiet --python .tools/pre-commit/bin/python pre-commit==$(PRE_COMMIT_VERSION)
	@touch $@
