// Package corpus makes envelopes for tests: of every type and mode, and with every
// mistake that senders make, or make on purpose. The same seed makes the same ones.
package corpus
