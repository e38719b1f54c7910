// Package agents knows the agents that people use, as Claude Code and Codex: how a call of
// one of their tools is read, which files the call writes, how much of its content is
// sent, and by which identity it is one event, whether a hook or telemetry reports it.
//
// Package hook below it is called by the agents; package ingest/otlp reads their telemetry.
package agents
