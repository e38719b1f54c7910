// Package noting is what a hook of an agent does at each call of a tool: it reads the call,
// notes it without its secrets, and answers. The commands changetrail hook and
// changetrail-hook are both this package.
//
// An agent waits for it, so it imports little. What needs more is done by another process
// of changetrail: sending, which nobody waits for, and asking the policy, where the
// settings want that.
package noting
