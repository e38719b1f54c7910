// Package policy knows who may change what: the services, which repositories
// and paths they are made of, how critical they are and which classes of data
// they handle; the agents and the services they may change; the people and
// their accounts; and the rules, written in CEL, that say whether a change
// needs a person. People write it down in policy.yaml.
//
// It reads files where it is handed a file system, and does no other I/O.
package policy
