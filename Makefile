# Habits. Each is a line over manage.py or a tool; `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test fast check fix docs lock sbom format lint names imports types types-of-site types-of-provider \
	templates migrations deploy messages

# Where python3 and the tools are, once one of them is asked for: installs requirements/dev.txt on first use.
BIN = $(eval BIN := $$(shell dirname "$$$$(python3 config/bootstrap.py dev)"))$(BIN)
PYTHON = "$(BIN)/python3"
TEMPLATES = $(shell git ls-files --cached --others --exclude-standard -- '*.html')
PROVIDER = $(filter-out %/migrations/%,$(shell git ls-files -- 'demo/provider/*.py'))
RANDOM = $$(head -c 48 /dev/urandom | base64)
# What settings need to be read at all: keys that are gone with the command, and a folder that git ignores.
SETTINGS = env -u DEBUG DATABASE_URL=sqlite://:memory: DATA_DIR=var/check SITE_URL=https://keyrack.example \
	CACHE_URL=redis://127.0.0.1:1/0 \
	SECRET_KEY="$(RANDOM)" PROVIDER_SECRET_KEY="$(RANDOM)" DEMO_PASSWORD="$(RANDOM)" \
	TOKEN_ENCRYPTION_KEYS="check:$$(head -c 32 /dev/urandom | base64)"
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --no-strip-extras

help: ## list these
	@grep -E '^[a-z]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.* ## (.*)/  make \1\t\2/' | expand -t 16

run: ## the site with a worker and a demo provider, on this machine
	python3 manage.py demo

test: ## all tests that this machine can run
	python3 manage.py test

fast: ## the tests to run while one works: two thirds of all, no browser, no other server
	python3 manage.py test -n 2 -q --no-migrations -m "not slow and not browser"

check: format lint names imports types templates migrations deploy ## what has to hold before tests; -k shows all that does not, -j2 is faster

fix: ## put into form what can be
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format
	$(if $(TEMPLATES),"$(BIN)/djade" --target-version 5.2 $(TEMPLATES))

docs: ## the documentation site, into var/docs/site
	python3 -m docs.build_site

lock: ## write requirements/ from pyproject.toml; LOCK_FLAGS=--upgrade takes the newest
	$(LOCK) $(LOCK_FLAGS) pyproject.toml -o requirements/base.txt
	$(LOCK) $(LOCK_FLAGS) pyproject.toml --extra traces -c requirements/base.txt -o requirements/traces.txt
	$(LOCK) $(LOCK_FLAGS) pyproject.toml --extra traces --extra test -c requirements/traces.txt -o requirements/test.txt
	$(LOCK) $(LOCK_FLAGS) pyproject.toml --extra traces --extra test --extra dev -c requirements/test.txt -o requirements/dev.txt
	$(LOCK) $(LOCK_FLAGS) --group docs -o requirements/docs.txt

messages: ## write locale/ from the texts in code and templates, and list what is not translated yet
	$(PYTHON) -m tests.catalogs

SBOM = var/sbom.json
CYCLONEDX = uvx --from cyclonedx-bom cyclonedx-py
sbom: ## write a bill of materials (CycloneDX) of what a site runs
	$(CYCLONEDX) requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		-o "$(SBOM)" requirements/base.txt

format:
	$(PYTHON) -m ruff format --check

lint:
	$(PYTHON) -m ruff check

names:
	$(PYTHON) -m tests.naming

imports:
	"$(BIN)/lint-imports" --no-logo

# Two, because the demo provider is a Django project of its own, with another User.
types: types-of-site types-of-provider

types-of-site:
	@$(SETTINGS) DJANGO_SETTINGS_MODULE=config.settings $(PYTHON) -m mypy

types-of-provider:
	@$(SETTINGS) DJANGO_SETTINGS_MODULE=demo.provider.settings $(PYTHON) -m mypy --cache-dir .mypy_cache/provider $(PROVIDER)

templates:
	@$(if $(TEMPLATES),$(PYTHON) -m djlint --lint --quiet $(TEMPLATES))
	@$(if $(TEMPLATES),"$(BIN)/djade" --check --target-version 5.2 $(TEMPLATES))

migrations:
	@$(SETTINGS) $(PYTHON) manage.py makemigrations --check --dry-run

deploy:
	@$(SETTINGS) $(PYTHON) manage.py check --deploy --fail-level WARNING
