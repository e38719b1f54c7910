package record

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Masking says that an event, or a file that it names, was changed after it was stored: secrets
// in it were replaced.
type Masking struct {
	At     time.Time `json:"at" index:"date"`
	By     string    `json:"by,omitempty" index:"keyword" doc:"who masked it"`
	Rules  []string  `json:"rules,omitempty" index:"keyword" doc:"rules that found a secret"`
	Was    string    `json:"was,omitempty" index:"keyword" doc:"digest of its data before"`
	Is     string    `json:"is,omitempty" index:"keyword" doc:"digest of its data now"`
	Source string    `json:"source,omitempty" index:"keyword" doc:"of the event"`
	ID     string    `json:"id,omitempty" index:"keyword" doc:"of the event"`
}

// String returns m in the form of the attribute maskedafter of its event, without source and id
// of the event.
func (m Masking) String() string {
	return url.Values{
		"at": {m.At.UTC().Format(time.RFC3339)}, "by": {m.By}, "rules": {strings.Join(m.Rules, ",")}, "was": {m.Was}, "is": {m.Is},
	}.Encode()
}

// ParseMasking reads the attribute maskedafter. If the text cannot be read, it is still a
// masking, about which nothing else is known.
func ParseMasking(text string) Masking {
	v, _ := url.ParseQuery(text) // use the readable part
	m := Masking{By: v.Get("by"), Was: v.Get("was"), Is: v.Get("is")}
	m.At, _ = time.Parse(time.RFC3339, v.Get("at")) // zero if not stated
	if rules := v.Get("rules"); rules != "" {
		m.Rules = strings.Split(rules, ",")
	}
	return m
}

// maxMaskings is how many maskings a record lists.
const maxMaskings = 50

// foldMaskings lists the events that were masked after they were stored, except claims, which
// prove nothing anyway.
func foldMaskings(r *Record, all []*Event) {
	for _, e := range all {
		if e.Masked == "" || cmp.Or(e.Witness, Claimed) == Claimed {
			continue
		}
		m := ParseMasking(e.Masked)
		m.Source, m.ID = e.Source, e.ID
		r.Trail.Masked = append(r.Trail.Masked, m)
	}
	slices.SortFunc(r.Trail.Masked, func(a, b Masking) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	r.Trail.Masked = r.Trail.Masked[:min(len(r.Trail.Masked), maxMaskings)]
}

// masked weakens the answers that need evidence whose bytes were changed after it was stored.
func (j *judge) masked(answers *Answers, reasons *Reasons) {
	last := j.record.Trail.Masked[len(j.record.Trail.Masked)-1]
	j.weaken(answers, reasons, fmt.Sprintf(" Secrets in its evidence were masked after it was kept, on %s by %s: the bytes of then cannot be shown.", last.At.UTC().Format(time.DateOnly), orString(last.By, "somebody")))
	j.gap(GapEvidenceMasked)
}
