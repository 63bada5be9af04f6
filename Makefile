# Every target sets up what it needs on a machine with only Python >= 3.11, pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CLUSTER_VENV ?= .venv-cluster

PHOTOS ?= photos
STORE ?= photos.osp
DEMO ?= demo

SAMPLE ?= 60
SEED ?= 0
ROOM ?=

# Tests of one file stay together; the order is that of tests/conftest.py. A process that crashes ends the run and
# its test is named: with another in its place the run would wait without end (pytest-xdist 3.8).
PARALLEL := -n auto --maxprocesses 4 --max-worker-restart 0 --dist loadgroup --no-loadscope-reorder

# The tools, the benchmarks and what the documentation shows, run: make docs. The explorer in a browser and a
# notebook: make web.
TOOLS := tests/tools tests/benchmarks
BROWSER := tests/explorer/test_stories.py tests/explorer/test_accessible.py tests/explorer/test_notebook.py
TESTS := $(addprefix --ignore=,tests/real $(TOOLS) $(BROWSER))

QUICK := tests/images tests/objects tests/neighbors tests/test_architecture.py \
	tests/test_docs.py tests/test_errors.py tests/test_files.py tests/test_public_names.py

.PHONY: setup demo explore index quick test test-lowest cluster-test web real check docs pages dist try-wheel mutants bench clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "objectspace needs Python 3.11 or later, this is " + sys.version.split()[0] + "; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "pip fetches what takes 6.8 GB in $(VENV), most of it torch's CUDA libraries (the CPU build: docs/dependencies.md)"
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check --constraint constraints.txt --editable '.[light,serve,notebook,test,check,bench,docs,release]'
	touch $@

demo: setup  ## the whole job on drawn pictures, into the folder $(DEMO)
	$(BIN)/objectspace demo --out $(DEMO)

explore: setup  ## the drawn pictures in the browser; makes them first where they are not there
	[ -e $(DEMO)/found.osp ] || $(BIN)/objectspace demo --out $(DEMO)
	$(BIN)/objectspace serve $(DEMO)/found.osp

index: setup  ## the main job on a folder of photos: make index PHOTOS=folder STORE=name.osp
	if $(BIN)/objectspace models --fetch yolov3 --fetch resnet50; then \
		$(BIN)/objectspace index $(PHOTOS) --store $(STORE); \
	else \
		$(BIN)/objectspace index $(PHOTOS) --store $(STORE) --detector yolov3-tiny --encoder efficientnet-lite0; \
	fi
	$(BIN)/objectspace info $(STORE)

quick: setup  ## the rules of the whole and the rooms whose tests are quick: before every commit
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'not slow' $(PARALLEL) $(QUICK)

test: setup  ## the tests that need nothing but this repository; make docs and make web have more
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS) $(PARALLEL)

$(CLUSTER_VENV)/.installed: $(VENV)/.installed tests/cluster/constraints.txt
	$(BIN)/python -m venv $(CLUSTER_VENV)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(CLUSTER_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/others.pth"
	$(CLUSTER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint tests/cluster/constraints.txt obstore ray 'moto[s3,server]'
	touch $@

cluster-test: $(CLUSTER_VENV)/.installed  ## buckets and a Ray cluster on this machine; takes minutes
	PYTHONPATH=src OMP_NUM_THREADS=1 $(CLUSTER_VENV)/bin/python -m pytest tests/cluster

test-lowest:  ## the same tests with every dependency at its declared lowest, in .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[light,serve,test]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest $(TESTS) $(PARALLEL)

web: setup  ## the explorer's page: checked, built into the package, tested in a browser; needs Node.js and a Chromium
	cd web && npm install --no-audit --no-fund && npm test && npm run build
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(BROWSER) $(PARALLEL)

real: setup  ## the same main job on the real photos and weights in ../shared/real (or $$OBJECTSPACE_REAL)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/real -rP $(PARALLEL)

check: setup  ## format, lint, types, and which way the imports point
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

docs: setup  ## the site, into build/site: strict, offline, what it shows and the tools run; to read it: python3 -m http.server -d build/site
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(TOOLS) $(PARALLEL)
	$(BIN)/python -m tools.pages.build

pages: setup  ## what the commands on the pages print now, written into them, with the gallery's figures and the tutorial
	$(BIN)/python -m tools.pages.outputs docs/start.md docs/how-to/*.md
	$(BIN)/python -m tools.pages.outputs docs/gallery.md --pictures docs/pictures/gallery
	$(BIN)/python -m tools.pages.notebooks examples/tutorial.ipynb

dist: setup  ## wheel and sdist, checked; version, changelog, citation, pins and docs held against one another
	rm -rf dist
	$(BIN)/python tools/check_release.py
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

try-wheel: dist  ## the wheel installed in a new environment, and the quick demo run there; fetches all of torch again
	$(BIN)/python tools/try_wheel.py

mutants: setup  ## changes at random in the source, and how many of them the tests notice: make mutants SAMPLE=60 SEED=1 ROOM=store
	$(BIN)/python tools/mutants.py --sample $(SAMPLE) --seed $(SEED) $(addprefix --room ,$(ROOM))

bench: setup  ## one JSON line a figure; needs the real photos and weights
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) $(CLUSTER_VENV) .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
