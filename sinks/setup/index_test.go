package setup_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/sinks/setup"
	"github.com/changetrail/changetrail/stream"
)

const day = 24 * time.Hour

func options() setup.Options {
	return setup.Options{Namespace: "prod", Retention: 400 * day, Now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
}

// run sets the engine up, which must succeed.
func run(t *testing.T, e *engine, o setup.Options) []stream.Step {
	t.Helper()
	steps, err := setup.Index(t.Context(), e, o)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// done are the steps that changed something.
func done(steps []stream.Step) (out []string) {
	for _, s := range steps {
		if s.Change != "" {
			out = append(out, s.Change+" "+s.What)
		}
	}
	return out
}

const (
	records  = "changetrail-record-prod-2026.03"
	events   = "logs-" + schemas.EventDataset + "-prod"
	findings = "changetrail-finding-prod"
	health   = "changetrail-health-prod-2026.03"
)

func TestIndexMakesAllOnce(t *testing.T) {
	both(t, func(t *testing.T, e *engine) {
		want := []string{
			"create lifecycle policy changetrail-events", "create lifecycle policy changetrail-records",
			"create index template changetrail-event", "create index template changetrail-record", "create index template changetrail-finding", "create index template changetrail-health",
			"create data stream " + events, "create index " + records + " with alias " + schemas.RecordsAlias, "create index " + findings + " with alias " + schemas.FindingsAlias, "create index " + health + " with alias " + schemas.HealthAlias,
		}
		dry := options()
		dry.DryRun = true
		if diff := cmp.Diff(want, done(run(t, e, dry))); diff != "" {
			t.Errorf("a dry run (-want +got):\n%s", diff)
		}
		if changes := e.took(); len(changes) > 0 {
			t.Errorf("a dry run changed %v", changes)
		}
		if diff := cmp.Diff(want, done(run(t, e, options()))); diff != "" {
			t.Errorf("the first run (-want +got):\n%s", diff)
		}
		made := map[string]index{
			events:   {Mapping: e.mappingOf(t, "event"), Stream: true},
			records:  {Mapping: e.mappingOf(t, "record"), Aliases: object{schemas.RecordsAlias: object{}}},
			findings: {Mapping: e.mappingOf(t, "finding"), Aliases: object{schemas.FindingsAlias: object{}}},
			health:   {Mapping: e.mappingOf(t, "health"), Aliases: object{schemas.HealthAlias: object{}}},
		}
		if diff := cmp.Diff(made, e.Indexes); diff != "" {
			t.Errorf("indexes (-want +got):\n%s", diff)
		}
		e.took()
		was := e.state(t)
		if steps := run(t, e, options()); len(done(steps)) > 0 || len(steps) != len(want) {
			t.Errorf("the second run: %+v", steps)
		}
		if changes := e.took(); len(changes) > 0 || e.state(t) != was {
			t.Errorf("the second run changed %v", changes)
		}
	})
}

// lifecycleOf is the policy that a template gives to new indexes.
func lifecycleOf(e *engine, name string) any {
	settings := e.Templates["changetrail-"+name]["template"].(object)["settings"].(object)["index"].(object)
	return settings["lifecycle.name"]
}

// TestIndexesOfElasticsearchHaveTheirPolicy: OpenSearch finds the indexes of a policy by
// the patterns in the policy, and Elasticsearch by a setting of the index.
func TestIndexesOfElasticsearchHaveTheirPolicy(t *testing.T) {
	both(t, func(t *testing.T, e *engine) {
		run(t, e, options())
		got := []any{lifecycleOf(e, "event"), lifecycleOf(e, "record"), lifecycleOf(e, "finding"), lifecycleOf(e, "health")}
		want := []any{setup.EventsPolicy, setup.RecordsPolicy, nil, setup.RecordsPolicy}
		if e.Name() == schemas.OpenSearch {
			want = []any{nil, nil, nil, nil}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatPeopleChooseIsChanged(t *testing.T) {
	both(t, func(t *testing.T, e *engine) {
		run(t, e, options())
		o := options()
		o.Retention = 30 * day
		if diff := cmp.Diff([]string{"update lifecycle policy changetrail-events", "update lifecycle policy changetrail-records"}, done(run(t, e, o))); diff != "" {
			t.Errorf("another retention (-want +got):\n%s", diff)
		}
		if state := e.state(t); !strings.Contains(state, `"61d"`) || strings.Contains(state, `"431d"`) {
			t.Error("the policies do not have the new retention")
		}
		o.Shards = 3
		if diff := cmp.Diff([]string{"update index template changetrail-event", "update index template changetrail-record", "update index template changetrail-finding", "update index template changetrail-health"}, done(run(t, e, o))); diff != "" {
			t.Errorf("another number of shards (-want +got):\n%s", diff)
		}
		o.Now = o.Now.AddDate(0, 1, 0)
		if diff := cmp.Diff([]string{"create index changetrail-record-prod-2026.04 with alias " + schemas.RecordsAlias, "create index changetrail-health-prod-2026.04 with alias " + schemas.HealthAlias}, done(run(t, e, o))); diff != "" {
			t.Errorf("another month (-want +got):\n%s", diff)
		}
	})
}

// outdate makes the engine one that a former version set up some months ago.
func outdate(t *testing.T, e *engine) {
	t.Helper()
	o := options()
	run(t, e, o)
	o.Now = o.Now.AddDate(0, -1, 0)
	run(t, e, o)
	for name, x := range e.Indexes {
		x.Mapping = object{"properties": object{}}
		e.Indexes[name] = x
	}
	for _, template := range e.Templates {
		template["_meta"] = object{"managed_by": "changetrail setup", "digest": "sha256:of a former version"}
	}
	for name := range e.Policies {
		e.Policies[name] = object{"description": e.Policies[name]["description"], "default_state": "hot", "states": []any{}}
	}
	e.took()
	e.requests = 0
}

// TestAnUpgradeReachesTheIndexesThatExist, those of former months too.
func TestAnUpgradeReachesTheIndexesThatExist(t *testing.T) {
	both(t, func(t *testing.T, e *engine) {
		outdate(t, e)
		dry := options()
		dry.DryRun = true
		steps := done(run(t, e, dry))
		if changes := e.took(); len(changes) > 0 {
			t.Errorf("a dry run changed %v", changes)
		}
		if diff := cmp.Diff(steps, done(run(t, e, options()))); diff != "" || len(steps) != 6 {
			t.Errorf("a dry run says something else than what is done:\n%s", diff)
		}
		upgraded(t, e)
	})
}

func upgraded(t *testing.T, e *engine) {
	t.Helper()
	for name, of := range map[string]string{events: "event", records: "record", "changetrail-record-prod-2026.02": "record", findings: "finding", health: "health", "changetrail-health-prod-2026.02": "health"} {
		if diff := cmp.Diff(e.mappingOf(t, of), e.Indexes[name].Mapping); diff != "" {
			t.Errorf("the mapping of %s is not that of this version", name)
		}
	}
}

// TestSetupThatIsCutIsFinishedByTheNext: whatever request gets no answer, be it done or
// not, the next run brings the engine to where an undisturbed run would have brought it.
func TestSetupThatIsCutIsFinishedByTheNext(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *engine){
		"from nothing": func(*testing.T, *engine) {},
		"an upgrade":   outdate,
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, calm *engine) {
				start(t, calm)
				run(t, calm, options())
				want, n := calm.state(t), calm.requests
				for at := 1; at <= n; at++ {
					for _, done := range []bool{false, true} {
						e := newEngine(t, calm.Name())
						start(t, e)
						e.cutAt(at, done)
						_, err := setup.Index(t.Context(), e, options())
						if cut := e.wasCut(); cut == http.MethodPut && err == nil || cut == "" { // the client asks again by itself where that is harmless
							t.Errorf("request %d of %d, %s, done %t: %v", at, n, cut, done, err)
						}
						run(t, e, options())
						if diff := cmp.Diff(want, e.state(t)); diff != "" {
							t.Errorf("request %d of %d is cut, done %t (-undisturbed +got):\n%s", at, n, done, diff)
						}
					}
				}
			})
		})
	}
}

// TestRefusalsOfTheEngineAreReported, with the request and the engine's words, and nothing
// after it is done.
func TestRefusalsOfTheEngineAreReported(t *testing.T) {
	both(t, func(t *testing.T, calm *engine) {
		outdate(t, calm)
		var all []string
		calm.before = func(r *http.Request) (int, string) {
			all = append(all, r.Method+" "+r.URL.Path)
			return 0, ""
		}
		run(t, calm, options())
		for at, request := range all {
			e := newEngine(t, calm.Name())
			outdate(t, e)
			n := 0
			e.before = func(*http.Request) (int, string) {
				if n++; n == at+1 {
					return http.StatusForbidden, `{"error":"no permissions for [setup]"}`
				}
				return 0, ""
			}
			_, err := setup.Index(t.Context(), e, options())
			method, path, _ := strings.Cut(request, " ")
			for _, part := range []string{e.Name(), method, path, "HTTP 403", "no permissions"} {
				if method == http.MethodHead && part == "no permissions" { // an answer to HEAD has no body
					continue
				}
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s is refused: %v, which does not say %q", request, err, part)
				}
			}
			if n != at+1 {
				t.Errorf("%s is refused, and %d more requests follow", request, n-at-1)
			}
		}
	})
}

