package web

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/query"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/replay"
)

// namesFile are the fields of a record with the files that it rests on.
var namesFile = []string{"changetrail.trigger.digest", "changetrail.scans.digest", "changetrail.validation.jobs.digest", "changetrail.change.sbom_digest"}

// maxSearched is the maximum number of changes that are searched for a file.
const maxSearched = 100

var errEnough = errors.New("enough")

// MayReadFile reports whether a change that who may read rests on a file, as stated by a platform
// or by a person other than who.
func MayReadFile(ctx context.Context, x Index, digest string, who identity.Principal) (bool, error) {
	if !digests.Is(digest) {
		return false, nil
	}
	where, err := naming(digest)
	if err != nil {
		return false, err
	}
	var ids []record.ChangeID
	err = x.All(ctx, where, func(h query.Hit) error {
		doc, err := query.ReadDoc(h.Doc)
		if err != nil {
			return err
		}
		if of := doc.Values("changetrail.change.repository"); len(of) == 1 && who.MayRead(of[0]) {
			for _, text := range doc.Values("changetrail.change.id") {
				ids = append(ids, record.ChangeID(text))
			}
		}
		if len(ids) >= maxSearched {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return false, err
	}
	for _, id := range ids {
		story, err := replay.Load(ctx, x, id)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(story.Events, func(e replay.Event) bool { return slices.Contains(e.Files, digest) && isIndependent(e, who) }) {
			return true, nil
		}
	}
	return false, nil
}

// naming finds the records that name a file.
func naming(digest string) (query.Node, error) {
	fields, err := query.RecordFields()
	if err != nil {
		return nil, err
	}
	return query.Parse(anyOf(query.Quote(digest), namesFile), fields, time.Now())
}

// isIndependent reports whether an event comes from someone else who saw what it states: a claim
// could name any file, and so could an agent in its own decision.
func isIndependent(e replay.Event, who identity.Principal) bool {
	if e.Witness != record.Observed && e.Witness != record.Human {
		return false
	}
	kind, name, known := strings.Cut(e.Sender, ":")
	own := map[string]string{"agent": who.Agent, "platform": who.Platform, "person": who.Person}[kind]
	return known && (own == "" || own != name)
}
