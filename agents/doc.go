// Package agents knows the agents that people use, such as Claude Code and Codex: how to read a
// call of one of their tools, which files the call writes, how much of its content is sent, and
// which identity makes it one event, whether a hook or telemetry reports it.
//
// Agents call the package hook below it; package ingest/otlp reads their telemetry.
package agents