// TestAServerWithoutLifecycles is used all the same, and that nothing is ever deleted is said.
func TestAServerWithoutLifecycles(t *testing.T) {
	for _, none := range []struct {
		status int
		answer string
	}{{400, `{"error":"no handler found for uri"}`}, {405, `{}`}, {404, `{"error":"no handler found for uri"}`}} {
		t.Run(fmt.Sprint(none.status), func(t *testing.T) {
			both(t, func(t *testing.T, e *engine) {
				e.before = func(r *http.Request) (int, string) {
					if strings.Contains(r.URL.Path, "polic") || strings.HasPrefix(r.URL.Path, "/_data_stream") {
						return none.status, none.answer
					}
					return 0, ""
				}
				steps := run(t, e, options())
				if text := fmt.Sprint(steps); !strings.Contains(text, "deleted by age") || !strings.Contains(text, "first event") {
					t.Errorf("%v", text)
				}
				if lifecycleOf(e, "record") != nil {
					t.Error("a template names a policy that is not there")
				}
				if len(e.Indexes) != 3 || len(e.Policies) != 0 {
					t.Errorf("%d indexes, %d policies", len(e.Indexes), len(e.Policies))
				}
			})
		})
	}
}

// TestAPolicyThatSomebodyElseChanges between reading and writing is not overwritten.
func TestAPolicyThatSomebodyElseChanges(t *testing.T) {
	e := newEngine(t, schemas.OpenSearch)
	run(t, e, options())
	e.before = func(r *http.Request) (int, string) {
		if r.Method == http.MethodPut {
			e.seq++
		}
		return 0, ""
	}
	o := options()
	o.Retention = 30 * day
	if _, err := setup.Index(t.Context(), e, o); err == nil || !strings.Contains(err.Error(), "HTTP 409") {
		t.Errorf("%v", err)
	}
	e.before = nil
	run(t, e, o)
}

// TestAnIndexThatRefusesTheMapping is an error, in each run until it is mended.
func TestAnIndexThatRefusesTheMapping(t *testing.T) {
	both(t, func(t *testing.T, e *engine) {
		outdate(t, e)
		e.before = func(r *http.Request) (int, string) {
			if strings.HasSuffix(r.URL.Path, "/_mapping") {
				return http.StatusBadRequest, `{"error":"mapper [a] cannot be changed from type [keyword] to [text]"}`
			}
			return 0, ""
		}
		for range 2 {
			if _, err := setup.Index(t.Context(), e, options()); err == nil || !strings.Contains(err.Error(), "cannot be changed") {
				t.Errorf("%v", err)
			}
		}
		e.before = nil
		run(t, e, options())
		upgraded(t, e)
	})
}
