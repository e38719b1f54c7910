package enricher

import (
	"fmt"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// differences describes what an auditor would ask about first.
func differences(was, is *record.Record) []string {
	if was == nil {
		return []string{"the record is new"}
	}
	var out []string
	say := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s → %s", what, orDash(a), orDash(b)))
		}
	}
	brief := func(r *record.Record) (a record.Answers, verdict, class, tests string) {
		if r.Trail.Answers != nil {
			a = *r.Trail.Answers
		}
		if f := r.Trail.Authorization; f != nil {
			verdict = f.Verdict
		}
		if s := r.Trail.Service; s != nil {
			class = strings.Join(s.Names, ", ") + " " + s.Classification
		}
		if v := r.Trail.Validation; v != nil {
			tests = v.Conclusion
		}
		return a, verdict, class, tests
	}
	a1, verdict1, class1, tests1 := brief(was)
	a2, verdict2, class2, tests2 := brief(is)
	say("trigger", a1.Trigger, a2.Trigger)
	say("alternatives", a1.Alternatives, a2.Alternatives)
	say("authorized", a1.Authorized, a2.Authorized)
	say("reviewed", a1.Reviewed, a2.Reviewed)
	say("verdict", verdict1, verdict2)
	say("service", class1, class2)
	say("tests", tests1, tests2)
	say("gaps", strings.Join(was.Trail.Gaps, " "), strings.Join(is.Trail.Gaps, " "))
	say("controls", strings.Join(was.Tags, " "), strings.Join(is.Tags, " "))
	if f, g := was.Trail.Authorization, is.Trail.Authorization; f != nil && g != nil {
		say("policy", f.PolicyDigest, g.PolicyDigest)
	}
	if out == nil {
		out = []string{"details"}
	}
	return out
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
