// Package demo generates ninety days of a company from a seed: services, teams, agents, a policy
// and a control matrix, and the events of some two thousand changes with scan and test reports in
// the formats of real tools. Agents make a third of the changes, and each kind of gap occurs in 25
// or more of them.
//
// The advisories are real, the company is not.
//
// It imports controls, evidence, policy, producer and record.
package demo
