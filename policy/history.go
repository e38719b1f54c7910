package policy

import "time"

// A Version is a policy, or a control matrix, with the time when it came into force.
type Version[T any] struct {
	Digest  string    // over its content
	Arrived time.Time // when it was recorded
	Since   time.Time // start of its force; zero means always
	Content T
	Err     error // why this release cannot read Content; nil if it can
}

// A History is all stored versions of a policy or of a matrix. The zero value is empty.
type History[T any] struct{ versions []Version[T] } // in order of arrival

// Always returns the history of content that never changed. It is in force from since, or always if
// since is zero.
func Always[T any](content T, since time.Time) History[T] {
	return History[T]{[]Version[T]{{Since: since, Content: content}}}
}

// Add returns h with one more version, which arrived after all others, and reports whether it is
// new. A version with the digest of the newest one is not new.
//
// A version is in force from its arrival. If it states a start (stated), it is in force from then,
// but not before the start of the previous version: nothing that is recorded now can say what was
// in force before something that was recorded earlier. The first version was always in force,
// unless it states a start.
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

// At returns the version that was in force at a time, and whether it is certain: of the versions in
// force by then, the one that arrived last. If that version cannot be read, At returns the one
// before it and false. If no version was in force, At returns the first that can be read and false.
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

// ByDigest returns the newest version with a digest, which may be abbreviated.
func (h History[T]) ByDigest(prefix string) (v Version[T], ok bool) {
	for i := len(h.versions) - 1; i >= 0; i-- {
		if d := h.versions[i].Digest; len(prefix) >= shortDigest && len(d) >= len(prefix) && d[:len(prefix)] == prefix {
			return h.versions[i], true
		}
	}
	return v, false
}

// shortDigest is the length of the shortest abbreviation of a digest that is accepted: sha256: and
// eight digits.
const shortDigest = len("sha256:") + 8

// Newest returns the digest of the version that arrived last, or "" if there is none.
func (h History[T]) Newest() string {
	if len(h.versions) == 0 {
		return ""
	}
	return h.versions[len(h.versions)-1].Digest
}

// Versions returns all versions in order of arrival. The caller must not change them.
func (h History[T]) Versions() []Version[T] { return h.versions }
