// Package desk is where people decide: about open changes that wait for a person, and about what
// agents ask for before they work. It puts together what waits (gate/pending), the approvals before work
// (gate/approvals) and the gate, and enforces who may decide. A decision about a change is recorded as
// the person's own review or approval of it, which the record judges as all others.
//
// It knows the roles of nobody: whoever calls it has checked that the person signed in and may decide.
//
// It may import record, policy, enricher and the gate's packages. It does not know HTTP.
package desk
