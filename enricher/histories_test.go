//go:build !servers

package enricher

// histories is how many the property test makes up in a quick run.
const histories = 500
