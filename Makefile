# Two commands matter to a newcomer: `make demo` and `make test`. Each sets up what it needs, and only once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# program:package, for what the lab runs besides Python, and the tests and benchmarks besides the lab
LAB := linux.uml:user-mode-linux tcc:tcc modprobe:kmod ip:iproute2 tc:iproute2 ipvsadm:ipvsadm
# PostgreSQL's server is not on PATH, but in a directory of its version
POSTGRES := $(lastword postgres $(wildcard /usr/lib/postgresql/*/bin/postgres))
# and PHP's pool manager has its version in its name
PHP_FPM := $(lastword php-fpm $(wildcard /usr/sbin/php-fpm*))
PEERS := nginx:nginx-light haproxy:haproxy openssl:openssl \
	postfix:postfix /usr/lib/dovecot/lmtp:dovecot-lmtpd /usr/lib/dovecot/submission:dovecot-submissiond \
	/usr/lib/dovecot/imap:dovecot-imapd /usr/lib/dovecot/pop3:dovecot-pop3d \
	public-inbox-nntpd:public-inbox rtsp-server-perl:rtsp-server-perl \
	named:bind9 unbound:unbound chronyd:chrony \
	prometheus-node-exporter:prometheus-node-exporter dbus-daemon:dbus-daemon systemd-analyze:systemd \
	rpcbind:rpcbind rpc.nfsd:nfs-kernel-server ganesha.nfsd:nfs-ganesha-mem \
	vsftpd:vsftpd /usr/lib/python3/dist-packages/pyftpdlib/__init__.py:python3-pyftpdlib \
	/usr/lib/python3/dist-packages/OpenSSL/__init__.py:python3-openssl sshd:openssh-server \
	rpc.rstatd:rstatd snmpd:snmpd \
	slapd:slapd mariadbd:mariadb-server-core $(POSTGRES):postgresql redis-server:redis-server memcached:memcached \
	freeradius:freeradius kamailio:kamailio /etc/kamailio/tls.cfg:kamailio-tls-modules \
	rabbitmq-server:rabbitmq-server mosquitto:mosquitto \
	/usr/sbin/apache2:apache2-bin $(PHP_FPM):php-fpm \
	/usr/lib/python3/dist-packages/grpc/__init__.py:python3-grpcio websocketd:websocketd \
	/usr/lib/nagios/plugins/check_http:monitoring-plugins-basic /usr/lib/mon/mon.d/tcp.monitor:mon

export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready ## a whole cluster on loopback; options: make demo ARGS="--for 60s --json"
	@$(BIN)/feedback demo $(ARGS)

test: $(VENV)/ready ## every test, the lab included; a part of them: make test ARGS="-k weights"
	@.ci/packages $(LAB) $(PEERS)
	$(BIN)/pytest --cov --cov-report= $(ARGS)

coverage: $(VENV)/ready ## what the pure tests of the last `make test` have run of the pure modules: all of it, or it fails
	@$(BIN)/coverage report --contexts='^(pure)?$$' --include="$$($(BIN)/python tests/architecture.py)" \
		--show-missing --skip-covered --fail-under=100

lint: $(VENV)/ready ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/ready ## let ruff write it
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/ready ## what checks, reports, the table, events and the agent cost, beside HAProxy and others
	@.ci/packages $(LAB) $(PEERS)
	$(BIN)/python bench/checks.py
	PYTHONPATH=. $(BIN)/python bench/protocols.py
	$(BIN)/python bench/reports.py
	$(BIN)/python bench/hostile.py
	$(BIN)/python bench/table.py
	$(BIN)/python bench/agent.py
	$(BIN)/python bench/events.py

bench-weights: $(VENV)/ready ## bars of the weight policies in virtual time, then a real kernel; some bars alone: ARGS="--quick cluster"
	$(BIN)/python bench/weights.py $(ARGS)
	$(if $(ARGS),,@.ci/packages $(LAB))
	$(if $(ARGS),,$(BIN)/python bench/weights_lab.py)

fuzz: $(VENV)/ready ## look for bytes that break a parser or a check; options: make fuzz ARGS="--seconds 600 dns"
	@PYTHONPATH=. $(BIN)/python tests/fuzz/fuzz.py $(ARGS)

reference: $(VENV)/ready ## write docs/reference/ anew from the checks themselves
	@$(BIN)/python scripts/reference.py

plots: $(VENV)/ready ## draw the pictures of docs/weights.md anew, and print its tables of margins and relief; takes two minutes
	@PYTHONPATH=. $(BIN)/python scripts/margins.py
	@PYTHONPATH=. $(BIN)/python scripts/relief.py
	@PYTHONPATH=. $(BIN)/python scripts/weights.py

lock: $(VENV)/ready ## pin the newest versions that pyproject.toml allows
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --all-extras --group dev \
		--custom-compile-command "make lock" --output-file requirements-dev.lock pyproject.toml

lowest: $(VENV)/ready ## pure and loopback tests with the oldest versions that pyproject.toml allows
	$(BIN)/pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --seed --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --editable '.[all]' --group dev
	@.ci/packages $(LAB) $(PEERS)
	.venv-lowest/bin/python -m pytest -m "not lab" $(ARGS)

clean: ## away with everything that was made
	rm -rf $(VENV) .venv-lowest .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/ready: requirements-dev.lock pyproject.toml .ci/venv
	@echo "Setting up $(VENV)" >&2
	@.ci/venv $(PYTHON) $(VENV)
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help demo test coverage lint format bench bench-weights fuzz reference plots lock lowest clean
.DELETE_ON_ERROR:
.SHELLFLAGS := -euc
