# One test command: make test. What CI runs: make check. Needs Go; the real
# Kafka test also needs Java and Maven, the race test a C compiler.
GO ?= go
export CGO_ENABLED ?= 0
FUZZTIME ?= 10s
FUZZTOTAL ?= 600s
KILLS ?= 10

# The corpora of SQL with recorded answers, read where they lie.
STREAMDB_CORPORA ?= ../shared/corpora
SLT_MODES ?= direct,views,after-data

.PHONY: build test slt check vet lint race fuzz kafka crash static fmt docs

build:
	$(GO) build -o bin/streamdb ./cmd/streamdb

test:
	$(GO) test ./...

# All of the project's own files and of the corpora; make test runs a part of
# these. Flags of streamdb test go into SLT_FLAGS, e.g. --rewrite.
slt: build
	bin/streamdb test --root sqllogictest/testdata/slt --mode $(SLT_MODES) --ratchet sqllogictest/testdata/ratchet/own.txt $(SLT_FLAGS)
	@if [ -d $(STREAMDB_CORPORA) ]; then \
	  bin/streamdb test --root $(STREAMDB_CORPORA) --mode $(SLT_MODES) --ratchet sqllogictest/testdata/ratchet/corpora.txt $(SLT_FLAGS); \
	else echo "SKIP: no corpora in $(STREAMDB_CORPORA)"; fi

check: fmt vet test lint race fuzz static kafka crash

fmt:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt: run gofmt -w on these files"; exit 1; }

vet:
	$(GO) vet ./...

lint:
	scripts/lint.sh

race:
	CGO_ENABLED=1 $(GO) test -race -short ./...

fuzz:
	scripts/fuzz.sh $(FUZZTIME) $(FUZZTOTAL)

kafka:
	scripts/kafka-test.sh

crash: build
	$(GO) run ./test/crash -binary bin/streamdb -kills $(KILLS)

static:
	scripts/static-test.sh

# Writes what the documentation prints: answers of its SQL blocks and the
# reference pages. Review the diff like code.
docs:
	$(GO) test ./test/docs ./cmd/streamdb -run 'TestPages|TestReference|TestCommandLinePage' -count=1 -rewrite

bench: build
	bench/run.sh all
