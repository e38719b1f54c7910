// Package policy knows who may change what: the services, with their repositories, paths,
// criticality and classes of data; the agents and the services that they may change; the people and
// their accounts; and the rules, written in CEL, that say whether a change needs a person. People
// write it in policy.yaml.
//
// It reads files only from a file system that the caller passes, and does no other I/O.
package policy
