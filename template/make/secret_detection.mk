# Secrets are looked for before each commit, and by CI in every file and in the whole history.

PRE_COMMIT_VERSION := 4.7.0
PRE_COMMIT := .tools/pre-commit-$(PRE_COMMIT_VERSION)/bin/pre-commit
# At the version of the hook.
DETECT_SECRETS = $(UV:../%=%) tool run --quiet --from $$(grep -o -m 1 'detect-secrets==[0-9.]*' .pre-commit-config.yaml)

##@ Secrets (docs/features/secret_detection.md)

.PHONY: hooks secrets secrets-baseline
hooks: $(PRE_COMMIT) ## Look for secrets before each commit from now on
	@$(PRE_COMMIT) install --install-hooks

secrets: $(PRE_COMMIT) ## Look for secrets in every file and in the whole history
	@mkdir -p reports && echo '*' > reports/.gitignore
	$(PRE_COMMIT) run --all-files --hook-stage manual

secrets-baseline: | tools ## Look at what detect-secrets finds, and accept what is no secret
	@$(DETECT_SECRETS) detect-secrets scan --baseline .secrets.baseline
	@$(DETECT_SECRETS) detect-secrets audit .secrets.baseline

$(PRE_COMMIT): | tools
	@echo "Installing pre-commit into .tools/ ..."
	@$(UV:../%=%) venv --quiet --allow-existing --python $(PYTHON3) $(@D:/bin=)
	@$(UV:../%=%) pip install --quiet --python $(@D)/python pre-commit==$(PRE_COMMIT_VERSION)
