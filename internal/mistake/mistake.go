// Package mistake says what is wrong in a file or a request that somebody wrote, and where: in
// plain sentences, without the jargon of the libraries that read it.
package mistake

import (
	"errors"
	"fmt"
)

// A Mistake is a mistake that somebody made in a file.
type Mistake struct {
	File         string // empty if the text is not from a file
	Line, Column int    // from 1 on; 0 where it is not known
	Path         string // as rules[0].verdict; empty where it is of no use
	What         string // what is wrong, and what to do
}

// Error returns the mistake with its position in the form that editors read: policy.yaml:3:7 and
// what is wrong.
func (m *Mistake) Error() string {
	switch {
	case m.File != "" && m.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, max(m.Column, 1), m.What)
	case m.File != "":
		return m.File + ": " + m.What
	case m.Line > 0 && m.Column > 0:
		return fmt.Sprintf("line %d, column %d: %s", m.Line, m.Column, m.What)
	case m.Line > 0:
		return fmt.Sprintf("line %d: %s", m.Line, m.What)
	}
	return m.What
}

// At returns a mistake at a path of a document, for example rules[0].verdict.
func At(path, format string, args ...any) error {
	return &Mistake{Path: path, What: fmt.Sprintf(format, args...)}
}

// In sets the file of mistakes; other errors are wrapped with its name.
func In(file string, err error) error {
	return Each(err, func(m *Mistake) {
		if m.File == "" {
			m.File = file
		}
	}, func(other error) error { return fmt.Errorf("%s: %w", file, other) })
}

// Each returns err with f applied to copies of all mistakes that are joined in it, and other to all
// other errors.
func Each(err error, f func(*Mistake), other ...func(error) error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, one := range joined.Unwrap() {
			out = append(out, Each(one, f, other...))
		}
		return errors.Join(out...)
	}
	var m *Mistake
	if errors.As(err, &m) {
		copied := *m
		f(&copied)
		return &copied
	}
	for _, o := range other {
		err = o(err)
	}
	return err
}
