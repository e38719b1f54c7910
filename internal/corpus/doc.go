// Package corpus generates envelopes for tests: of every type and mode, and with every mistake that
// senders make, by accident or on purpose. The same seed generates the same ones.
package corpus
