package record

import (
	"slices"
	"strings"
)

// Attributes of a change that several may state, by their names in its document.
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

// Ranks of who states an attribute. The best one stands; among equals the newest.
const (
	rankClaim    = 1 + iota
	rankObserved // a platform
	rankHost     // the code host of the change
)

// A statement says for each attribute of a change how good the witness is that stated it.
// Facts are shown to it in the order of time.
type statement struct {
	host   speaker
	ranks  map[string]int
	claims []attribute        // what somebody claimed of what is contested
	seen   map[attribute]bool // what was observed of it, at any time
}

// An attribute is one with a value.
type attribute struct{ name, value string }

// contested are the attributes of which a false claim is a gap.
var contested = []string{attrHead, attrMergeSHA, attrAuthor, attrMergedBy, attrMerge}

func newStatement(id ChangeID, own []Event) *statement {
	s := &statement{ranks: make(map[string]int), seen: make(map[attribute]bool)}
	if _, kind, sha := id.Split(); kind == "commit" { // its name says which commit it is
		s.stands(attrHead, sha, rankHost)
		s.stands(attrMergeSHA, sha, rankHost)
	}
	for _, e := range own {
		if _, ok := e.Fact.(*Opened); ok && e.Witness == Observed {
			s.host = speakerOf(e)
			break
		}
	}
	return s
}

// A speaker is who tells of an event: the sender; the source where no gateway looked at a
// credential.
type speaker struct{ sender, source string }

func speakerOf(e Event) speaker {
	if e.Sender == "" {
		return speaker{source: e.Source}
	}
	return speaker{sender: e.Sender}
}

func (s *statement) rank(e Event) int {
	switch {
	case e.Witness != Observed:
		return rankClaim
	case s.host != speaker{} && speakerOf(e) == s.host:
		return rankHost
	}
	return rankObserved
}

// stands reports whether what a witness of a rank says of an attribute stands against what
// was said of it before, and notes that it does.
func (s *statement) stands(name, value string, rank int) bool {
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

// text takes the value of an attribute, where one is stated.
func (s *statement) text(dst *string, name, value string, rank int) {
	if value != "" && s.stands(name, value, rank) {
		*dst = value
	}
}

// claimed lists the attributes that nobody states who can know them.
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

// known reports whether an attribute is stated by one who can know it.
func (s *statement) known(name string) bool { return s.ranks[name] > rankClaim }

// commits returns the head that counts and the merge commit, as far as they are known; what
// is only claimed is not.
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

// contradicted returns the first claim about an attribute that is known otherwise, and that
// nobody who can know it ever made.
func (s *statement) contradicted() (attribute, bool) {
	for _, a := range s.claims {
		known := s.known(a.name) || a.name == attrMerge && s.known(attrState)
		if known && !s.seen[a] && !s.sameAsSeen(a) {
			return a, true
		}
	}
	return attribute{}, false
}

// sameAsSeen reports whether a is a shortened commit of one that was observed, or an
// account in other letters.
func (s *statement) sameAsSeen(a attribute) bool {
	for o := range s.seen {
		if o.name == a.name && (strings.EqualFold(o.value, a.value) || sameCommit(o.value, a.value)) {
			return true
		}
	}
	return false
}
