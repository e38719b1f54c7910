package record

import (
	"slices"
	"strings"
)

// Attributes of a change that several witnesses may state, by their names in its document.
const (
	attrTitle        = "title"
	attrURL          = "url"
	attrAuthor       = "author"
	attrHead         = "head_sha"
	attrBase         = "base_ref"
	attrBranch       = "branch"
	attrKind         = "kind"
	attrFiles        = "files"
	attrDependencies = "dependencies"
	attrSize         = "additions"
	attrSBOM         = "sbom_digest"
	attrMerge        = "merged_at"
	attrMergeSHA     = "merge_sha"
	attrMergedBy     = "merged_by"
	attrClosedBy     = "closed_by"
	attrState        = "state"
)

// Ranks of those who state an attribute. The best one wins; among equals the newest.
const (
	rankClaim    = 1 + iota
	rankObserved // a platform
	rankHost     // the code host of the change
)

// A statement records for each attribute of a change how good the witness is that stated it.
// Facts are added in time order.
type statement struct {
	host   origin
	ranks  map[string]int
	claims []attribute        // claimed values of contested attributes
	seen   map[attribute]bool // values of them that were observed at any time
}

// An attribute is an attribute with a value.
type attribute struct{ name, value string }

// contested are the attributes for which a false claim is a gap.
var contested = []string{attrHead, attrMergeSHA, attrAuthor, attrMergedBy, attrMerge}

func newStatement(id ChangeID, own []Event) *statement {
	s := &statement{ranks: make(map[string]int), seen: make(map[attribute]bool)}
	if _, kind, sha := id.Split(); kind == "commit" { // its id contains the commit
		s.accept(attrHead, sha, rankHost)
		s.accept(attrMergeSHA, sha, rankHost)
	}
	for _, e := range own {
		if _, ok := e.Fact.(*Opened); ok && e.Witness == Observed {
			s.host = originOf(e)
			break
		}
	}
	return s
}

// An origin is who sent an event: the sender, or the source if no gateway checked a credential.
type origin struct{ sender, source string }

func originOf(e Event) origin {
	if e.Sender == "" {
		return origin{source: e.Source}
	}
	return origin{sender: e.Sender}
}

func (s *statement) rank(e Event) int {
	switch {
	case e.Witness != Observed:
		return rankClaim
	case s.host != origin{} && originOf(e) == s.host:
		return rankHost
	}
	return rankObserved
}

// accept reports whether the statement of a witness of a rank replaces what was stated before
// about an attribute. If so, it records the rank.
func (s *statement) accept(name, value string, rank int) bool {
	if slices.Contains(contested, name) {
		a := attribute{name, value}
		if rank == rankClaim {
			s.claims = append(s.claims, a)
		} else {
			s.seen[a] = true
		}
	}
	if rank < s.ranks[name] {
		return false
	}
	s.ranks[name] = rank
	return true
}

// text sets the value of an attribute, if one is stated and accepted.
func (s *statement) text(dst *string, name, value string, rank int) {
	if value != "" && s.accept(name, value, rank) {
		*dst = value
	}
}

// claimed lists the attributes that no witness states who can know them.
func (s *statement) claimed() []string {
	var out []string
	for name, rank := range s.ranks {
		if rank == rankClaim {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// known reports whether a witness who can know it states an attribute.
func (s *statement) known(name string) bool { return s.ranks[name] > rankClaim }

// commits returns the head that counts and the merge commit, or "" if one of them is unknown or
// only claimed.
func (r *Record) commits() (head, merge string) {
	c, s := r.Trail.Change, r.Judged.stated
	if s.known(attrHead) {
		head = c.HeadSHA
	}
	if s.known(attrMergeSHA) {
		merge = c.MergeSHA
	}
	return head, merge
}

// contradicted returns the first claim about an attribute that observations contradict and that
// no witness who can know it ever made.
func (s *statement) contradicted() (attribute, bool) {
	for _, a := range s.claims {
		known := s.known(a.name) || a.name == attrMerge && s.known(attrState)
		if known && !s.seen[a] && !s.sameAsSeen(a) {
			return a, true
		}
	}
	return attribute{}, false
}

// sameAsSeen reports whether a is a shortened form of an observed commit, or an observed account
// in another case.
func (s *statement) sameAsSeen(a attribute) bool {
	for o := range s.seen {
		if o.name == a.name && (strings.EqualFold(o.value, a.value) || SameCommit(o.value, a.value)) {
			return true
		}
	}
	return false
}
