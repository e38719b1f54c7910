package reconcile

import (
	"regexp"
	"strings"

	"github.com/changetrail/changetrail/record"
)

// A Message is what the message of a commit says. Its author wrote it: it is a claim.
type Message struct {
	Subject  string
	Number   string // of the change that it says to merge
	Branch   string // that it says to merge
	Reverts  string // the commit that it says to revert
	Picked   string // the commit that it says to be a copy of
	Trailers []record.Trailer
}

// maxSubject is how much of a subject is kept, in bytes.
const maxSubject = 200

var (
	githubMerge = regexp.MustCompile(`^Merge pull request #([1-9][0-9]{0,17}) from [^/\s]+/(\S+)`)
	gitMerge    = regexp.MustCompile(`^Merge (?:remote-tracking )?branch '([^'\s]+)'`)
	gitlabMerge = regexp.MustCompile(`(?m)^See merge request (?:\S*)!([1-9][0-9]{0,17})\r?$`)
	inSubject   = regexp.MustCompile(`\([#!]([1-9][0-9]{0,17})\)$`)
	reverted    = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{7,64})`)
	pickedFrom  = regexp.MustCompile(`(?m)^\(cherry picked from commit ([0-9a-f]{7,64})\)`)
)

// ReadMessage reads the message of a commit.
func ReadMessage(text string) Message {
	subject, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	subject = strings.TrimSpace(subject)
	m := Message{Trailers: record.Trailers(text)}
	first := func(e *regexp.Regexp, in string) string {
		if found := e.FindStringSubmatch(in); found != nil {
			return found[1]
		}
		return ""
	}
	if found := githubMerge.FindStringSubmatch(subject); found != nil {
		m.Number, m.Branch = found[1], found[2]
	} else {
		m.Branch = first(gitMerge, subject)
	}
	if m.Number == "" {
		m.Number = first(gitlabMerge, text)
	}
	if m.Number == "" {
		m.Number = first(inSubject, subject)
	}
	m.Reverts, m.Picked = first(reverted, text), first(pickedFrom, text)
	for len(subject) > maxSubject || strings.ToValidUTF8(subject, "") != subject {
		subject = strings.ToValidUTF8(subject[:min(len(subject), maxSubject)], "")
	}
	m.Subject = subject
	return m
}
