// Package cli is the command line of changetrail: a file for each command, which
// parses flags, builds what the other packages offer, and runs it. The main
// package calls Run and nothing else.
package cli
