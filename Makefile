# One command each; everything is set up by the first that needs it, inside this folder.

PYTHON   ?= python3
SCENARIO ?= default
ARGS     ?=
PIP      := .venv/bin/python -m pip --disable-pip-version-check --quiet

# One variable, quoted for the shell, whatever is in it; only ARGS is split into words by the shell.
quoted = '$(subst ','\'',$(value $(1)))'
scenario = $(if $(value SCENARIO),$(call quoted,SCENARIO),default)
feed = $(if $(value FEED),--feed=$(call quoted,FEED))

.DEFAULT_GOAL := help
verbs := bench decide simulate plan resume report compare calibrate validate serve bench-ui notebook doctor test test-real test-fast lock clean
.PHONY: help $(verbs)

help:  ## this list
	@echo "Tickertape: what it costs, and how long it takes, to get live data to its clients."
	@echo
	@grep -hE '^[a-z-]+::?.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+)::?.*## /  make \1\t/' | expand -t 20

bench:: .venv/.run  ## measure and report: SCENARIO=quick, FEED=trades.csv, ARGS="--set trials.count=10"
	.venv/bin/tickertape run $(scenario) $(feed) $(ARGS)

simulate:: .venv/.run  ## a million clients, from measured costs: SCENARIO=…, FEED=…, ARGS="--rtt 80ms"
	.venv/bin/tickertape simulate $(if $(filter file,$(origin SCENARIO)),scale/million,$(scenario)) $(feed) $(ARGS)

decide:: .venv/.run  ## which transport to take, in seconds: ARGS="--clients 20000 --rate 1 --within 1s --rtt 80ms"
	.venv/bin/tickertape decide $(ARGS)

plan:: .venv/.run  ## what such a run would need, without running it: SCENARIO=…, FEED=…
	.venv/bin/tickertape run $(scenario) $(feed) --plan $(ARGS)

resume:: .venv/.run  ## continue an interrupted run: RUN=results/latest
	.venv/bin/tickertape run --resume $(if $(value RUN),$(call quoted,RUN),results/latest) $(ARGS)

report:: .venv/.run  ## make a run's report again from its files alone: RUN=results/latest
	.venv/bin/tickertape report $(if $(value RUN),$(call quoted,RUN),results/latest) $(ARGS)

compare:: .venv/.run  ## what became worse from one run to another: RUN=results/reference WITH=results/latest
	.venv/bin/tickertape compare $(if $(value RUN),$(call quoted,RUN),results/reference) $(if $(value WITH),$(call quoted,WITH),results/latest) $(ARGS)

calibrate:: .venv/.run  ## what work costs the servers on this machine, for simulating; about a quarter of an hour
	.venv/bin/tickertape calibrate $(ARGS)

validate:: .venv/.run  ## how well the simulator predicts what is measured here; about forty minutes
	.venv/bin/tickertape validate $(ARGS)

serve:: .venv/.run  ## all servers side by side on one feed, live in a browser and by hand: SCENARIO=…, FEED=…
	.venv/bin/tickertape serve $(scenario) $(feed) $(ARGS)

bench-ui:: .venv/.run  ## the servers, and Locust's web interface to load them by hand: SCENARIO=…
	.venv/bin/tickertape serve $(scenario) $(feed) --locust $(ARGS)

notebook:: .venv/.notebook  ## JupyterLab on notebooks/
	.venv/bin/jupyter lab notebooks $(ARGS)

doctor:: .venv/.run  ## what of this machine would spoil a run
	.venv/bin/tickertape doctor $(ARGS)

test:: .venv/.tox  ## style, types, import rules and tests, on two cores, in an environment of their own: ARGS="-k tape"
	.venv/bin/tox run -q -- -n 2 $(ARGS)

test-real:: .venv/.tox  ## tests of what is not Python's, each skipped where it is absent: packet captures, Chromium
	.venv/bin/tox run -q -- -m real $(ARGS)

test-fast:: .venv/.tox  ## tests that start no process, in less than a minute: ARGS="-k tape"
	.venv/bin/tox run -q -- -n 2 --hypothesis-profile few-examples -m 'not (process or slow or real)' $(ARGS)

lock::  ## resolve the requirements anew (needs uv on the path)
	$(foreach what,run notebook test tox,$(lock_$(what)) &&) true

clean::  ## remove what make has set up; results stay
	rm -rf .venv .tox

# --- how it ends ---

# Each line of a recipe is run by .ci/recipe.sh, which leaves the reason where one fails; the second half of each target ends
# make with it. An older make, which can't, ends with its own "Error 1".
ifneq ($(filter-out 3.% 4.0% 4.1%,$(MAKE_VERSION)),)
ifeq ($(filter-out help $(verbs),$(MAKECMDGOALS)),)
export TICKERTAPE_REASON := $(shell mktemp -u "$${TMPDIR:-/tmp}/tickertape.XXXXXXXX")
.SHELLFLAGS := .ci/recipe.sh
end = $(eval why := $$(file <$$(TICKERTAPE_REASON)))$(if $(why),$(eval .SHELLFLAGS := -c)$(shell rm -f '$(TICKERTAPE_REASON)')$(error $(why)))
endif
endif

$(verbs)::
	$(end)

# --- how it is set up ---

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tickertape needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try make PYTHON=python3.12 …" | tee "$${TICKERTAPE_REASON:-/dev/null}"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Setting up .venv (once, about a minute) …"
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

.venv/.notebook: requirements/notebook.txt .venv/.run
	@echo "Adding the notebook tools …"
	$(PIP) install --require-hashes -r requirements/notebook.txt
	@touch $@

.venv/.tox: requirements/tox.txt | .venv/bin/python
	$(PIP) install --require-hashes -r requirements/tox.txt
	@touch $@

compile := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet --upgrade
lock_run      := $(compile) pyproject.toml --extra build -o requirements/run.txt
lock_notebook := $(compile) pyproject.toml --extra build --extra notebook -c requirements/run.txt -o requirements/notebook.txt
lock_test     := $(compile) pyproject.toml --extra build --extra notebook --extra test -c requirements/run.txt -o requirements/test.txt
lock_tox      := echo tox | $(compile) - -c requirements/run.txt -o requirements/tox.txt
