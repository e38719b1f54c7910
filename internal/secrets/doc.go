// Package secrets keeps secrets that agents leak (tokens in arguments, keys in output) out of the
// record.
//
// It finds secrets with the rules of gitleaks, which are data here, and with its own rules: by the
// name of a value, in addresses, headers and commands. It replaces them by the name of the rule and
// a keyed digest of the secret: [redacted:github-pat:1f0c…]. Whoever has the key can see whether
// two markers stand for the same secret; nobody can see which. Secrets are never logged.
//
// [rules.find] is the core: one pass over a text finds keywords, each rule is applied near its own
// keywords, and the results are offsets. [walk] traverses JSON and inserts the markers, so that
// everything else stays the same, byte for byte.
//
// The package imports no other package of this module.
package secrets
