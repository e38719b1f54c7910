// Package audit answers an auditor: which changes there were in a window of time (the population, with
// what is known about its completeness), which of them are examined (the sample), and how many of
// those deviate.
//
// It decides nothing about a change: the answers are those of its record. It reads no index and no
// network: callers pass records and what the pipeline says about itself.
//
// It imports query, record and sample.
package audit
