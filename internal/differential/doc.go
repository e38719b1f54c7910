// Package differential tests package evidence against the real tools. It runs each tool, and
// compares what evidence reads from the report with the tool's own exit code and summary.
package differential
