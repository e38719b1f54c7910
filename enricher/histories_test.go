//go:build !servers

package enricher

// histories is how many histories the property test generates in a quick run.
const histories = 500

// manyHistories is the same for histories with hundreds of facts of a kind.
const manyHistories = 40
