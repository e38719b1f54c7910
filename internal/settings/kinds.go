package settings

import (
	"fmt"
	"slices"

	"github.com/changetrail/changetrail/internal/nearest"
)

// Kinds of facts that a platform's credential may state.
const (
	Changes     = "changes"     // a change was opened, updated, merged, closed
	Pushes      = "pushes"      // commits reached a branch
	Reviews     = "reviews"     // what people said of a change
	Approvals   = "approvals"   // leave that people gave
	Tests       = "tests"       // results of CI jobs
	Scans       = "scans"       // reports of scanners
	Deployments = "deployments" // what reached an environment
	Requests    = "requests"    // tickets, issues, alerts, incidents
	Gates       = "gates"       // what a gate answered
)

// Kinds returns all kinds.
func Kinds() []string {
	return []string{Changes, Pushes, Reviews, Approvals, Tests, Scans, Deployments, Requests, Gates}
}

// CheckKinds returns an error that names the first entry of may that is not a kind, or nil.
func CheckKinds(may []string) error {
	for _, k := range may {
		if !slices.Contains(Kinds(), k) {
			return fmt.Errorf("may: %s", nearest.NotOne(k, Kinds()))
		}
	}
	return nil
}
