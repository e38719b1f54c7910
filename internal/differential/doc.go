// Package differential contains no code: its tests run the tools whose reports package evidence
// reads, and compare what it reads with what the tool said about the same run: its exit code and
// its own summary.
package differential
