//go:build servers

package enricher

// histories is how many histories the property test generates in a full run.
const histories = 10_000

// manyHistories is the same for histories with hundreds of facts of a kind.
const manyHistories = 400
