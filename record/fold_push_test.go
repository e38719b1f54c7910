package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrailers(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          []Trailer
	}{
		{"at the end, as git has them", "Fix it\n\nBecause.\n\nAssisted-by: Claude:opus [go]\nAgent-Execution: run-1\n", []Trailer{{TrailerAssistedBy, "Claude:opus [go]"}, {TrailerExecution, "run-1"}}},
		{"in the body, where a squash merge has put them", "Add discount (#42)\n\n* Add it\n\nAgent-Logs-Url: https://a/1\n\n* Test it\n\nCo-authored-by: Copilot <c@x>", []Trailer{{TrailerLogsURL, "https://a/1"}, {TrailerCoauthor, "Copilot <c@x>"}}},
		{"in whatever case", "x\n\nCO-AUTHORED-BY: A <a@x>\r\nclaude-session: s", []Trailer{{TrailerCoauthor, "A <a@x>"}, {TrailerSession, "s"}}},
		{"folded over lines", "x\n\nAssisted-by: Claude\n  and Codex\nSigned-off-by: ana", []Trailer{{TrailerAssistedBy, "Claude and Codex"}}},
		{"others tell of no agent", "x\n\nReviewed-by: ana\nNote: Agent-Execution: run-1\nAgent-Execution:\n", nil},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Trailers(c.message)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzTrailers(f *testing.F) {
	f.Add("x\n\nAssisted-by: a\n b\n")
	f.Fuzz(func(t *testing.T, message string) {
		for _, tr := range Trailers(message) {
			if tr.Value == "" || len(tr.Value) > 1024 {
				t.Errorf("%q", tr)
			}
		}
	})
}

func TestPushes(t *testing.T) {
	commit := func(n int, trailers ...Trailer) Commit { return Commit{SHA: sha(n), Author: "ana", Trailers: trailers} }
	push := func(minute, after int, commits ...Commit) Event {
		return about(minute, &Pushed{Branch: "fix", After: sha(after), Pusher: "ana", Files: []string{"a.go"}, Commits: commits})
	}
	toMain := func(minute, after int, commits ...Commit) Event {
		e := push(minute, after, commits...)
		e.Fact.(*Pushed).Default = true
		return e
	}
	run := func(name string) Trailer { return Trailer{TrailerExecution, name} }
	opened := func(minute, head int) Event {
		return said(minute, &Opened{Revision{HeadSHA: sha(head), Author: "ana", AuthorType: "human"}})
	}
	act := func(minute int, run string, commit int) Event {
		a := &Action{Agent: Agent{ID: "claude", Run: run}, Tool: "edit"}
		if commit > 0 {
			a.CommitSHA = sha(commit)
		}
		return about(minute, a)
	}
	decided := func(run, logs string) Event {
		e := said(3, &Decision{Agent: Agent{ID: "claude", Run: run, LogsURL: logs}, Options: []Option{{ID: "a", Outcome: "chosen"}}})
		e.Change, e.ID = "", "decided:"+run
		return e
	}
	chosen := func(r *Record) any {
		if r.Trail.Decision == nil {
			return ""
		}
		return r.Trail.Decision.Chosen
	}
	runs := func(r *Record) any {
		var count int64
		if r.Trail.Actions != nil {
			count = r.Trail.Actions.Count
		}
		return []any{r.Trail.Runs, count}
	}
	for _, c := range []struct {
		name   string
		events []Event
		get    func(*Record) any
		want   any
	}{
		{"files come from the pushes where the code host names none", []Event{opened(1, 1), push(2, 1, commit(1))}, func(r *Record) any { return r.Trail.Change.Files }, []string{"a.go"}},
		{"trailers of all commits of the push are found by its newest", []Event{opened(1, 2), push(2, 2, commit(1, run("r1")), commit(2))}, func(r *Record) any { return r.Trail.Trailers }, []TrailerFact{{sha(1), TrailerExecution, "r1"}}},
		{"of a push to main only the change's own commit counts", []Event{said(1, &Merged{MergeSHA: sha(2)}), toMain(2, 3, commit(1, run("r1")), commit(2, run("r2")), commit(3, run("r3")))}, func(r *Record) any { return r.Trail.Trailers }, []TrailerFact{{sha(2), TrailerExecution, "r2"}}},
		{"a trailer leads to the actions of its run, and is a claim", []Event{opened(1, 1), push(2, 1, commit(1, run("r1"))), act(0, "r1", 0), act(0, "r2", 0)}, runs, []any{[]RunFact{{"r1", []string{"trailer"}, false}}, int64(1)}},
		{"the log that names the commit back confirms it", []Event{opened(1, 1), push(2, 1, commit(1, run("r1"))), act(0, "r1", 1), act(1, "r1", 0)}, runs, []any{[]RunFact{{"r1", []string{"trailer", "action"}, true}}, int64(2)}},
		{"a commit leads to its run without any trailer", []Event{opened(1, 1), act(0, "r1", 1), act(1, "r1", 0), act(2, "r2", 0)}, runs, []any{[]RunFact{{"r1", []string{"action"}, true}}, int64(2)}},
		{"a decision leads to its run", []Event{said(1, &Decision{Agent: Agent{ID: "claude", Run: "r1"}}), act(0, "r1", 0)}, runs, []any{[]RunFact{{"r1", []string{"decision"}, false}}, int64(1)}},
		{"a decision that names no change is about what its run makes", []Event{opened(1, 1), push(2, 1, commit(1, run("r1"))), decided("r1", "")}, chosen, "a"},
		{"and not about what another makes", []Event{opened(1, 1), push(2, 1, commit(1, run("r2"))), decided("r1", "")}, chosen, ""},
		{"it is found by a name of the run that another decision tells", []Event{opened(1, 1), push(2, 1, commit(1, run("r1"))), decided("r1", "https://logs/1"), decided("", "https://logs/1")}, func(r *Record) any { return r.Trail.Decision.Total }, int64(2)},
		{"an action of another commit is another's", []Event{opened(1, 1), act(0, "r1", 2)}, runs, []any{[]RunFact(nil), int64(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.get(fold(c.events...))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestADirectPushIsAChangeUnlessAMergeMadeIt(t *testing.T) {
	id := ChangeID(string(change.Repository()) + "/commit/" + sha(3))
	push := said(2, &Pushed{Branch: "main", Default: true, After: sha(3), Pusher: "ana", PusherType: "human", Commits: []Commit{{SHA: sha(3), Author: "bo", Subject: "Fix it"}}})
	push.Change = id
	events := []Event{push}
	c := Fold(id, Gather(id, events)).Trail.Change
	if c.State != "merged" || c.MergedBy != "ana" || c.Author != "bo" || c.Title != "Fix it" || c.PartOf != "" || c.InitiatedBy != "human" {
		t.Errorf("a direct push became %+v", c)
	}
	events = append(events, said(1, &Merged{MergeSHA: sha(3)}))
	if c = Fold(id, Gather(id, events)).Trail.Change; c.PartOf != change {
		t.Errorf("the merge of %s became a change: %+v", change, c)
	}
	if r := Fold(change, Gather(change, events)); r.Trail.Change.PartOf != "" || r.Trail.Change.MergedBy != "" {
		t.Errorf("the change became %+v", r.Trail.Change)
	}
}
