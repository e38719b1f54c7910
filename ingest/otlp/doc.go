// Package otlp reads what agents tell through OpenTelemetry: spans and logs, as they
// are exported (OTLP 1.x).
//
// Of spans it keeps what [record.Performed] makes actions of: which call of a tool
// lies under which agent, what went into it and came out. Prompts and answers of
// models are left out: each call of a model repeats the whole history. Of logs it
// reads those of Claude Code and Codex, which tell of one call each.
//
// Frameworks say the same in different words: the semantic conventions for generative
// AI and MCP, old and new (https://opentelemetry.io/docs/specs/semconv/gen-ai/),
// OpenInference, OpenLLMetry (traceloop), the Vercel AI SDK, Claude Code, Codex. Which
// attribute says what stands in conventions.go.
//
// It does no I/O and reads no clock.
package otlp
