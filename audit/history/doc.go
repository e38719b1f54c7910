// Package history reads what was merged and deployed: from a clone of a repository, and from exports
// of the APIs of GitHub and GitLab.
//
// Others may have written what it reads: it reads regular files within limits, runs no code of
// theirs, and uses no network. What is incomplete is named as a gap of the history. It runs git to
// read the objects of a clone, with a configuration of its own (see clone.go).
//
// It imports audit/reconcile, record, internal/files and internal/gitfolder.
package history
