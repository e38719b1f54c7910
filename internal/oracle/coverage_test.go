package oracle

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/record"
)

// TestHistoriesHaveAll checks that everything that the laws are about occurs in at least one of
// fifty histories.
func TestHistoriesHaveAll(t *testing.T) {
	n, counts := min(histories(t), 1000), make(map[string]int)
	for seed := range uint64(n) {
		h := generate(seed)
		tr := newTrial(h.Events, h.ID, h.World)
		for _, about := range those(h.holds(tr)) {
			counts[about]++
		}
	}
	for _, about := range slices.Sorted(maps.Keys((&history{}).holds(&trial{}))) {
		t.Logf("%5.1f %%  %s", float64(100*counts[about])/float64(n), about)
		if counts[about]*50 < n {
			t.Errorf("%s: in %d of %d histories", about, counts[about], n)
		}
	}
}

// holds returns the notable features of a history.
func (h *history) holds(t *trial) set {
	p := t.rules
	gitlab := slices.ContainsFunc(p.Owners, func(s section) bool { return s.Name != "" })
	byOwners := slices.ContainsFunc(p.Rules, func(r rule) bool { return slices.Contains(r.By, "owners") })
	asksWhere := slices.ContainsFunc(p.Rules, func(r rule) bool { return r.Kind == "deployed" || r.Kind == "only" })
	paths, all := t.files()
	cut, claimed, refused, imported, level := false, false, false, false, false
	for _, e := range t.own {
		r := revision(e)
		cut = cut || e.Witness == record.Observed && int(r.FilesTotal) > len(r.Files) && len(r.Files) > 0
		refused, imported = refused || is[*record.IdentityRefused](e), imported || e.Imported
		level = level || t.merged && !is[*record.Merged](e) && knownAt(e).Equal(t.mergedAt)
	}
	for e := range facts[*record.Deployment](t.events) {
		claimed = claimed || e.Witness != record.Observed
	}
	names := make(map[string]int)
	for _, number := range t.numbers {
		names[number]++
	}
	expired, taken, approvers := false, false, make(set)
	for e, a := range facts[*record.Approval](t.own) {
		expired = expired || a.Verdict != "refused" && !a.ExpiresAt.IsZero() && a.ExpiresAt.Before(t.mergedAt)
		approvers.add(those(set{t.who(a.Approver): a.Verdict != "refused" && counts(e)})...)
		taken = taken || a.Verdict != "refused" && counts(e) && t.refused(e, a)
	}
	several, owners, two := p.touched(paths), make(set), false
	for _, s := range several {
		owners.add(s.Owner)
		two = two || p.approvers(s) > 1
	}
	return set{
		"CODEOWNERS of GitHub": p.Owners != nil && !gitlab && byOwners, "CODEOWNERS of GitLab": gitlab && byOwners,
		"a rule about environments, and a deployment": asksWhere && len(t.environments()) > 0, "a rule about environments, and a claim": asksWhere && claimed,
		"mode gate-everything": p.Everything, "files beyond a limit": cut, "a push that is cut": t.cut, "files not known": !all, "facts left out": t.leftOut,
		"several must approve": two, "several must approve, and several did": two && len(approvers) > 1,
		"a refused identity": refused, "an account under two names": slices.Contains(slices.Collect(maps.Values(names)), 2), "numbers in the policy": strings.Contains(p.yaml(), `"id:`),
		"two senders of one source and id": slices.ContainsFunc(slices.Collect(maps.Values(t.shared)), func(n int) bool { return n >= 200 }),
		"several services":                 len(several) > 1, "several services with owners": len(owners) > 1, "an approval that expired": expired, "an approval taken back": taken,
		"a repository that was renamed": h.Renamed != "" && slices.ContainsFunc(t.events, func(e record.Event) bool { return e.Named == h.Renamed }), "history that is brought in": imported, "an event at the time of the merge": level, "another policy before or after": len(h.World.Versions) > 1, "no policy of the time": !t.ofTime, "an adversary": h.Adversary,
	}
}
