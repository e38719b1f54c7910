// Package secrets keeps secrets that agents spill (tokens in arguments, keys in
// output) out of the record.
//
// Secrets are found with the rules of gitleaks and replaced by the name of the
// rule and a keyed digest of the secret: [redacted:github-pat:1f0c…]. Whoever has
// the key can tell whether two markers were the same secret, and nobody can tell
// which. What was found is never logged.
//
// Only what an agent or a tool wrote freely is changed: arguments and results of
// tools, reasons, titles. What is joined by (commits, digests, accounts, paths) is
// not, and neither is a report, whose digest is evidence.
//
// The package imports gitleaks and nothing of ours.
package secrets
