// Package e2e tests the whole pipeline on a real Kafka, OpenSearch and
// Elasticsearch, with real clients. These tests have the build tag "servers", so
// that go test ./... needs no Java; make test runs them.
//
// It is a module of its own, so that whoever builds changetrail does not download what
// tests need: a browser's protocol, a load generator, other people's tools as judges.
package e2e
