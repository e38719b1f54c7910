package schemas

import (
	"cmp"
	"slices"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// An event may name its change or repository in several places: its subject names a change, its
// partitionkey a repository, its data either. They must agree, since a sender that may speak about
// one may not speak about the other. The key of the Kafka record decides the partition of the
// event, and counts only if nothing else names a repository.

// A Conflict is the error for an event that names different changes or repositories in different
// places. It wraps a [Refusal].
type Conflict struct {
	Repositories []record.Repository // all repositories that it names
	refusal      error
}

func (c *Conflict) Error() string { return c.refusal.Error() }

// Unwrap returns the refusal.
func (c *Conflict) Unwrap() error { return c.refusal }

// Conflicting returns the Conflict of an event that names two different things.
func Conflicting(first, second string, repositories ...record.Repository) error {
	return &Conflict{
		slices.DeleteFunc(repositories, func(r record.Repository) bool { return r == "" }),
		Refuse(NamesConflict, "it names %s and %s; subject, partitionkey and data of one event must name one change of one repository: correct the one that is wrong, or send two events", first, second),
	}
}

// Place sets the change and the repository of ev from the subject and the partitionkey of its
// envelope, or from the key of its Kafka record if they name none. Before the call ev has the
// change and repository that its data name.
func Place(ev *record.Event, subject record.ChangeID, e *Envelope, key []byte) error {
	partition := subject.Repository()
	if e.PartitionKey != string(partition) { // usually they are equal
		partition = repositoryIn(e.PartitionKey)
	}
	if subject != "" && ev.Change != "" && !strings.EqualFold(string(subject), string(ev.Change)) {
		return Conflicting(string(subject), string(ev.Change), subject.Repository(), ev.Change.Repository(), ev.Repository, partition)
	}
	ev.Change = cmp.Or(subject, ev.Change)
	at := ev.Change.Repository()
	for _, other := range [...]record.Repository{partition, ev.Repository} {
		if at = cmp.Or(at, other); other != "" && other != at && !strings.EqualFold(string(at), string(other)) {
			return Conflicting(string(cmp.Or(record.Repository(ev.Change), at)), string(other), at, ev.Repository, partition)
		}
	}
	if ev.Repository = at; at == "" && record.RunOf(e.PartitionKey) == "" {
		ev.Repository = repositoryIn(string(key))
	}
	if id := ev.Change; len(id) > maxChange || len(ev.Repository) > maxRepository {
		return Refuse(NotAChange, "%.40s… is longer than %d bytes, or its repository than %d", cmp.Or(string(id), string(ev.Repository)), maxChange, maxRepository)
	}
	return nil
}

// Bounds of names, in bytes; facts that contain such names have the same bounds.
const (
	maxRepository = 512
	maxChange     = 1024
)

// Hint returns the repository that the envelope of an event or the key of its Kafka record names,
// for data that may not name it.
func Hint(subject record.ChangeID, e *Envelope, key []byte) record.Repository {
	hint := cmp.Or(repositoryIn(e.PartitionKey), subject.Repository())
	if hint == "" && record.RunOf(e.PartitionKey) == "" {
		hint = repositoryIn(string(key))
	}
	return hint
}

// repositoryIn returns the repository of a key that is a repository or a change; "" if it is
// neither. The key of a run may contain a URL, and names no repository.
func repositoryIn(key string) record.Repository {
	if key == "" || record.RunOf(key) != "" {
		return ""
	}
	if strings.Contains(key, "/pull") || strings.Contains(key, "/merge_requests/") || strings.Contains(key, "/commit/") {
		if id, err := record.ParseChange(key); err == nil {
			return id.Repository()
		}
	}
	repo, err := record.ParseRepository(key)
	if err != nil {
		return ""
	}
	return repo
}

// locate determines which change and repository, or which run, an event is about.
func locate(ev *record.Event, e Envelope, key []byte) error {
	switch f := ev.Fact.(type) {
	case *record.Spans:
		ev.Run = f.Trace
		return placeSpans(f, &e)
	case *record.RunNamed:
		ev.Run = f.Run
		return nil
	}
	var subject record.ChangeID
	if e.Subject != "" {
		var err error
		if subject, err = record.ParseChange(e.Subject); err != nil {
			return Refuse(NotAChange, "subject %v", err)
		}
	}
	ev.Repository = repositoryIn(repositoryOf(ev.Fact))
	if err := Place(ev, subject, &e, key); err != nil {
		return err
	}
	switch {
	case ev.Change != "":
		return ofItsCommit(ev)
	case needsChange(ev.Fact, e):
		or := ""
		if _, decision := ev.Fact.(*record.Decision); decision {
			or = "; or its run (data.agent.run), which the commits name in a trailer Agent-Execution"
		}
		return Refuse(NotAChange, "an event of type %s needs its change as the subject, for example github.com/acme/payments/pull/4829%s", ev.Type, or)
	case ev.Repository != "":
		if p, ok := ev.Fact.(*record.Pushed); ok && p.Default { // a direct push is a change of its own
			ev.Change = record.ChangeID(string(ev.Repository) + "/commit/" + strings.ToLower(p.After))
		}
		return nil
	}
	return waitForRun(ev, e, key)
}

// ofItsCommit refuses a push whose change names another commit than the push does.
func ofItsCommit(ev *record.Event) error {
	p, ok := ev.Fact.(*record.Pushed)
	if !ok {
		return nil
	}
	if repo, kind, sha := ev.Change.Split(); kind == "commit" && !strings.EqualFold(sha, p.After) {
		return Conflicting(string(ev.Change), "the commit "+p.After, repo)
	}
	return nil
}

// waitForRun makes an action that names its run, but no repository, wait in the partition of that
// run.
func waitForRun(ev *record.Event, e Envelope, key []byte) error {
	if _, action := ev.Fact.(*record.Action); action {
		if runs := record.RunNames(*ev); len(runs) > 0 {
			ev.Run = runs[0]
			for _, name := range []string{string(key), e.PartitionKey} {
				if run := record.RunOf(name); slices.Contains(runs, run) {
					ev.Run = run
				}
			}
			return nil
		}
	}
	return Refuse(NoRepository, "neither the subject nor partitionkey, data.repository or the Kafka key names a repository; set partitionkey to host/path, for example github.com/acme/payments")
}

// placeSpans brings the names in spans into the form of ids. Spans of one trace may be about
// several repositories; if the envelope names one, all are about that one.
func placeSpans(f *record.Spans, e *Envelope) error {
	subject, _ := record.ParseChange(e.Subject) // a subject that is not a change is ignored
	named := cmp.Or(subject.Repository(), repositoryIn(e.PartitionKey))
	for i := range f.Spans {
		s := &f.Spans[i]
		if s.Repository == "" && s.Change == "" {
			continue
		}
		ev := record.Event{}
		if s.Repository != "" {
			repo, err := record.ParseRepository(s.Repository)
			if err != nil {
				return Refuse(SchemaViolation, "data.spans[%d].repository: %v", i, err)
			}
			ev.Repository = repo
		}
		if s.Change != "" {
			id, err := record.ParseChange(s.Change)
			if err != nil {
				return Refuse(NotAChange, "data.spans[%d].change: %v", i, err)
			}
			ev.Change = id
		}
		if err := Place(&ev, "", &Envelope{PartitionKey: string(named)}, nil); err != nil {
			return err
		}
		s.Repository, s.Change = string(ev.Repository), string(ev.Change)
	}
	return nil
}

// needsChange reports whether a fact is meaningless without a change. A decision may name its run
// instead; an action, its run or its commit.
func needsChange(f record.Fact, e Envelope) bool {
	switch f := f.(type) {
	case *record.Scan, *record.Validation, *record.Deployment, *record.Pushed, *record.Activity, *record.IdentityRefused, *record.Request, *record.RepositoryNamed:
		return false
	case *record.Decision:
		return f.Agent.Run == "" && f.Agent.LogsURL == "" && traceOf(f, e) == ""
	case *record.Action:
		return f.Agent.Run == "" && f.Agent.LogsURL == "" && f.CommitSHA == "" && traceOf(f, e) == ""
	}
	return true
}

func repositoryOf(f record.Fact) string {
	switch f := f.(type) {
	case *record.Scan:
		return f.Repository
	case *record.Validation:
		return f.Repository
	case *record.Deployment:
		return f.Repository
	case *record.Action:
		return f.Repository
	case *record.Pushed:
		return f.Repository
	case *record.Activity:
		return f.Repository
	case *record.Request:
		return f.Repository
	}
	return ""
}
