// Package hook is what coding agents and git call on a developer's machine.
//
// A hook of an agent (Claude Code, Codex) must not slow it down, and what it prints
// steers the agent. So [Log.Append] writes what the agent hands over to a file of
// the session, with where in git the work stood, and nothing else happens. Later,
// when the agent stops, [Convert] turns the session into events, and they are sent.
// An event is known by session and tool call, so that sending a session twice
// changes nothing.
//
// A hook of git ([Message]) writes into the message of a commit what was seen, done
// and validated, and trailers that lead to the session. They are a claim, until the
// log names the commit back: where a tool call moved HEAD, its event has the commit.
package hook
