package record

import "testing"

// TestTwoSendersOfOneName checks that the events of two senders with one source and id both
// count: as events, as scans, and as a shared source.
func TestTwoSendersOfOneName(t *testing.T) {
	scan := func(sender, digest string) Event {
		return Event{Sender: sender, Source: "/ci", ID: "1", Type: TypeScanCompleted, Fact: &Scan{Report: Report{Digest: digest}}}
	}
	f := Facts{Evidence: []Event{scan("", "sha256:a"), scan("platform:ci", "sha256:b")}}
	if n := f.Events(); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	if shared := f.SharedSource(); len(shared) != 2 {
		t.Errorf("%d events share a source, want 2", len(shared))
	}
	r := new(Record)
	foldScans(r, f.facts())
	if len(r.Trail.Scans) != 2 {
		t.Errorf("%d scans, want 2", len(r.Trail.Scans))
	}
}
