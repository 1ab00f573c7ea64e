# What the workflows run, and what they find. `make summary` puts it together.

UVX := $(UV:../%=%) tool run --quiet
PIP_AUDIT := pip-audit==2.10.1
IMAGES := backend frontend
IMAGE ?= backend
comma := ,
export ARCHITECTURE ?= $(subst aarch64,arm64,$(subst x86_64,amd64,$(shell uname -m)))

# Names of images are made of compose.yml's name; in the registry they belong to whom the repository belongs to.
export PREFIX ?= $(shell sed -n 's/^name: //p' compose.yml)
export REGISTRY ?= ghcr.io/$(shell echo "$${GITHUB_REPOSITORY_OWNER:-local}" | tr A-Z a-z)
export SOURCE ?= $(or $(GITHUB_SERVER_URL),https://github.com)/$(or $(GITHUB_REPOSITORY),local/$(PREFIX))
export BUILDER ?= docker
export ENGINE ?= docker
export BUILDAH ?= buildah
export SKOPEO ?= skopeo
TRIVY ?= trivy
SYFT ?= syft
COSIGN ?= cosign

# Folders that keep themselves out of git.
reports/.gitignore images/.gitignore:
	@mkdir -p $(@D) && echo '*' > $@

##@ Continuous integration (docs/features/github_actions.md)

.PHONY: check-locks-backend check-locks-frontend coverage-backend coverage-frontend build-frontend
check-locks-backend: $(BACKEND) ## Fail if installing has changed the lock file of the API
	git diff --exit-code --stat -- backend/uv.lock

check-locks-frontend: $(NPM_FOLDERS:%=%/$(STAMP)) ## Fail if installing has changed a lock file of npm
	git diff --exit-code --stat -- $(NPM_FOLDERS:%=%/package-lock.json)

coverage-backend: $(BACKEND) reports/.gitignore ## Test the API, and see which code the tests run
	cd backend && ENV=test $(PY) -m pytest --cov --cov-report=term:skip-covered --cov-report=json:../reports/backend-coverage.json --junitxml=../reports/backend-tests.xml $(ARGS)

coverage-frontend: frontend/$(STAMP) reports/.gitignore ## Test the page, and see which code the tests run
	cd frontend && npm run --silent test:coverage -- --coverage.reporter=text-summary --coverage.reporter=json-summary --coverage.reportsDirectory=../reports/frontend-coverage --reporter=default --reporter=junit --outputFile.junit=../reports/frontend-tests.xml

build-frontend: frontend/$(STAMP) ## Build the page, and fail if it is too large
	cd frontend && npm run --silent build
	cd frontend && npm run --silent size

.PHONY: image load-images e2e-images publish-images sign-images find-images pull-images retag-images
image: images/.gitignore ## Build an image into images/ (IMAGE=backend or frontend; BUILDER=docker or buildah)
	sh scripts/ci/images.sh build $(IMAGE)

load-images: ## Load the images of images/ into Docker
	@for name in $(IMAGES); do sh scripts/ci/images.sh load "$$name" || exit; done

e2e-images: frontend/$(STAMP) load-images ## Test the images of images/ in a browser, with Keycloak
	COMPOSE='$(COMPOSE)' sh scripts/ci/e2e-images.sh

publish-images: ## Push the images of images/ (TAGS="sha-... latest"); prints their digests
	@rm -f images/checksums.txt
	@for name in $(IMAGES); do sh scripts/ci/images.sh publish "$$name" $(TAGS) || exit; done

sign-images: ## Sign what `make publish-images` has pushed, by cosign
	while read -r digest name; do $(COSIGN) sign --yes "$$name@sha256:$$digest" </dev/null || exit; done < images/checksums.txt

find-images: images/.gitignore ## Print the digests of images of the registry (FROM=latest)
	@for name in $(IMAGES); do sh scripts/ci/images.sh find "$$name" $(FROM) || exit; done

pull-images: images/.gitignore ## Bring images of the registry into images/ (FROM=latest or a digest; IMAGES=backend)
	@for name in $(IMAGES); do sh scripts/ci/images.sh pull "$$name" $(FROM) || exit; done

retag-images: images/.gitignore ## Give images of the registry further tags (FROM=sha-... TAGS="1.2.3 1.2"); prints their digests
	@for name in $(IMAGES); do sh scripts/ci/images.sh retag "$$name" $(FROM) $(TAGS) || exit; done

.PHONY: audit-python audit-npm scan-tree scan-image sbom allowed-advisories summary
audit-python: $(BACKEND) reports/.gitignore ## Look for known vulnerabilities of Python packages
	cd backend && $(UV) export --quiet --frozen --all-extras --all-groups --no-emit-project --output-file ../reports/requirements.txt
	@rm -f reports/pip-audit.json
	-$(UVX) $(PIP_AUDIT) --strict --disable-pip --require-hashes --requirement reports/requirements.txt --format json --output reports/pip-audit.json
	@$(PYTHON3) scripts/ci/vulnerabilities.py pip-audit reports/pip-audit.json

audit-npm: $(NPM_FOLDERS:%=%/$(STAMP)) reports/.gitignore ## Look for known vulnerabilities of npm packages
	@status=0; for folder in $(NPM_FOLDERS); do \
	  npm --prefix "$$folder" audit --json > "reports/npm-audit-$$folder.json"; \
	  $(PYTHON3) scripts/ci/vulnerabilities.py npm "reports/npm-audit-$$folder.json" || status=$$?; \
	done; exit $$status

# --list-all-pkgs shows what was looked at, so that nothing looked at is not taken for nothing found.
scan = @rm -f reports/$(1).json; \
  $(TRIVY) $(2) --quiet --list-all-pkgs --format json --output reports/$(1).json $(3); \
  if [ -s reports/$(1).json ]; then $(TRIVY) convert --quiet --format sarif --output reports/$(1).sarif reports/$(1).json; fi; \
  $(PYTHON3) scripts/ci/vulnerabilities.py trivy reports/$(1).json $(4)

scan-tree: $(BACKEND) $(NPM_FOLDERS:%=%/$(STAMP)) reports/.gitignore ## Look for vulnerabilities and misconfigurations by Trivy
	$(call scan,trivy-tree,fs --scanners vuln$(comma)misconfig --skip-dirs '**/node_modules' --skip-dirs backend/.venv --skip-dirs reports,.,backend/uv.lock frontend/package-lock.json)

scan-image: reports/.gitignore ## Look for vulnerabilities of an image of images/ by Trivy (IMAGE=backend or frontend)
	$(call scan,trivy-image-$(IMAGE)-$(ARCHITECTURE),image --scanners vuln --input images/$(IMAGE)-$(ARCHITECTURE).tar,)

sbom: reports/.gitignore ## List what is in an image of images/, as SPDX, by syft (IMAGE=backend or frontend)
	$(SYFT) scan --quiet docker-archive:images/$(IMAGE)-$(ARCHITECTURE).tar --output spdx-json=reports/sbom-$(IMAGE)-$(ARCHITECTURE).json

allowed-advisories: ## Print the exceptions of .github/vulnerabilities.toml that GitHub's dependency review can read
	@$(PYTHON3) scripts/ci/vulnerabilities.py allowed

summary: reports/.gitignore ## Write what the checks found to reports/summary.md
	@$(PYTHON3) scripts/ci/summary.py reports $(IMAGES) > reports/summary.md
