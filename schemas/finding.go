package schemas

import (
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/changetrail/changetrail/record"
)

// A Finding is one gap or contradiction of one change, as it is stored in the search index, so that
// detections can fire on it and analysts can list it. If later evidence closes it, it stays, with
// the status closed.
type Finding struct {
	Timestamp time.Time       `json:"@timestamp" schema:"required" index:"date" doc:"time of the newest event of the change"`
	Message   string          `json:"message,omitempty" index:"text" doc:"the gap in words"`
	ECS       record.Version  `json:"ecs"`
	Event     record.ECSEvent `json:"event"`
	Rule      FindingRule     `json:"rule"`
	Tags      []string        `json:"tags,omitempty" index:"keyword" doc:"tags of the controls that apply to the change"`
	Service   *record.Service `json:"service,omitempty"`
	User      *record.User    `json:"user,omitempty" doc:"the account that opened the change"`
	GenAI     *record.GenAI   `json:"gen_ai,omitempty"`
	Trail     FindingTrail    `json:"changetrail"`
}

// FindingRule is ECS rule.*.
type FindingRule struct {
	Name        string `json:"name" index:"keyword" doc:"name of the gap, as in changetrail.gaps"`
	Description string `json:"description" index:"none" doc:"what the gap means"`
}

// FindingTrail is changetrail.* of a finding.
type FindingTrail struct {
	Change  FindingChange        `json:"change"`
	Service *record.ServiceFacts `json:"service,omitempty"`
	Finding FindingFacts         `json:"finding"`
}

// FindingChange describes the change of a finding.
type FindingChange struct {
	ID          record.ChangeID   `json:"id" index:"keyword"`
	Repository  record.Repository `json:"repository" index:"keyword"`
	Number      string            `json:"number,omitempty" index:"keyword"`
	Title       string            `json:"title,omitempty" index:"text"`
	URL         string            `json:"url,omitempty" index:"keyword"`
	State       string            `json:"state,omitempty" index:"keyword"`
	Kind        string            `json:"kind,omitempty" index:"keyword"`
	InitiatedBy string            `json:"initiated_by,omitempty" index:"keyword"`
	MergedAt    time.Time         `json:"merged_at,omitzero" index:"date"`
}

// FindingFacts is the finding itself.
type FindingFacts struct {
	Kind     string `json:"kind" index:"keyword" doc:"name of the gap, as in changetrail.gaps"`
	Severity string `json:"severity" schema:"enum=critical|high|medium|low" index:"keyword" doc:"how severe the gap is"`
	Status   string `json:"status" schema:"enum=open|closed" index:"keyword" doc:"open, or closed by evidence that arrived later"`
	AtMerge  bool   `json:"at_merge" index:"boolean" doc:"the gap existed when the change was merged"`
	Claimed  string `json:"claimed,omitempty" index:"none"`
	Observed string `json:"observed,omitempty" index:"none"`
	Revision int64  `json:"revision" index:"long" doc:"revision of the record that opened or closed the gap"`
}

var findingEncoder = encoderOf(reflect.TypeFor[Finding](), byName)

// Append appends f to b as JSON on one line.
func (f *Finding) Append(b []byte) []byte { return findingEncoder.append(b, f) }

// FindingIndex returns the index of the findings of a namespace.
func FindingIndex(namespace string) string { return "changetrail-finding-" + namespace }

// FindingID returns the id of the document of a finding: record and kind.
func FindingID(id record.ChangeID, kind string) string {
	return RecordID(id + "#" + record.ChangeID(kind))
}

// Findings yields the findings of a sealed record, by kind: one for each of its gaps, and a closed
// one for each kind in former (sorted) that is no longer a gap. A finding is valid only until the
// next one.
func Findings(r *record.Record, former []string) iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		kinds := slices.Concat(r.Trail.Gaps, former)
		if len(kinds) == 0 {
			return
		}
		slices.Sort(kinds)
		c := r.Trail.Change
		f := Finding{
			Timestamp: r.Timestamp, ECS: r.ECS, Tags: r.Tags, Service: r.Service, User: r.User, GenAI: r.GenAI,
			Event: record.ECSEvent{Kind: "alert", Category: []string{"configuration"}, Type: []string{"info"}, Dataset: FindingDataset, Module: "changetrail", URL: c.URL},
			Trail: FindingTrail{
				Change:  FindingChange{c.ID, c.Repository, c.Number, c.Title, c.URL, c.State, c.Kind, c.InitiatedBy, c.MergedAt},
				Service: r.Trail.Service,
			},
		}
		for _, kind := range slices.Compact(kinds) {
			f.of(r, kind)
			if !yield(&f) {
				return
			}
		}
	}
}

// of sets f to the finding of a kind.
func (f *Finding) of(r *record.Record, kind string) {
	words := record.WordsOf(kind)
	f.Rule = FindingRule{kind, words.Means}
	f.Trail.Finding = FindingFacts{Kind: kind, Severity: words.Severity, Status: "closed", Revision: r.Trail.Revision}
	f.Message = string(r.Trail.Change.ID) + ": " + kind + ", closed by evidence that came later"
	if slices.Contains(r.Trail.Gaps, kind) {
		f.Trail.Finding.Status = "open"
		f.Message = string(r.Trail.Change.ID) + ": " + kind + ": " + words.Means
	}
	if k := r.Trail.AtMerge; k != nil {
		f.Trail.Finding.AtMerge = slices.Contains(k.Gaps, kind)
	}
	for _, x := range r.Trail.Contradictions {
		if x.Kind == kind {
			f.Trail.Finding.Claimed, f.Trail.Finding.Observed = x.Claimed, x.Observed
		}
	}
}
