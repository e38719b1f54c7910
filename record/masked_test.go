package record

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAMaskingIsReadAsItWasWritten(t *testing.T) {
	m := Masking{At: time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC), By: "ops@host; \"x\" &c", Rules: []string{"github-pat", "jwt"}, Was: "sha256:1", Is: "sha256:2"}
	if diff := cmp.Diff(m, ParseMasking(m.String())); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{"x", "%zz", "at=yesterday"} {
		if m := ParseMasking(text); !m.At.IsZero() {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

// TestWhatRestsOnMaskedEvidenceIsNotProven checks that the reason says so too. A masked claim
// proves as little as before, so that nobody can remove another's proof with it.
func TestWhatRestsOnMaskedEvidenceIsNotProven(t *testing.T) {
	for _, c := range []struct {
		masked, witness string
		want            bool
	}{{"", Signed, false}, {Masking{By: "ops"}.String(), Signed, true}, {"of an unknown form", Observed, true}, {Masking{By: "ops"}.String(), Claimed, false}, {Masking{By: "ops"}.String(), "", false}} {
		r := &Record{}
		foldMaskings(r, []*Event{{Source: "/b", ID: "1", Witness: Signed}, {Source: "/a", ID: "2", Witness: c.witness, Masked: c.masked}})
		j := &judge{record: r}
		answers, reasons := &Answers{Trigger: Proven, Alternatives: Contradicted, Authorized: Unproven, Reviewed: NotRequired}, &Reasons{Trigger: "It was."}
		if len(r.Trail.Masked) > 0 {
			j.masked(answers, reasons)
		}
		want := &Answers{Trigger: Proven, Alternatives: Contradicted, Authorized: Unproven, Reviewed: NotRequired}
		if c.want {
			want.Trigger, want.Reviewed = Partial, Partial
		}
		if diff := cmp.Diff(want, answers); diff != "" || (len(j.gaps) == 1) != c.want || strings.Contains(reasons.Trigger, "masked") != c.want {
			t.Errorf("%q by %q: %s %v %s", c.masked, c.witness, diff, j.gaps, reasons.Trigger)
		}
		if c.want && (len(r.Trail.Masked) != 1 || r.Trail.Masked[0].Source != "/a" || r.Trail.Masked[0].ID != "2") {
			t.Errorf("it names %+v", r.Trail.Masked)
		}
	}
}
