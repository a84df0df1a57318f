# The commands of this checkout. Each one first sets up what it needs.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
# What touches Redis; `make test-cluster` runs it all on a Redis Cluster.
REDIS_TESTS := $(addprefix tests/,scheduling scripts store races properties pools sessions_app \
	http_api sockets logs traces security/test_access.py operators/test_api_access.py \
	operators/test_scraping.py operators/test_tokens.py runbook/test_channel_layer_guide.py \
	instances e2e)
# Tests wait more than they compute. Those of a file share servers, so they stay together.
BESIDE := --numprocesses=4 --dist=loadgroup --no-loadscope-reorder
# A node on one instance and a speaker on another, a hundred times in a row.
CLASSIC := tests/instances/test_two_instances.py tests/instances/test_redis_cluster.py
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Some machines forbid it: every server that a test starts would then compile the house anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup:  ## build .venv and install what is missing; quiet when nothing is
	@scripts/setup-system
	@scripts/setup-venv

.PHONY: demo
demo:  ## speak English to a real node, hear Spanish, and stay up
	@scripts/setup-system demo
	@scripts/setup-venv demo
	@$(PYTHON) manage.py demo

.PHONY: serve
serve: setup  ## run one scheduler on port 5010 with a Redis of its own
	@$(PYTHON) manage.py serve

.PHONY: test
test: setup  ## run every test but those of the browser, the alerts and the cluster
	@scripts/setup-system proxies
	@$(PYTEST) $(BESIDE) --ignore=tests/browser --ignore=tests/alerts --ignore=tests/postgres --ignore=tests/deployment --ignore=tests/published -m "not cluster"

.PHONY: packages
packages: setup  ## install each package alone, and see that it is typed and its tests whole
	@scripts/try-packages

# LAYER="redis-8" tries the lines with these words alone.
LAYER ?=
.PHONY: test-layer
test-layer:  ## the channel layer alone on Redis 6.2, 7, 8 and Valkey, redis-py 6.4 to newest, Python 3.11 to 3.13
	@scripts/test-layer "$(LAYER)"

# What `make coverage` runs; COVERED="tests/scheduling tests/store" measures some.
COVERED ?= tests packages
.PHONY: coverage
coverage: setup  ## run the tests and measure which lines and branches they reach, ours alone
	@scripts/setup-system proxies
	@rm -rf var/coverage && mkdir -p var/coverage
	@$(PYTHON) -m coverage run -m pytest $(BESIDE) --ignore=tests/browser --ignore=tests/alerts --ignore=tests/postgres --ignore=tests/deployment --ignore=tests/published -m "not cluster" $(COVERED)
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage html --quiet --fail-under=0
	@$(PYTHON) -m coverage report

# How many sentences; STREAM_CUTS=20 tries fewer.
STREAM_CUTS ?= 200
.PHONY: stream-cuts
stream-cuts: setup  ## cut a speaker's socket at random in 200 sentences, each resumed elsewhere
	@STREAM_CUTS=$(STREAM_CUTS) $(PYTEST) -n 0 tests/instances/test_streams_that_move.py -k wherever

.PHONY: messages
messages: setup  ## find what people read, keep its Chinese, compile it; tell what has none
	@$(PYTHON) -m scripts.messages

.PHONY: test-browser
test-browser: setup  ## look at the pages in a headless Chromium; pictures go to var/screenshots
	@scripts/setup-system browser
	@npm install --silent --no-save --no-audit --no-fund --prefix var/axe axe-core@4.14
	@$(PYTEST) -q tests/browser

.PHONY: wire
wire: setup  ## write docs/asyncapi.json and the web client's types from the message types
	@$(PYTHON) -m scripts.wire

.PHONY: client
client: setup  ## build packages/lingua-client and put it where the pages find it
	@$(PYTHON) -m scripts.client

.PHONY: test-client
test-client: setup  ## the web client: rebuilt, packed, used by an empty project in a Chromium
	@scripts/setup-system browser
	@$(PYTEST) -q -n 0 tests/web_client tests/published

.PHONY: test-alerts
test-alerts: setup  ## check the alert rules and play each fault to them
	@scripts/setup-system alerts
	@$(PYTEST) -q tests/alerts

.PHONY: test-postgres
test-postgres: setup  ## history, admin, tokens and audit on a PostgreSQL started for it
	@scripts/setup-system postgres
	@$(PYTHON) -m tests.postgres.run

.PHONY: test-redis-kinds
test-redis-kinds: setup  ## Redis 6.2, Debian's and Valkey, with password, user, socket, TLS and as a cluster
	@scripts/setup-system redis
	@REDIS_KINDS=all $(PYTEST) -n 0 tests/redis_kinds

.PHONY: lock
lock: setup  ## write deploy/lock: what images install, to the last package and its hashes
	@$(PYTHON) -m scripts.lock

# PY="3.13" tries that one alone.
PY ?=
.PHONY: test-pythons
test-pythons: setup  ## the whole server on each Python of 3.11 to 3.13 that is here and is not .venv's
	@scripts/test-pythons $(PY)

.PHONY: test-deploy
test-deploy: setup  ## start what deploy/ ships as its files say, and use it
	@scripts/setup-system deploy
	@scripts/setup-helm
	@$(PYTEST) -q tests/deployment

.PHONY: test-properties
test-properties: setup  ## search the state machines of slots and jobs for long
	@$(PYTEST) -q tests/properties --hypothesis-profile=thorough --timeout=3600

.PHONY: test-streams
test-streams: setup  ## 200 nodes killed at random moments of speech; STREAM_SEED=… kills at the same ones
	@STREAM_KILLS=200 $(PYTEST) -n 0 tests/instances/test_streams_apart.py

