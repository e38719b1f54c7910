// Package otlp reads what agents report through OpenTelemetry: exported spans and logs (OTLP 1.x).
//
// Of spans it keeps what [record.Performed] needs to make actions: which tool call belongs to which
// agent, with its input and output. It drops prompts and answers of models, since each call of a
// model repeats the whole history. Of logs it reads those of Claude Code and Codex, each of which
// describes one call.
//
// Frameworks say the same in different words: the semantic conventions for generative AI and MCP,
// old and new (https://opentelemetry.io/docs/specs/semconv/gen-ai/), OpenInference, OpenLLMetry
// (traceloop), the Vercel AI SDK, Claude Code, Codex. conventions.go lists which attribute means
// what.
//
// It does no I/O and reads no clock.
package otlp
