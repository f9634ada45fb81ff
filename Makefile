# The work is in scripts/environment.py: every target brings .venv up to date first, in well under a second when it is.
# More words for the command: make demo ARGS="--dir shop"   make test ARGS="-k diffs"

.PHONY: demo test bench lint format local lock clean
ARGS =

demo:    # gitagent fixes a failing test in a repository made for the occasion
	@scripts/with core --sandbox gitagent demo $(ARGS)

test:    # everything CI runs besides lint
	@scripts/with test --sandbox python -m pytest --cov --cov-report=term -n auto --maxprocesses=8 --dist=loadfile $(ARGS)

bench:   # tables of ratios, each measured in one run
	@scripts/with core python -m bench $(ARGS)

lint:    # style, formatting and types
	@scripts/with lint ruff check .
	@scripts/with lint ruff format --check .
	@scripts/with lint mypy

format:  # mends what lint says about style and formatting
	@scripts/with lint ruff check --fix-only --quiet .
	@scripts/with lint ruff format .

local:   # adds local models to .venv
	@scripts/with local python -c 'import llama_cpp; print("llama-cpp-python", llama_cpp.__version__, "is ready")'

lock:    # resolves requirements/*.lock again
	@scripts/with lock

clean:   # what the targets above made here; the wheels in the user's cache stay
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
