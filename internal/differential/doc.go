// Package differential holds no code: its tests run the tools whose reports
// package evidence reads, and compare what is read with what the tool said of
// the same run: how it ended, and its own summary.
package differential
