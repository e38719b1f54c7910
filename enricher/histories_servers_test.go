//go:build servers

package enricher

// histories is how many the property test makes up in a whole run.
const histories = 10_000

// manyHistories is the same for histories with hundreds of facts of a kind.
const manyHistories = 400
