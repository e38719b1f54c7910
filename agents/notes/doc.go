// Package notes keeps what hooks of coding agents note on a developer's machine.
//
// A hook of an agent (Claude Code, Codex) must not slow it down, and what it prints
// steers the agent. So [Log.Append] writes what the agent hands over to a file of
// the session, with where in git the work stood, and nothing else happens. Later,
// when the agent stops, agents/hook turns the session into events.
//
// An agent waits for this package at each call of a tool: it imports little, and compiles
// no expression when the program starts.
package notes
