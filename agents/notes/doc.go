// Package notes keeps the log that hooks of coding agents write on a developer's machine.
//
// A hook must not slow its agent down (Claude Code, Codex), and the agent reads what a hook prints.
// So [Log.Append] only writes the input of the hook and the state of the git work tree to a file of
// the session. Later, when the agent stops, agents/hook turns the session into events.
//
// An agent waits for this package at each call of a tool: it imports little, and compiles
// no expression when the program starts.
package notes
