# make test is everything: lint, unit tests with the race detector, and the
# whole pipeline on real servers, which it fetches and starts by itself.
GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

GOVULNCHECK = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: test fast servers lint fuzz bench generate security release fresh

test: fast lint servers

# What needs many modules, real servers or a browser is a module of its own, internal/e2e.
E2E = go -C internal/e2e

fast:
	go vet ./...
	go test -race ./...
	$(E2E) vet ./...
	$(E2E) test -race ./...

# Needs Java 17 and Maven. Set CHANGETRAIL_SKIP_SERVERS=1 to skip on a laptop
# that has neither.
servers:
	go vet -tags 'servers bench' ./...
	$(E2E) vet -tags 'servers bench' ./...
	go vet -tags clouds,parquet,servers ./blobs/cloud ./internal/cli ./cmd/changetrail
	go test -race -tags clouds,servers ./blobs/cloud
	go test -race -tags servers -p 1 -timeout 30m -v ./blobs/s3 ./schemas/... ./gateway ./sinks/setup ./sinks/lake/parquet ./internal/ecosystem ./evidence ./ingest/platform ./enricher ./internal/differential
	$(E2E) test -race -tags servers -p 1 -timeout 45m -v . ./away ./detections ./embedded ./lake ./receivers ./redteam

# Unused dependencies are an error, too: go mod tidy takes them out.
lint:
	go mod tidy -diff
	$(E2E) mod tidy -diff
	$(GOLANGCI) run --build-tags servers,bench ./...
	cd internal/e2e && $(GOLANGCI) run --build-tags servers,bench ./...

# Information: known vulnerabilities in what is called here (it asks vuln.go.dev), and
# what gosec finds. Nothing of it stops a build.
security:
	-$(GOVULNCHECK) ./...
	-$(GOLANGCI) run --config .golangci.security.yml ./...

fuzz:
	./fuzz.sh 20s

bench:
	go test -run xxx -bench . -benchmem ./record ./schemas ./schemas/ocsf ./evidence ./enricher ./sinks/lake/parquet
	go test -tags bench -count=1 -run TestWriteAmplification -v ./enricher
	$(E2E) test -tags bench -count=1 -timeout 60m -v ./bench

generate:
	go test ./schemas -run TestGenerated -update

# Archives, SBOMs and checksums in out/release; PLATFORMS=linux/arm64 builds one.
release:
	./release.sh $(PLATFORMS)

# How long somebody waits who clones this and has nothing of it yet.
fresh:
	internal/e2e/fresh.sh
