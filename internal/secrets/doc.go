// Package secrets keeps secrets that agents spill (tokens in arguments, keys in
// output) out of the record.
//
// Secrets are found with the rules of gitleaks, which are data here, and with rules of
// ours: by the name of a value, in addresses, headers and commands. They are replaced by
// the name of the rule and a keyed digest of the secret: [redacted:github-pat:1f0c…].
// Whoever has the key can tell whether two markers were the same secret, and nobody can
// tell which. What was found is never logged.
//
// [rules.find] is the middle: one pass over a text notes where keywords stand, each
// rule is asked near its own, and what they find are offsets. [walk] goes through JSON
// and splices the markers in, so that all else stays byte for byte.
//
// The package imports nothing of ours.
package secrets
