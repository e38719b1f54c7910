// Package policy knows the services: which repositories and paths they are
// made of, how critical they are and which classes of data they handle. People
// write it down in policy.yaml. Rules about who may change what belong here
// too, once there are some.
//
// It may import package record. It does no I/O.
package policy
