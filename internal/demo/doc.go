// Package demo makes up ninety days of a company, from a seed: services, teams,
// agents, a policy and a control matrix, and the events of some two thousand
// changes with scan and test reports in the formats of real tools. A third of
// the changes is made by agents, and each kind of gap that the record knows
// stands in 25 or more of them.
//
// The advisories are real ones, the company is not.
//
// It imports evidence, producer and record.
package demo
