// Package hook turns what coding agents and git do on a developer's machine into events.
//
// The hooks of an agent write to the Log of agents/notes. When the agent stops, [Convert] turns a
// session into events, and they are sent. Session and tool call identify an event, so that sending a
// session twice changes nothing.
//
// A hook of git ([Message]) adds to the message of a commit what was seen, done and validated, and
// trailers that name the session. They are claims until the log names the commit, too: if a tool
// call moved HEAD, its event contains the commit.
package hook
