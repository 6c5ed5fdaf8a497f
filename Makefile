# `make demo` trains, exports and draws digits; `make test` runs every check. Both make .venv first if it is not there.

DEMO ?= demo
VENV := .venv
BIN := $(VENV)/bin
PIP := --quiet --disable-pip-version-check --constraint constraints.txt
INSTALL := $(BIN)/python -m pip install $(PIP)

# The first Python of a version that TensorFlow has wheels for. Override with `make PYTHON=…`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)

# The JavaScript runtime, its tests and the web page need Node.js; everything else does without.
JS := runtime/js
NODE := $(shell node -e 'const [major, minor] = process.versions.node.split(".").map(Number); \
	process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null && command -v npm 2>/dev/null)
WITHOUT_NODE := no Node.js 20.19 or later with npm

.PHONY: help demo test test-js page torture lowest audit docs prose dist image lint format bundle clean

help:
	@echo 'make demo    train for 3 minutes, export, draw samples and reconstructions'
	@echo 'make test    tests, formatting, linting, types, prose; of the JavaScript too where Node.js is there'
	@echo 'make test-js those of the JavaScript alone, in Node.js and in Chromium'
	@echo 'make page    build the web page, which cvae-web copies'
	@echo 'make torture run the slow tests, then attack everything for SECONDS=600, and count'
	@echo 'make lowest  the runtime with the oldest versions of its dependencies'
	@echo 'make audit   look for known vulnerabilities in what is installed, over the network'
	@echo 'make docs    build the documentation into site/'
	@echo 'make prose   list sentences against the style of scripts/prose.toml'
	@echo 'make dist    build the page, the sdist, the wheel and the npm package into dist/, and check them'
	@echo 'make image   the same, then the Docker images cvae-runtime and cvae-train'
	@echo 'make lint    the checks without the tests: formatting, linting, types, prose'
	@echo 'make format  format and fix what can be'
	@echo 'make bundle  export the runs of assets into the package, evaluate them, draw the pictures of README and gallery'
	@echo 'make clean   delete .venv, the demo and caches'

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'make: Python 3.11, 3.12 or 3.13 is needed; say make PYTHON=/path/to/python' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

# What is installed, as files that are as old as the last installation.
$(VENV)/.export: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[export]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt $(VENV)/.export
	$(INSTALL) --group test --group lint --group examples
	@touch $@

# Dependency groups with an environment of their own, so that they cannot change the versions under test.
# The one for the documentation has the runtime, too, whose cvae-web writes the page of the model.
$(VENV)/docs/.installed: PROJECT := --editable .
$(VENV)/audit/.installed $(VENV)/docs/.installed: $(VENV)/%/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m venv --without-pip $(VENV)/$*
	$(BIN)/python -m pip --python $(VENV)/$*/bin/python install $(PIP) --group $* $(PROJECT)
	@touch $@

# ONNX Runtime for the example in C++, from packages of Python and Debian; without them its tests are skipped.
$(VENV)/onnxruntime: examples/cpp/onnxruntime.sh | $(VENV)/.test
	@! command -v apt-get >/dev/null || PYTHON=$(BIN)/python sh $< $@ || \
		echo 'make: ONNX Runtime for C++ cannot be had; the example in C++ is not tested' >&2

demo: $(VENV)/.export
	@mkdir -p $(DEMO)
	@echo '1 of 4, seconds: digits of the packaged model'
	$(BIN)/cvae-generate -n 64 --seed 0 -o $(DEMO)/packaged.png --overwrite
	@echo '2 of 4, 3 minutes: train the network of the 2018 notebook on MNIST'
	@# Exit code 1: an older version or another recipe wrote the run, so it starts again.
	$(BIN)/cvae-train --preset fast --minutes 3 --run $(DEMO)/run --resume || \
		{ test $$? -eq 1 && $(BIN)/cvae-train --preset fast --minutes 3 --run $(DEMO)/run --overwrite; }
	@echo '3 of 4, a minute: export the model, and compare ONNX with TensorFlow on the test images'
	$(BIN)/cvae-export $(DEMO)/run --onnx $(DEMO)/bundle --overwrite
	@echo '4 of 4, seconds: samples and reconstructions of the trained model'
	$(BIN)/cvae-generate $(DEMO)/bundle -n 64 --seed 0 -o $(DEMO)/samples.png --overwrite
	$(BIN)/python scripts/first_digits.py 16 $(DEMO)/digits.npy
	$(BIN)/cvae-generate $(DEMO)/bundle --reconstruct $(DEMO)/digits.npy -o $(DEMO)/reconstructions.png --overwrite
	@echo
	@echo 'packaged model    $(DEMO)/packaged.png'
	@echo 'samples           $(DEMO)/samples.png'
	@echo 'reconstructions   $(DEMO)/reconstructions.png'
	@echo 'the model         $(DEMO)/bundle'
	@echo 'the training run  $(DEMO)/run: cvae.gif, elbo.png, history.csv'

test: $(VENV)/.test $(VENV)/onnxruntime lint
ifdef NODE
	$(MAKE) test-js
else
	@echo 'make: $(WITHOUT_NODE): the runtime in JavaScript and the web page are not tested' >&2
endif
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

$(JS)/node_modules/.installed: $(JS)/package.json $(JS)/.npmrc
ifndef NODE
	@echo 'make: $(WITHOUT_NODE); install it' >&2; exit 1
endif
	cd $(JS) && npm install --no-progress --loglevel error
	@touch $@

test-js: $(JS)/node_modules/.installed
	cd $(JS) && npm run check && npm test

$(JS)/dist/node.js: $(wildcard $(JS)/src/*.ts) $(JS)/node_modules/.installed
	cd $(JS) && npm run build

page: $(JS)/node_modules/.installed
	cd $(JS) && npm run build:page

# The attacks of docs/reliability.md; make torture SECONDS=3600 SEED=7
SECONDS ?= 600
torture: $(VENV)/.test $(if $(NODE),$(JS)/dist/node.js)
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m scripts.torture --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# The runtime's tests with the oldest versions that its dependencies may have.
lowest: $(VENV)/.test
	$(BIN)/python scripts/lowest.py $(VENV)/lowest

# More options of pip-audit: make audit AUDIT='--vulnerability-service osv --osv-url https://mirror/v1/query'
audit: $(VENV)/audit/.installed $(VENV)/.test
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/audit/installed.txt
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip $(AUDIT) --requirement $(VENV)/audit/installed.txt

# Needs no network once its tools are installed. To read it: python -m http.server --directory site
docs: $(VENV)/docs/.installed $(if $(NODE),page)
	NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict

prose: | $(BIN)/python
	$(BIN)/python scripts/prose.py

# Without what an earlier build left, which would be packed too.
dist: page $(VENV)/.test
	rm -rf dist $(JS)/dist
	mkdir dist
	cd $(JS) && npm run build && npm pack --silent --pack-destination ../../dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python scripts/check_dist.py dist

image: dist
	docker build --tag cvae-runtime .
	docker build --tag cvae-train --file Dockerfile.train .
	test "$$(docker run --rm --user 0 cvae-runtime du -sx --block-size=1000000 / | cut -f1)" -lt 250

lint: $(VENV)/.test prose
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
ifdef NODE
	cd $(JS) && npm run format
endif

bundle: $(VENV)/.export
	for name in mnist mnist-unlabelled; do \
		$(BIN)/cvae-export assets/$$name --onnx runtime/cvae_runtime/bundles/$$name --overwrite || exit; \
	done
	$(BIN)/cvae-evaluate assets/mnist --samples 100 --features assets/judge-mnist.onnx --overwrite
	$(BIN)/cvae-evaluate assets/mnist-unlabelled --features assets/judge-mnist.onnx --overwrite
	$(BIN)/cvae-generate -n 50 --seed 0 -o docs/images/samples.png --overwrite
	$(BIN)/python scripts/first_digits.py 16 build-digits.npy
	$(BIN)/cvae-generate --reconstruct build-digits.npy -o docs/images/reconstructions.png --overwrite
	$(BIN)/python scripts/first_digits.py 10000 build-digits.npy
	$(BIN)/cvae-encode -q build-digits.npy -o build-codes.npz --top-anomalies 20 --anomalies docs/images/anomalies.png --overwrite
	rm build-digits.npy build-codes.npz
	$(BIN)/python scripts/gallery.py
	$(BIN)/python scripts/golden.py
	$(BIN)/python scripts/page_golden.py

clean:
	rm -rf $(VENV) $(JS)/node_modules $(JS)/dist runtime/cvae_runtime/page $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist site
