package policy

import "time"

// A Version is a policy, or a control matrix, and when it came into force.
type Version[T any] struct {
	Digest  string    // over its content
	Arrived time.Time // when it was recorded
	Since   time.Time // in force from; zero: it always was
	Content T
	Err     error // why Content cannot be read by this release; nil where it can
}

// A History is all versions of a policy, or of a matrix, that are held. The zero value
// holds none.
type History[T any] struct{ versions []Version[T] } // in the order of arrival

// Always is the history of what was never other than it is now: since, where that is
// not zero.
func Always[T any](content T, since time.Time) History[T] {
	return History[T]{[]Version[T]{{Since: since, Content: content}}}
}

// Add returns h with a version more, which arrived after all others, and whether that is
// a new one. What has the digest of the newest is that one.
//
// A version is in force from its arrival on. One that states since when (stated) is so
// from then on, where that is after the version before it came into force: nothing that
// is recorded now can say what was in force before something that was recorded then. The
// first one always was, where it states nothing.
func (h History[T]) Add(v Version[T], stated time.Time) (History[T], bool) {
	n := len(h.versions)
	if n > 0 && h.versions[n-1].Digest == v.Digest {
		return h, false
	}
	v.Since = v.Arrived
	if n == 0 || stated.After(h.versions[n-1].Since) {
		v.Since = stated
	}
	return History[T]{append(h.versions[:n:n], v)}, true
}

// At returns the version that was in force at a time, and whether it is held: of those
// that were in force by then, the one that arrived last. Where that cannot be read, the one
// before it stays in force and is not held. Where none was, it is the first that can be
// read, and is not held.
func (h History[T]) At(t time.Time) (v Version[T], held bool) {
	held = true
	for i := len(h.versions) - 1; i >= 0; i-- {
		if v := h.versions[i]; !v.Since.After(t) {
			if v.Err == nil {
				return v, held
			}
			held = false
		}
	}
	for _, v := range h.versions {
		if v.Err == nil {
			return v, false
		}
	}
	return v, false
}

// ByDigest returns the newest version of a digest, or of the beginning of one.
func (h History[T]) ByDigest(prefix string) (v Version[T], ok bool) {
	for i := len(h.versions) - 1; i >= 0; i-- {
		if d := h.versions[i].Digest; len(prefix) >= shortDigest && len(d) >= len(prefix) && d[:len(prefix)] == prefix {
			return h.versions[i], true
		}
	}
	return v, false
}

// shortDigest is the length of the shortest beginning of a digest that names it:
// sha256: and eight digits.
const shortDigest = len("sha256:") + 8

// Newest is the digest of the version that arrived last; empty where there is none.
func (h History[T]) Newest() string {
	if len(h.versions) == 0 {
		return ""
	}
	return h.versions[len(h.versions)-1].Digest
}

// Versions returns all versions in the order of arrival. The caller must not change them.
func (h History[T]) Versions() []Version[T] { return h.versions }
