// Package ask lets an agent ask the gate before one of its tools runs: it has the question, the
// answer, and the client of POST /v1/gate/actions.
//
// A program that an agent waits for at each call of a tool uses it. So it imports no package of
// changetrail but internal/printable.
package ask
