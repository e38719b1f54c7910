// Package controls says which controls of which frameworks apply to a change, by the matrix that a
// compliance team keeps in controls.yaml. Tags are the team's own words and are passed on
// unchanged.
//
// It does no I/O.
package controls
