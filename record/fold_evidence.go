package record

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// foldDeployments lists where the change was deployed. Claims are shown if there is no
// observation, and are never used for answers. The same holds for deployments of a commit that is
// only claimed to be the change's.
func foldDeployments(r *Record, f Facts, all []*Event) {
	commits, artifacts := observedNames(r, f.Own)
	var environments, claimed []string
	var first, firstClaimed time.Time
	for _, e := range all {
		d, ok := e.Fact.(*Deployment)
		if !ok {
			continue
		}
		r.Trail.Deployments = append(r.Trail.Deployments, DeploymentFact{
			Environment: d.Environment, Outcome: d.Outcome, At: e.Time, CommitSHA: strings.ToLower(d.CommitSHA), Deployer: d.Deployer, Tier: e.witness(),
		})
		to, at := &claimed, &firstClaimed
		if e.Witness == Observed {
			to, at = &environments, &first
		}
		if d.Outcome == "success" {
			*to = append(*to, d.Environment)
			if at.IsZero() {
				*at = e.Time
			}
			if e.Witness == Observed && (e.Change != "" || slices.Contains(commits, strings.ToLower(d.CommitSHA)) || slices.Contains(artifacts, d.Artifact)) {
				r.Judged.Environments = append(r.Judged.Environments, d.Environment)
			}
		}
	}
	if environments == nil { // no observation: show the claims
		environments, first = claimed, firstClaimed
	}
	r.Trail.Change.DeployedAt = first
	r.Trail.Deployments = shownSeen(r.Trail.Deployments, func(d DeploymentFact) bool { return d.Tier == Observed })
	r.Trail.Environment = smallestStrings(nil, environments, maxListed)
	slices.Sort(r.Judged.Environments)
	r.Judged.Environments = slices.Compact(r.Judged.Environments)
}

// observedNames returns the commits and artifacts of the change, as witnesses saw them who can
// know them.
func observedNames(r *Record, own []Event) (commits, artifacts []string) {
	head, merge := r.commits()
	commits = append(observedHeads(own), compactStrings(append([]string{head, merge}, r.Judged.branch.heads...))...)
	for _, e := range own {
		if n, ok := e.Fact.(*Activity); ok && e.Witness == Observed {
			commits, artifacts = append(commits, strings.ToLower(n.CommitSHA)), append(artifacts, n.Artifact)
		}
	}
	none := func(name string) bool { return name == "" }
	return slices.DeleteFunc(commits, none), slices.DeleteFunc(artifacts, none)
}

// foldValidations prefers observed test results to claimed ones.
func foldValidations(r *Record, all []*Event) {
	var observed, claimed []*Event
	for _, e := range all {
		if _, ok := e.Fact.(*Validation); !ok {
			continue
		}
		if e.Witness == Observed {
			observed = append(observed, e)
		} else {
			claimed = append(claimed, e)
		}
	}
	said := validations(r, claimed)
	if r.Trail.Validation = validations(r, observed); r.Trail.Validation == nil {
		r.Trail.Validation = said
	} else if said != nil {
		r.Trail.Validation.Claimed = said.Conclusion
	}
}

func validations(r *Record, all []*Event) *ValidationFacts {
	head, merge := r.commits()
	commit, current := "", false
	runs := make([]*Event, 0, len(all))
	for _, e := range all {
		f := e.Fact.(*Validation)
		sha := strings.ToLower(f.CommitSHA)
		now := sha != "" && (sha == head || sha == merge)
		if current && !now {
			continue
		}
		if now != current || !now && sha != commit {
			runs = runs[:0]
		}
		commit, current = sha, now
		runs = append(runs, e)
	}
	if len(runs) == 0 {
		return nil
	}
	results := countingResults(runs)
	out := &ValidationFacts{CommitSHA: commit, Current: current, Jobs: make([]JobFact, 0, len(results))}
	for _, e := range results {
		f := e.Fact.(*Validation)
		out.Passed += f.Passed
		out.Failed += f.Failed
		out.Skipped += f.Skipped
		if len(f.Failing) > 0 {
			out.Failing = smallestStrings(out.Failing, f.Failing, MaxFailing)
		}
		out.Conclusion = worse(out.Conclusion, f.Conclusion)
		out.Jobs = append(out.Jobs, JobFact{
			Name: f.Name, Provider: f.Provider, Workflow: f.Workflow, Conclusion: f.Conclusion, At: e.Time, URL: f.URL,
			Format: f.Report.Format, Digest: f.Report.Digest,
		})
	}
	out.Jobs = mostSevere(out.Jobs)
	return out
}

// mostSevere keeps as many jobs as a document has, failed ones first.
func mostSevere(jobs []JobFact) []JobFact {
	if len(jobs) <= maxListed {
		return jobs
	}
	slices.SortStableFunc(jobs, func(a, b JobFact) int {
		return cmp.Compare(slices.Index(conclusions, b.Conclusion), slices.Index(conclusions, a.Conclusion))
	})
	return jobs[:maxListed]
}

// conclusions, from the best to the worst for a change.
var conclusions = []string{"", "skipped", "neutral", "success", "waiting", "cancelled", "timed-out", "error", "failure"}

func worse(a, b string) string {
	if slices.Index(conclusions, a) >= slices.Index(conclusions, b) {
		return a
	}
	return b
}

func foldScans(r *Record, all []*Event) {
	seen := make(map[identity]bool)
	for _, e := range all {
		f, ok := e.Fact.(*Scan)
		if !ok || len(f.Findings) > 0 || seen[identityOf(e)] {
			continue
		}
		seen[identityOf(e)] = true
		r.Trail.Scans = append(r.Trail.Scans, ScanFact{
			Scanner: f.Tool.Name, Format: f.Report.Format, Digest: f.Report.Digest, CommitSHA: strings.ToLower(f.CommitSHA),
			At: e.Time, Findings: int64(f.Summary.Findings), Highest: f.Summary.Highest, Scanned: f.Summary.Scanned, Tier: e.witness(),
		})
	}
	r.Trail.Scans = shownSeen(r.Trail.Scans, func(s ScanFact) bool { return s.Tier == Observed })
}
