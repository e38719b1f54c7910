// Package hook is what is made of the calls of coding agents and git on a developer's
// machine.
//
// What hooks of an agent note lies in the Log of agents/notes. When the agent
// stops, [Convert] turns a session into events, and they are sent. An event is known by
// session and tool call, so that sending a session twice changes nothing.
//
// A hook of git ([Message]) writes into the message of a commit what was seen, done
// and validated, and trailers that lead to the session. They are a claim, until the
// log names the commit back: where a tool call moved HEAD, its event has the commit.
package hook
