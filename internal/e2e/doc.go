// Package e2e tests the whole pipeline on a real Kafka, OpenSearch and
// Elasticsearch, with real clients. Its tests have the build tag "servers", so
// that go test ./... needs no Java; make test runs them.
package e2e
