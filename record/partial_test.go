package record

import (
	"strings"
	"testing"
)

// TestFindingNotInAPartOfAReport checks that a finding that is not in one part of a report may be
// in the rest.
func TestFindingNotInAPartOfAReport(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for partial, want := range map[bool]string{false: Contradicted, true: Partial} {
		scan := about(1, &Scan{
			Tool: Tool{Name: "grype"}, Report: Report{Digest: digest}, Summary: ScanSummary{Findings: 9000, Scanned: true, Partial: partial},
			Findings: []Finding{{ID: "F-1", Fingerprint: "1"}},
		})
		scan.Witness = Observed
		r := fold(scan, said(30, &Decision{Agent: Agent{ID: "a"}, Trigger: &Trigger{Kind: "scan", Digest: digest, Finding: "F-9"}}))
		r.Judge(Authority{})
		if a := r.Trail.Answers; a == nil || a.Trigger != want {
			t.Errorf("partial %v: %+v, want %s", partial, a, want)
		}
	}
}