.PHONY: test-mutations
test-mutations: setup  ## 20,000 mutated frames and 5,000 requests, on both servers, with and without auth
	@MUTATED_FRAMES=20000 MUTATED_REQUESTS=5000 $(PYTEST) -n 0 -o log_cli=true tests/mutations

.PHONY: test-hedging
test-hedging: setup  ## one node of ten stalls 1 in 20 jobs: with and without hedging, about five minutes
	@HEDGED_NODES=full $(PYTEST) -n 0 -o timeout=1200 -o log_cli=true -o log_cli_level=INFO tests/e2e/test_hedged_stalls.py

.PHONY: test-listeners
test-listeners: setup  ## a thousand listen in one room in five languages: how long the last waits for the first, what that costs speakers
	@LISTENERS=1000 $(PYTEST) -n 0 -o timeout=600 -o log_cli=true -o log_cli_level=INFO tests/e2e/test_many_listeners.py

.PHONY: test-judged
test-judged: setup  ## nodes that fail, stall and answer what cannot be read, in real time
	@JUDGED_NODES=full $(PYTEST) -n 0 -o timeout=3600 tests/e2e/test_judged_nodes.py tests/e2e/test_speed.py

.PHONY: test-recognition
test-recognition: setup  ## how many words of every recorded clip are heard wrongly, whole and streamed
	@RECOGNIZED_CLIPS=all $(PYTEST) -q -n 0 packages/lingua-node/tests/test_recognition.py

.PHONY: e2e
e2e: setup  ## the end-to-end tests alone, on both servers, one Redis and a cluster
	@$(PYTEST) tests/e2e $(CLASSIC) --hypothesis-profile=thorough

.PHONY: smoke
smoke: setup  ## two instances, a node on one, a speaker on the other, and one table
	@$(PYTHON) -m tests.instances.smoke

.PHONY: chaos
chaos: setup  ## kill, pause, drain and drop for two minutes, then prove that nothing was lost
	@$(PYTHON) -m tests.chaos.run

.PHONY: check
check: setup  ## everything a change must pass: lint, types, imports, lua, rules, tests
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) imports
	@$(MAKE) lua
	@$(MAKE) rules
	@$(MAKE) packages
	@$(MAKE) test

.PHONY: lint
lint: setup  ## ruff, linter and formatter, changing nothing
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

.PHONY: format
format: setup  ## let ruff repair and format what it can
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

.PHONY: types
types: setup  ## mypy --strict over every package
	@.venv/bin/mypy

.PHONY: imports
imports: setup  ## the floors of the house: import contracts
	@.venv/bin/lint-imports --no-logo

.PHONY: lua
lua: setup  ## Lua headers against bodies, and luacheck after includes
	@$(PYTEST) -q tests/rules/test_lua.py

.PHONY: rules
rules: setup  ## the house rules a check can keep
	@$(PYTEST) -q tests/rules --ignore=tests/rules/test_lua.py

.PHONY: bench
bench: setup  ## every figure of the budget against real servers, in under ten minutes
	@$(PYTHON) -m bench.run
	@$(PYTHON) -m bench.report

.PHONY: bench-memory
bench-memory: setup  ## 200,000 jobs and what they leave behind, in about ten minutes
	@$(PYTHON) -m bench.soak
	@$(PYTHON) -m bench.report

.PHONY: bench-layer
bench-layer: setup  ## our channel layer against core and pub/sub of channels_redis, in one run
	@$(PYTHON) bench/bench_layer.py

.PHONY: bench-speech
bench-speech: setup  ## speech passed on while it is spoken: cost of a chunk, its way, an open microphone
	@$(PYTHON) -m bench.speech
	@$(PYTHON) -m bench.report

.PHONY: bench-words
bench-words: setup  ## the reference node, whole and streamed: what one waits for after the last word
	@$(PYTHON) -m bench.speech_words
	@$(PYTHON) -m bench.report

.PHONY: bench-peers
bench-peers: setup  ## the same payload through six others a user might pick, under var/
	@$(PYTHON) -m bench.peers.run
	@$(PYTHON) -m bench.report

.PHONY: simulate
simulate: setup  ## 5,000 nodes and 50,000 sessions in virtual time, policies side by side
	@$(PYTHON) -m bench.stalls
	@$(PYTHON) -m bench.simulate --keep
	@$(PYTHON) -m bench.report

.PHONY: simulate-day
simulate-day: setup  ## a day whose nodes come and go as /api/v1/scaling says, in virtual time
	@$(PYTHON) -m bench.day

.PHONY: bench-report
bench-report: setup  ## write the results of those above into docs/performance.md and docs/capacity.md
	@$(PYTHON) -m bench.report

.PHONY: cluster
cluster: setup  ## run a Redis Cluster of three masters and print REDIS_CLUSTER_URLS
	@$(PYTHON) -m scripts.redis_cluster

.PHONY: test-cluster
test-cluster: setup  ## every test that touches Redis, on a Redis Cluster of three masters
	@LINGUA_TEST_REDIS_MODE=cluster CHANNELS_STREAMS_TEST_REDIS_MODE=cluster $(PYTEST) $(BESIDE) -q \
		-m "not standalone" $(REDIS_TESTS) packages/channels-streams

.PHONY: trace
trace: setup  ## each requirement with its tests, then those with none
	@$(PYTHON) -m scripts.trace

.PHONY: release-gate
release-gate: setup  ## decide on a release: every gate, one table; ONLY="check bench" runs some
	@$(PYTHON) -m scripts.release_gate $(ONLY)
