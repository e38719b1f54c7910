// Package controls says which controls of which frameworks a change is in the
// scope of, by the matrix that a compliance team keeps in controls.yaml. The
// tags are the team's own words: they are passed on to the letter.
//
// It does no I/O.
package controls
