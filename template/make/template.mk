# Releases of the template: docs/how-to/update-from-the-template.md. What a target is for is evergreen's command of that name.
TEMPLATE = PYTHON3='$(PYTHON3)' UV_VERSION='$(UV_VERSION)' sh scripts/template.sh
WISHES = $(if $(TO),--to '$(TO)') $(foreach answer,$(SET),--set '$(answer)')

##@ Template

.PHONY: template-check template-preview template-update template-finish template-abort template-doctor
template-check: ## Compare this project with the template's releases
	@$(TEMPLATE) check $(ARGS)

template-preview: ## Show what an update would do (TO=1.2.0 SET="include_x=no")
	@$(TEMPLATE) preview $(WISHES) $(ARGS)

template-update: ## Merge a release into the project, and stage it (TO=1.2.0 SET="include_x=no" ARGS="--verify")
	@$(TEMPLATE) update $(WISHES) $(ARGS)

template-finish: ## Commit the update, once conflicts are resolved
	@$(TEMPLATE) finish $(ARGS)

template-abort: ## Take the update back
	@$(TEMPLATE) abort $(ARGS)

template-doctor: ## Say what would keep an update from working
	@$(TEMPLATE) doctor $(ARGS)
